//! Whom sources ask: DNS servers, and the Kubernetes API.

use std::net::SocketAddr;
use std::time::Duration;

use serde::Deserialize;

use super::HttpUrl;
use super::checks::quoted;
use super::discovery::namespace_name;
use crate::SettingsError;
use crate::duration::{Bounds, bounded};

/// Shortest and longest time after which a name is looked up again, whatever its TTL says. A TTL of 0 is usual in
/// clusters, and would be a query per request of the resolver's.
const MIN_TTL: Bounds = Bounds {
    default: Duration::from_secs(1),
    min: Duration::from_millis(100),
    max: Duration::from_secs(3600),
};
/// Replicas that come within a minute are soon enough where nobody set a TTL with care.
const MAX_TTL: Bounds = Bounds { default: Duration::from_secs(60), ..MIN_TTL };

/// Most DNS servers.
const MAX_SERVERS: usize = 8;

/// How names are looked up, as written.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RawDns {
    /// DNS servers as `ip:port`; those of `/etc/resolv.conf` if not given.
    #[serde(default)]
    pub servers: Vec<String>,
    /// Shortest time until a name is looked up again: 100ms to 60m, 1s if not given.
    #[serde(default)]
    pub min_ttl: Option<String>,
    /// Longest: 100ms to 60m, 60s if not given.
    #[serde(default)]
    pub max_ttl: Option<String>,
}

/// How names are looked up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DnsSettings {
    /// Servers instead of the system's.
    pub servers: Vec<SocketAddr>,
    /// Shortest time until a name is looked up again.
    pub min_ttl: Duration,
    /// Longest.
    pub max_ttl: Duration,
}

impl TryFrom<RawDns> for DnsSettings {
    type Error = SettingsError;

    fn try_from(raw: RawDns) -> Result<Self, SettingsError> {
        if raw.servers.len() > MAX_SERVERS {
            let problem = format!("entries, at most {MAX_SERVERS}");
            return Err(SettingsError::invalid("dns.servers", raw.servers.len(), problem));
        }
        let server = |(at, text): (usize, &String)| {
            let address = text.parse().ok().filter(|address: &SocketAddr| address.port() != 0);
            address.ok_or_else(|| {
                SettingsError::invalid(format!("dns.servers[{at}]"), quoted(text), "is no ip:port")
            })
        };
        let min_ttl = bounded("dns.min_ttl", raw.min_ttl.as_deref(), &MIN_TTL)?;
        let max_ttl = bounded("dns.max_ttl", raw.max_ttl.as_deref(), &MAX_TTL)?;
        if max_ttl < min_ttl {
            let problem = "is shorter than dns.min_ttl";
            return Err(SettingsError::invalid("dns.max_ttl", format!("{max_ttl:?}"), problem));
        }
        let servers = raw.servers.iter().enumerate().map(server).collect::<Result<_, _>>()?;
        Ok(Self { servers, min_ttl, max_ttl })
    }
}

/// How the Kubernetes API is reached, as written.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RawKubernetes {
    /// `https://host:port` of the API server; that of the pod's environment if not given.
    #[serde(default)]
    pub url: Option<String>,
    /// PEM file of its certificate authorities; that of the pod's service account if not given.
    #[serde(default)]
    pub ca_file: Option<String>,
    /// File of the bearer token; that of the pod's service account if not given. Read again for every request.
    #[serde(default)]
    pub token_file: Option<String>,
    /// The namespace that is meant where none is given; the pod's own if not given.
    #[serde(default)]
    pub namespace: Option<String>,
}

/// How the Kubernetes API is reached; what is `None` comes from the pod.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KubernetesSettings {
    /// The API server, without a path.
    pub url: Option<HttpUrl>,
    /// PEM file of its certificate authorities.
    pub ca_file: Option<String>,
    /// File of the bearer token.
    pub token_file: Option<String>,
    /// The namespace that is meant where none is given.
    pub namespace: Option<String>,
}

/// Where a pod has the authority of its cluster's API (Kubernetes, "Accessing the API from within a Pod").
const POD_CA: &str = "/var/run/secrets/kubernetes.io/serviceaccount/ca.crt";

impl KubernetesSettings {
    /// PEM file of the API's certificate authorities: the named one, or the pod's.
    pub fn ca_file(&self) -> &str {
        self.ca_file.as_deref().unwrap_or(POD_CA)
    }
}

impl TryFrom<RawKubernetes> for KubernetesSettings {
    type Error = SettingsError;

    fn try_from(raw: RawKubernetes) -> Result<Self, SettingsError> {
        let url = raw.url.map(|text| HttpUrl::parse("kubernetes.url", &text)).transpose()?;
        if url.as_ref().is_some_and(|url| url.path() != "/") {
            let problem = "must have no path";
            return Err(SettingsError::invalid("kubernetes.url", "the URL", problem));
        }
        namespace_name("kubernetes", raw.namespace.as_deref())?;
        let (ca_file, token_file, namespace) = (raw.ca_file, raw.token_file, raw.namespace);
        Ok(Self { url, ca_file, token_file, namespace })
    }
}
