//! From a configuration file to all that the daemon needs: settings, signing key, TLS roots.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use weir_settings::SettingsError;
use weir_settings::intake::MIN_KEY_BYTES;
use weir_settings::sidecar::{HttpUrl, SidecarSettings, SigningKey};
use weir_snapshot::signature::{self, BodyDigest};

use crate::client::{TlsRoots, TlsRootsError};

/// A loaded configuration.
#[derive(Clone, Debug)]
pub struct Config {
    /// What the file says.
    pub settings: SidecarSettings,
    pub(crate) key: Option<Key>,
    pub(crate) roots: Option<TlsRoots>,
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
    #[error("{}: {error}", path.display())]
    Settings {
        /// The file.
        path: PathBuf,
        /// Field, value and limit.
        error: SettingsError,
    },
    /// The variable that holds the key is not set.
    #[error("signing_key_env: the variable {0} is not set")]
    NoKey(String),
    /// A key that can be guessed.
    #[error("{field}: the key has {bytes} bytes, at least {MIN_KEY_BYTES}")]
    ShortKey {
        /// The field that names it.
        field: &'static str,
        /// Its length.
        bytes: usize,
    },
    /// No TLS for an `https` URL.
    #[error(transparent)]
    Tls(#[from] TlsRootsError),
}

impl Config {
    /// Reads the file at `path`, and the key that it names.
    ///
    /// # Errors
    /// [`ConfigError`] says what cannot be read or used.
    pub fn load(path: &Path) -> Result<Self, ConfigError> {
        let yaml = read(path)?;
        let settings = SidecarSettings::from_yaml(&yaml)
            .map_err(|error| ConfigError::Settings { path: path.to_owned(), error })?;
        Ok(Self { key: key(&settings.signing_key)?, roots: roots(&settings)?, settings })
    }
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
}

fn read(path: &Path) -> Result<Vec<u8>, ConfigError> {
    std::fs::read(path).map_err(|error| ConfigError::Unreadable { path: path.to_owned(), error })
}

fn key(source: &SigningKey) -> Result<Option<Key>, ConfigError> {
    match source {
        SigningKey::None => Ok(None),
        SigningKey::Env(name) => {
            let key = std::env::var_os(name).ok_or_else(|| ConfigError::NoKey(name.clone()))?;
            checked("signing_key_env", key.into_encoded_bytes())
        }
        SigningKey::File(path) => {
            let mut key = read(Path::new(path))?;
            // Editors end a file with a line end; Envoy's side of the key has none.
            let end = key.trim_ascii_end().len();
            key.truncate(end);
            checked("signing_key_file", key)
        }
    }
}

fn checked(field: &'static str, key: Vec<u8>) -> Result<Option<Key>, ConfigError> {
    match key.len() {
        MIN_KEY_BYTES.. => Ok(Some(Key(key))),
        bytes => Err(ConfigError::ShortKey { field, bytes }),
    }
}

/// Loaded only if needed: reading the system's certificates takes a while.
fn roots(settings: &SidecarSettings) -> Result<Option<TlsRoots>, TlsRootsError> {
    let endpoints = settings.pools.iter().flat_map(|pool| &pool.endpoints);
    let urls = endpoints.map(|endpoint| &endpoint.metrics_url);
    let mut urls = urls.chain(settings.gpus.exporters.iter().map(|exporter| &exporter.url));
    if urls.any(HttpUrl::is_https) {
        return TlsRoots::system().map(Some);
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use super::*;

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
            let found = key(&SigningKey::File(path)).unwrap().unwrap();
            assert_eq!(found.0, b"0123456789abcdef");
            assert_eq!(format!("{found:?}"), "Key(…)");
        }
    }

    #[test]
    fn a_key_that_is_missing_or_short_is_refused_without_showing_it() {
        let (_folder, path) = file(b"hunter2hunter2\n");
        let error = key(&SigningKey::File(path)).unwrap_err().to_string();
        assert_eq!(error, "signing_key_file: the key has 14 bytes, at least 16");
        let error = key(&SigningKey::Env("WEIR_NO_SUCH_KEY".into())).unwrap_err().to_string();
        assert_eq!(error, "signing_key_env: the variable WEIR_NO_SUCH_KEY is not set");
        let error = key(&SigningKey::File("/no/such/file".into())).unwrap_err().to_string();
        assert!(error.starts_with("cannot read /no/such/file: "), "{error}");
    }
}
