//! Where Redis listens.

use std::fmt;

use super::super::gateway::MAX_SOCKET_PATH_BYTES;
use super::super::url::port_of;
use crate::SettingsError;

/// Greatest number of a database: Redis has 16 unless configured.
const MAX_DATABASE: u32 = 1023;

/// Where a server or a sentinel listens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RedisUrl {
    /// A Unix socket.
    Unix(String),
    /// TCP.
    Tcp {
        /// Name or IP address, an IPv6 address without its brackets.
        host: String,
        /// Not 0.
        port: u16,
        /// With TLS.
        tls: bool,
        /// Number of the database.
        database: u32,
    },
}

impl RedisUrl {
    pub(super) fn parse(field: &str, text: &str) -> Result<Self, SettingsError> {
        // The text is not repeated: a refused URL may hold a password.
        let invalid = |problem: &str| SettingsError::invalid(field, "the URL", problem);
        if let Some(path) = text.strip_prefix("unix:") {
            return Self::socket(path).map_err(|problem| invalid(&problem));
        }
        let (tls, rest) = match (text.strip_prefix("rediss://"), text.strip_prefix("redis://")) {
            (Some(rest), _) => (true, rest),
            (None, Some(rest)) => (false, rest),
            (None, None) => return Err(invalid("must start with redis://, rediss:// or unix:/")),
        };
        if rest.contains('@') {
            return Err(invalid("may not hold credentials: username and password_file have them"));
        }
        let (authority, database) = rest.split_once('/').unwrap_or((rest, ""));
        let port = port_of(authority).flatten();
        let port = port.ok_or_else(|| invalid("has no valid host and port"))?;
        let host = authority.rsplit_once(':').map_or("", |(host, _)| host);
        let host = host.trim_start_matches('[').trim_end_matches(']').to_owned();
        let database = match database {
            "" => Some(0),
            digits if digits.bytes().all(|byte| byte.is_ascii_digit()) => digits.parse().ok(),
            _ => None,
        };
        let database = database.filter(|number| *number <= MAX_DATABASE).ok_or_else(|| {
            invalid(&format!("may have the number of a database as path, 0 to {MAX_DATABASE}"))
        })?;
        Ok(Self::Tcp { host, port, tls, database })
    }

    /// A socket at `path`; otherwise what the text after `unix:` needs.
    fn socket(path: &str) -> Result<Self, String> {
        let fits = path.len() <= MAX_SOCKET_PATH_BYTES && !path.contains('\0');
        if fits && path.starts_with('/') {
            return Ok(Self::Unix(path.to_owned()));
        }
        Err(format!("needs an absolute path of at most {MAX_SOCKET_PATH_BYTES} bytes after unix:"))
    }

    /// Whether TLS is spoken there.
    #[must_use]
    pub fn is_tls(&self) -> bool {
        matches!(self, Self::Tcp { tls: true, .. })
    }

    /// Number of the database.
    #[must_use]
    pub fn database(&self) -> u32 {
        match self {
            Self::Tcp { database, .. } => *database,
            Self::Unix(_) => 0,
        }
    }

    /// Whether both can be meant by one list.
    pub(super) fn agrees(&self, other: &Self) -> bool {
        (self.is_tls(), self.database()) == (other.is_tls(), other.database())
    }
}

impl fmt::Display for RedisUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unix(path) => write!(f, "unix:{path}"),
            Self::Tcp { host, port, tls, database } => {
                let scheme = if *tls { "rediss" } else { "redis" };
                match host.contains(':') {
                    true => write!(f, "{scheme}://[{host}]:{port}")?,
                    false => write!(f, "{scheme}://{host}:{port}")?,
                }
                if *database == 0 { Ok(()) } else { write!(f, "/{database}") }
            }
        }
    }
}
