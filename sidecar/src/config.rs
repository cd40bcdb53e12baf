//! From a configuration file to all that the daemon needs: settings, signing keys, TLS.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use weir_settings::SettingsError;
use weir_settings::intake::MIN_KEY_BYTES;
use weir_settings::sidecar::{
    AccessSettings, Discovery, HttpUrl, PoolSettings, SidecarSettings, SigningKey, line_of,
};
use weir_snapshot::signature::{self, BodyDigest, SignatureError};

use crate::client::{Access, TlsError};
use crate::redis::{self, RedisAccess, RedisAccessError};

/// A loaded configuration.
#[derive(Clone, Debug)]
pub struct Config {
    /// What the file says.
    pub settings: SidecarSettings,
    pub(crate) keys: Keys,
    /// How the replicas of each pool are asked, in the order of the pools.
    pub(crate) access: Vec<Access>,
    /// How pages of GPUs are asked for.
    pub(crate) gpu_access: Access,
    /// How Redis is reached, if anything is shared.
    pub(crate) redis: Option<RedisAccess>,
}

/// The keys that pushes are signed with: none, one, or two while they are changed.
#[derive(Clone, Debug, Default)]
pub(crate) struct Keys(Vec<Key>);

impl Keys {
    /// How many there are.
    pub(crate) fn count(&self) -> usize {
        self.0.len()
    }

    /// One of them.
    pub(crate) fn at(&self, at: usize) -> Option<&Key> {
        self.0.get(at)
    }
}

/// The key that pushes are signed with. `Debug` doesn't show it.
#[derive(Clone)]
pub(crate) struct Key(Vec<u8>);

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Key(…)")
    }
}

/// Why a configuration cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("cannot read {}: {error}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the system says.
        error: io::Error,
    },
    /// What the file says makes no sense.
    #[error("{}{}: {error}", path.display(), line.map_or(String::new(), |line| format!(":{line}")))]
    Settings {
        /// The file.
        path: PathBuf,
        /// The line of the field, if it is known.
        line: Option<u64>,
        /// Field, value and limit.
        error: SettingsError,
    },
    /// The variable that holds the key is not set.
    #[error("{field}: the variable {name} is not set")]
    NoKey {
        /// The field that names it.
        field: &'static str,
        /// The variable.
        name: String,
    },
    /// A key that can be guessed.
    #[error("{field}: the key has {bytes} bytes, at least {MIN_KEY_BYTES}")]
    ShortKey {
        /// The field that names it.
        field: &'static str,
        /// Its length.
        bytes: usize,
    },
    /// No TLS for an `https` URL.
    #[error("{field}: {error}")]
    Tls {
        /// The field that wants it.
        field: String,
        /// What is wrong.
        error: TlsError,
    },
    /// Redis cannot be reached as configured.
    #[error("{}{}: redis.{field}: {error}", path.display(), line.map_or(String::new(), |line| format!(":{line}")))]
    Redis {
        /// The file.
        path: PathBuf,
        /// The line of the field, if it is known.
        line: Option<u64>,
        /// The field below `redis`.
        field: &'static str,
        /// What is wrong.
        error: Box<RedisAccessError>,
    },
    /// A second key without a first.
    #[error("second_key_env: there is no first key")]
    SecondKeyOnly,
}

impl Config {
    /// Reads the file at `path`, and the key that it names.
    ///
    /// # Errors
    /// [`ConfigError`] says what cannot be read or used.
    pub fn load(path: &Path) -> Result<Self, ConfigError> {
        let yaml = read(path)?;
        let settings = SidecarSettings::from_yaml(&yaml).map_err(|error| {
            let line = field_of(&error).and_then(|field| line_of(&yaml, field));
            ConfigError::Settings { path: path.to_owned(), line, error }
        })?;
        let pools = settings.pools.iter();
        let access = pools.map(access_of_pool).collect::<Result<_, _>>()?;
        let exporters = &settings.gpus.exporters;
        let https = exporters.iter().any(|exporter| HttpUrl::is_https(&exporter.url));
        let gpu_access = access_of("gpus.access", &settings.gpus.access, https)?;
        let redis = settings.redis.as_ref().map(redis::load).transpose();
        let redis = redis.map_err(|(field, error)| {
            let line = line_of(&yaml, &format!("redis.{field}"));
            ConfigError::Redis { path: path.to_owned(), line, field, error: Box::new(error) }
        })?;
        Ok(Self { keys: keys(&settings)?, access, gpu_access, redis, settings })
    }

    /// The files whose content counts, beside that of the configuration: when one changes, it has to be loaded again.
    #[must_use]
    pub fn files(&self) -> Vec<PathBuf> {
        let keys = [&self.settings.signing_key, &self.settings.second_key];
        let keys = keys.into_iter().filter_map(|key| match key {
            SigningKey::File(path) => Some(path),
            _ => None,
        });
        let access = self.settings.pools.iter().map(|pool| &pool.access);
        let tls = access.chain([&self.settings.gpus.access]).flat_map(|access| {
            let pair = access.certificate.iter().flat_map(|(certificate, key)| [certificate, key]);
            access.ca_file.iter().chain(pair)
        });
        let redis = self.settings.redis.iter().flat_map(|redis| redis.files());
        let files = keys.chain(tls).chain(redis).map(PathBuf::from);
        files.chain(self.cluster_ca()).collect()
    }

    /// The authority of the Kubernetes API, which changes with the cluster's certificates. The token is read anew by itself.
    fn cluster_ca(&self) -> Option<PathBuf> {
        let pools = self.settings.pools.iter().flat_map(|pool| &pool.discover);
        let mut sources = pools.chain(&self.settings.discover_gateways);
        let asks = sources.any(|source| {
            matches!(source, Discovery::EndpointSlices { .. } | Discovery::InferencePool { .. })
        });
        asks.then(|| self.settings.kubernetes.ca_file().into())
    }
}

fn field_of(error: &SettingsError) -> Option<&str> {
    match error {
        SettingsError::Invalid { field, .. } | SettingsError::Misfit { field, .. } => Some(field),
        SettingsError::Syntax(_) => None,
    }
}

fn access_of_pool(pool: &PoolSettings) -> Result<Access, ConfigError> {
    let field = format!("pools.{}.access", pool.name);
    match access_of(&field, &pool.access, pool.needs_tls()) {
        // Only a file of replicas may bring an https URL, and says so then.
        Err(ConfigError::Tls { error: TlsError::NoRoots, .. }) if !pool.surely_needs_tls() => {
            access_of(&field, &pool.access, false)
        }
        access => access,
    }
}

fn access_of(
    field: &str,
    settings: &AccessSettings,
    needs_tls: bool,
) -> Result<Access, ConfigError> {
    let tls = |error| ConfigError::Tls { field: field.to_owned(), error };
    Access::load(settings, needs_tls).map_err(tls)
}

impl Key {
    /// The signature of a push.
    pub(crate) fn sign_push(&self, challenge: &str, digest: BodyDigest) -> String {
        signature::sign_push(&self.0, challenge, digest)
    }

    /// The signature of a look at `time`, in seconds since 1970.
    pub(crate) fn sign_look(&self, time: u64) -> String {
        signature::sign_look(&self.0, signature::PATH, time)
    }

    /// Checks the time and the signature of a look at this sidecar's `path`.
    pub(crate) fn verify_look(
        &self,
        path: &str,
        given: (Option<&[u8]>, Option<&[u8]>),
        now: u64,
    ) -> Result<(), SignatureError> {
        signature::verify_look(&self.0, path, given, now)
    }

    /// Checks the time and the signature of a command with its path and body.
    pub(crate) fn verify_command(
        &self,
        command: (&str, &[u8]),
        given: (Option<&[u8]>, Option<&[u8]>),
        now: u64,
    ) -> Result<(), SignatureError> {
        signature::verify_command(&self.0, command, given, now)
    }
}

fn read(path: &Path) -> Result<Vec<u8>, ConfigError> {
    std::fs::read(path).map_err(|error| ConfigError::Unreadable { path: path.to_owned(), error })
}

fn keys(settings: &SidecarSettings) -> Result<Keys, ConfigError> {
    let first = key(&settings.signing_key, ["signing_key_env", "signing_key_file"])?;
    let second = key(&settings.second_key, ["second_key_env", "second_key_file"])?;
    if first.is_none() && second.is_some() {
        return Err(ConfigError::SecondKeyOnly);
    }
    Ok(Keys(first.into_iter().chain(second).collect()))
}

/// A key; `fields` are the ones that can name it.
fn key(source: &SigningKey, [env, file]: [&'static str; 2]) -> Result<Option<Key>, ConfigError> {
    match source {
        SigningKey::None => Ok(None),
        SigningKey::Env(name) => {
            let no_key = || ConfigError::NoKey { field: env, name: name.clone() };
            let key = std::env::var_os(name).ok_or_else(no_key)?;
            checked(env, key.into_encoded_bytes())
        }
        SigningKey::File(path) => {
            let mut key = read(Path::new(path))?;
            // Editors end a file with a line end; Envoy's side of the key has none.
            let end = key.trim_ascii_end().len();
            key.truncate(end);
            checked(file, key)
        }
    }
}

fn checked(field: &'static str, key: Vec<u8>) -> Result<Option<Key>, ConfigError> {
    match key.len() {
        MIN_KEY_BYTES.. => Ok(Some(Key(key))),
        bytes => Err(ConfigError::ShortKey { field, bytes }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FIELDS: [&str; 2] = ["signing_key_env", "signing_key_file"];

    fn file(content: &[u8]) -> (tempfile::TempDir, String) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        std::fs::write(&path, content).unwrap();
        let path = path.to_str().unwrap().to_owned();
        (folder, path)
    }

    #[test]
    fn a_key_file_may_end_with_a_line_end() {
        for content in [&b"0123456789abcdef"[..], b"0123456789abcdef\n", b"0123456789abcdef\r\n"] {
            let (_folder, path) = file(content);
            let found = key(&SigningKey::File(path), FIELDS).unwrap().unwrap();
            assert_eq!(found.0, b"0123456789abcdef");
            assert_eq!(format!("{found:?}"), "Key(…)");
        }
    }

    #[test]
    fn a_key_that_is_missing_or_short_is_refused_without_showing_it() {
        let (_folder, path) = file(b"hunter2hunter2\n");
        let error = key(&SigningKey::File(path), FIELDS).unwrap_err().to_string();
        assert_eq!(error, "signing_key_file: the key has 14 bytes, at least 16");
        let error =
            key(&SigningKey::Env("WEIR_NO_SUCH_KEY".into()), FIELDS).unwrap_err().to_string();
        assert_eq!(error, "signing_key_env: the variable WEIR_NO_SUCH_KEY is not set");
        let error = key(&SigningKey::File("/no/such/file".into()), FIELDS).unwrap_err().to_string();
        assert!(error.starts_with("cannot read /no/such/file: "), "{error}");
    }
}
