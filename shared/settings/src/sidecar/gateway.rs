//! Where snapshots are pushed to.

use std::fmt;
use std::net::SocketAddr;

use serde::Deserialize;
use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserializer, MapAccess, Visitor};

use super::checks::quoted;
use super::discovery::{Discovery, RawDiscovery};
use super::url::HttpUrl;
use crate::SettingsError;

/// Most gateways that one sidecar pushes to: each costs a connection per pool.
pub const MAX_GATEWAYS: usize = 64;

/// What the system takes as the path of a Unix socket on Linux, in bytes (`sun_path` less the NUL).
pub(super) const MAX_SOCKET_PATH_BYTES: usize = 107;

/// One entry as written.
#[derive(Debug)]
pub enum RawGateway {
    /// `unix:/absolute/path` or `http://host:port`.
    At(String),
    /// Where any number of them are found.
    Found(RawDiscovery),
}

impl<'de> Deserialize<'de> for RawGateway {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(RawGateways)
    }
}

/// Reads an entry; an untagged enum would not say what is wrong with one.
struct RawGateways;

impl<'de> Visitor<'de> for RawGateways {
    type Value = RawGateway;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("unix:/path, http://host:port, or one of dns, srv and endpoint_slices")
    }

    fn visit_str<E>(self, text: &str) -> Result<RawGateway, E> {
        Ok(RawGateway::At(text.to_owned()))
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<RawGateway, A::Error> {
        RawDiscovery::deserialize(MapAccessDeserializer::new(map)).map(RawGateway::Found)
    }
}

/// Those that are listed, and where others are found.
pub(super) fn compile(
    written: Vec<RawGateway>,
) -> Result<(Vec<Gateway>, Vec<Discovery>), SettingsError> {
    super::checks::count("gateways", written.len(), MAX_GATEWAYS)?;
    let (mut gateways, mut discover) = (Vec::new(), Vec::new());
    for (at, entry) in written.into_iter().enumerate() {
        let field = format!("gateways[{at}]");
        match entry {
            RawGateway::At(text) => {
                let gateway = Gateway::parse(&field, &text)?;
                if gateways.contains(&gateway) {
                    return Err(SettingsError::invalid(field, quoted(&text), "stands twice"));
                }
                gateways.push(gateway);
            }
            RawGateway::Found(raw) => match raw.compile(&field)? {
                Discovery::File(_) | Discovery::InferencePool { .. } => {
                    let problem = "is found by dns, srv or endpoint_slices only";
                    return Err(SettingsError::invalid(field, "a gateway", problem));
                }
                source => discover.push(source),
            },
        }
    }
    Ok((gateways, discover))
}

/// One intake listener.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
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

    /// The listener at an address that was found.
    #[must_use]
    pub fn at(address: SocketAddr) -> Self {
        Self::Http(HttpUrl::metrics_of(address, "/"))
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
