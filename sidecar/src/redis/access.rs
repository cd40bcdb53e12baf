//! How Redis is reached: what the configuration says, with the secrets that it names.

use std::fmt;

use redis::{ClientTlsConfig, TlsCertificates};
use weir_settings::sidecar::RedisSettings;

use crate::client::{TlsError, check_certificates};

/// Longest password in bytes.
const MAX_PASSWORD_BYTES: usize = 4096;

/// Settings and secrets. `Debug` does not show the secrets.
#[derive(Clone)]
pub(crate) struct RedisAccess {
    pub(super) settings: RedisSettings,
    pub(super) password: Option<String>,
    pub(super) sentinel_password: Option<String>,
    pub(super) certificates: Option<TlsCertificates>,
}

/// Why Redis cannot be reached as configured. What files hold is not repeated.
#[derive(Debug, thiserror::Error)]
pub enum RedisAccessError {
    /// A file cannot be read.
    #[error("cannot read {path}: {error}")]
    Unreadable {
        /// The file.
        path: String,
        /// What the system says.
        error: std::io::Error,
    },
    /// Empty, too long, or no text.
    #[error("{0} holds no password")]
    NoPassword(String),
    /// A certificate or a key that is none.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// The client library refuses it.
    #[error("cannot be used: {0}")]
    Refused(String),
}

impl fmt::Debug for RedisAccess {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RedisAccess({:?})", self.settings)
    }
}

impl RedisAccess {
    /// What `settings` name, read.
    ///
    /// # Errors
    /// [`RedisAccessError`] with the field below `redis` that is wrong.
    pub(super) fn read(settings: &RedisSettings) -> Result<Self, (&'static str, RedisAccessError)> {
        let named = |field: &'static str| move |error| (field, error);
        let password =
            password(settings.password_file.as_deref()).map_err(named("password_file"))?;
        let at_sentinels = password_of(settings).map_err(named("sentinel_password_file"))?;
        let certificates = certificates(settings)?;
        Ok(Self {
            settings: settings.clone(),
            password,
            sentinel_password: at_sentinels,
            certificates,
        })
    }

    /// What the configuration says.
    pub(crate) fn settings(&self) -> &RedisSettings {
        &self.settings
    }
}

fn password_of(settings: &RedisSettings) -> Result<Option<String>, RedisAccessError> {
    password(settings.sentinel_password_file.as_deref())
}

fn password(path: Option<&str>) -> Result<Option<String>, RedisAccessError> {
    let Some(path) = path else { return Ok(None) };
    let text = read(path)?;
    let none = || RedisAccessError::NoPassword(path.to_owned());
    let text = String::from_utf8(text).map_err(|_| none())?;
    // Editors end a file with a line end.
    let password = text.trim_end_matches(['\r', '\n']);
    match password.len() {
        1..=MAX_PASSWORD_BYTES => Ok(Some(password.to_owned())),
        _ => Err(none()),
    }
}

fn certificates(
    settings: &RedisSettings,
) -> Result<Option<TlsCertificates>, (&'static str, RedisAccessError)> {
    if settings.ca_file.is_none() && settings.certificate.is_none() {
        return Ok(None);
    }
    let pem = |field: &'static str, path: &str| {
        check_certificates(field, path).map_err(|error| (field, error.into()))?;
        read(path).map_err(|error| (field, error))
    };
    let root_cert = settings.ca_file.as_deref().map(|path| pem("ca_file", path)).transpose()?;
    let client_tls = match &settings.certificate {
        None => None,
        Some((certificate, key)) => Some(ClientTlsConfig {
            client_cert: pem("certificate_file", certificate)?,
            client_key: read(key).map_err(|error| ("key_file", error))?,
        }),
    };
    Ok(Some(TlsCertificates { client_tls, root_cert }))
}

fn read(path: &str) -> Result<Vec<u8>, RedisAccessError> {
    std::fs::read(path)
        .map_err(|error| RedisAccessError::Unreadable { path: path.to_owned(), error })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_read_without_its_line_end_and_never_shown() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("password");
        let path = path.to_str().unwrap();
        for (content, expected) in
            [(&b"hunter2\n"[..], Some("hunter2")), (b" a b \r\n", Some(" a b ")), (b"\n", None)]
        {
            std::fs::write(path, content).unwrap();
            let found = password(Some(path));
            assert_eq!(found.as_ref().ok().and_then(|it| it.as_deref()), expected);
        }
        std::fs::write(path, b"\xff").unwrap();
        let error = password(Some(path)).unwrap_err().to_string();
        assert!(error.ends_with("holds no password"), "{error}");
    }
}
