//! Where snapshots are pushed to.

use std::fmt;

use super::HttpUrl;
use super::checks::quoted;
use crate::SettingsError;

/// What the system takes as the path of a Unix socket on Linux, in bytes (`sun_path` less the NUL).
const MAX_SOCKET_PATH_BYTES: usize = 107;

/// One intake listener.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Gateway {
    /// A Unix socket, by its absolute path.
    Unix(String),
    /// A TCP listener, without a path.
    Http(HttpUrl),
}

impl Gateway {
    /// Reads `unix:/absolute/path` or `http://host:port`.
    pub(super) fn parse(field: &str, text: &str) -> Result<Self, SettingsError> {
        let invalid = |problem: String| SettingsError::invalid(field, quoted(text), problem);
        if let Some(path) = text.strip_prefix("unix:") {
            return match path.len() {
                _ if !path.starts_with('/') || path.contains('\0') => {
                    Err(invalid("needs an absolute path after unix:".into()))
                }
                1..=MAX_SOCKET_PATH_BYTES => Ok(Self::Unix(path.to_owned())),
                bytes => Err(invalid(format!(
                    "has a path of {bytes} bytes, at most {MAX_SOCKET_PATH_BYTES}"
                ))),
            };
        }
        let url = HttpUrl::parse(field, text)?;
        if url.is_https() {
            return Err(invalid("intake is reached by unix:/path or http://host:port only".into()));
        }
        if url.port().is_none() || url.path() != "/" {
            return Err(invalid("must be http://host:port, with a port and without a path".into()));
        }
        Ok(Self::Http(url))
    }

    /// True if the file system says who may push, so that a signature adds little.
    #[must_use]
    pub fn is_unix(&self) -> bool {
        matches!(self, Self::Unix(_))
    }
}

impl fmt::Display for Gateway {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unix(path) => write!(f, "unix:{path}"),
            Self::Http(url) => write!(f, "http://{}", url.authority()),
        }
    }
}
