//! An `http` or `https` URL, without credentials.

use std::fmt;
use std::net::{Ipv6Addr, SocketAddr};

use crate::SettingsError;

/// Longest accepted URL in bytes.
const MAX_URL_BYTES: usize = 2048;

/// An absolute `http` or `https` URL. It holds only characters that every HTTP client takes.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct HttpUrl {
    https: bool,
    authority: String,
    port: Option<u16>,
    /// Path and query, from the `/`.
    path: String,
}

impl HttpUrl {
    /// `http://ADDRESS` with a path.
    #[must_use]
    pub(super) fn metrics_of(address: SocketAddr, path: &str) -> Self {
        Self {
            https: false,
            authority: address.to_string(),
            port: Some(address.port()),
            path: path.to_owned(),
        }
    }

    pub(super) fn parse(field: &str, text: &str) -> Result<Self, SettingsError> {
        // The text is not repeated: a refused URL may hold a password.
        let invalid = |problem: &str| SettingsError::invalid(field, "the URL", problem);
        if text.len() > MAX_URL_BYTES {
            return Err(invalid(&format!("has {} bytes, at most {MAX_URL_BYTES}", text.len())));
        }
        let (https, rest) = match (text.strip_prefix("https://"), text.strip_prefix("http://")) {
            (Some(rest), _) => (true, rest),
            (None, Some(rest)) => (false, rest),
            (None, None) => return Err(invalid("must start with http:// or https://")),
        };
        let at = rest.find(['/', '?']).unwrap_or(rest.len());
        let (authority, path) = rest.split_at_checked(at).unwrap_or((rest, ""));
        if authority.contains('@') {
            return Err(invalid("may not hold credentials"));
        }
        let port = port_of(authority).ok_or_else(|| invalid("has no valid host and port"))?;
        if !path.bytes().all(is_path_byte) {
            return Err(invalid("has a character that has to be percent-encoded"));
        }
        let path = if path.starts_with('/') { path.to_owned() } else { format!("/{path}") };
        Ok(Self { https, authority: authority.to_owned(), port, path })
    }

    /// Reads a URL that no field of a configuration holds.
    ///
    /// # Errors
    /// [`SettingsError::Invalid`] without repeating it.
    pub fn of(text: &str) -> Result<Self, SettingsError> {
        Self::parse("url", text)
    }

    /// True for `https`.
    #[must_use]
    pub fn is_https(&self) -> bool {
        self.https
    }

    /// Host, and port if written.
    #[must_use]
    pub fn authority(&self) -> &str {
        &self.authority
    }

    /// Name or IP address, an IPv6 address without its brackets.
    #[must_use]
    pub fn host(&self) -> &str {
        let host = match self.port {
            Some(_) => self.authority.rsplit_once(':').map_or("", |(host, _)| host),
            None => &self.authority,
        };
        host.trim_start_matches('[').trim_end_matches(']')
    }

    /// Port as written.
    #[must_use]
    pub fn port(&self) -> Option<u16> {
        self.port
    }

    /// Port as written, or the scheme's.
    #[must_use]
    pub fn port_or_default(&self) -> u16 {
        self.port.unwrap_or(if self.https { 443 } else { 80 })
    }

    /// Path and query; `/` at least.
    #[must_use]
    pub fn path(&self) -> &str {
        &self.path
    }

    /// The URL as shown to people: a query, which may hold a token, is left out.
    #[must_use]
    pub fn without_query(&self) -> String {
        let scheme = if self.https { "https" } else { "http" };
        let path = self.path.split('?').next().unwrap_or_default();
        format!("{scheme}://{}{path}", self.authority)
    }
}

impl fmt::Display for HttpUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = if self.https { "https" } else { "http" };
        write!(f, "{scheme}://{}{}", self.authority, self.path)
    }
}

/// The port of `host`, `host:port`, `[ipv6]` or `[ipv6]:port`, if there is one; the outer `None`
/// says that this is no authority.
pub(super) fn port_of(authority: &str) -> Option<Option<u16>> {
    let (host, port) = match authority.strip_prefix('[') {
        Some(rest) => {
            let (host, port) = rest.split_once(']')?;
            host.parse::<Ipv6Addr>().ok()?;
            (host, port)
        }
        None => {
            let at = authority.find(':').unwrap_or(authority.len());
            let (host, port) = authority.split_at_checked(at)?;
            let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b".-_".contains(&byte);
            (host.bytes().all(allowed).then_some(host)?, port)
        }
    };
    match port.strip_prefix(':') {
        _ if host.is_empty() => None,
        Some(digits) if digits.bytes().all(|byte| byte.is_ascii_digit()) => {
            digits.parse().ok().filter(|port| *port != 0).map(Some)
        }
        None if port.is_empty() => Some(None),
        _ => None,
    }
}

fn is_path_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-._~!$&'()*+,;=:@/%?".contains(&byte)
}
