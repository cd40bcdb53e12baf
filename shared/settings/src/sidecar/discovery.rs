//! Where replicas and gateways are found that the file does not list.

use std::fmt;
use std::net::SocketAddr;
use std::time::Duration;

use serde::Deserialize;

use super::HttpUrl;
use super::checks::quoted;
use super::duration::{Bounds, bounded};
use super::endpoint::MetricsUrl;
use super::gpus::GpuSelector;
use super::names::{NamedAddress, is_name};
use crate::SettingsError;

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

/// One source as written: exactly one of its members.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RawDiscovery {
    /// Path of a YAML file with `endpoints`, as in a pool but by IP address; read again when it changes.
    #[serde(default)]
    pub file: Option<String>,
    /// `name:port`: every address of the name (A records; AAAA where there are none), looked up again by its TTL.
    #[serde(default)]
    pub dns: Option<String>,
    /// A name of SRV records, such as `_http._tcp.vllm.default.svc.cluster.local`: every target with its port.
    #[serde(default)]
    pub srv: Option<String>,
    /// The EndpointSlices of a Kubernetes Service.
    #[serde(default)]
    pub endpoint_slices: Option<RawEndpointSlices>,
    /// The pods that a Kubernetes InferencePool (`inference.networking.k8s.io/v1`) selects, unless it names an
    /// endpoint picker of its own.
    #[serde(default)]
    pub inference_pool: Option<RawInferencePool>,
}

/// A Service as written.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RawEndpointSlices {
    /// Name of the Service.
    pub service: String,
    /// Its namespace; the sidecar's own if not given.
    #[serde(default)]
    pub namespace: Option<String>,
    /// Name or number of the port; needed where the Service has several.
    #[serde(default)]
    pub port: Option<RawPort>,
}

/// A port as written.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
pub enum RawPort {
    /// By number.
    Number(u16),
    /// By name.
    Name(String),
}

/// An InferencePool as written.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RawInferencePool {
    /// Its name.
    pub name: String,
    /// Its namespace; the sidecar's own if not given.
    #[serde(default)]
    pub namespace: Option<String>,
}

/// One source.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Discovery {
    /// A file.
    File(String),
    /// Every address of a name.
    Dns {
        /// The name, and the port of all its addresses.
        at: NamedAddress,
        /// Where their metrics are, if not where the pool says.
        metrics_url: Option<MetricsUrl>,
        /// The GPUs of each.
        gpus: Vec<GpuSelector>,
    },
    /// Every target of SRV records.
    Srv(String),
    /// The EndpointSlices of a Service.
    EndpointSlices {
        /// Name of the Service.
        service: String,
        /// Its namespace; `None` for the sidecar's own.
        namespace: Option<String>,
        /// Which port; `None` where there is only one.
        port: Option<ServicePort>,
    },
    /// The pods of an InferencePool.
    InferencePool {
        /// Its name.
        name: String,
        /// Its namespace; `None` for the sidecar's own.
        namespace: Option<String>,
    },
}

/// A port of a Service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ServicePort {
    /// As the slices call it.
    Name(String),
    /// By number, listed in the slices or not.
    Number(u16),
}

impl RawDiscovery {
    pub(super) fn compile(self, field: &str) -> Result<Discovery, SettingsError> {
        let mut found = Vec::new();
        if let Some(path) = self.file {
            found.push(file(field, path)?);
        }
        if let Some(text) = self.dns {
            found.push(dns(field, &text)?);
        }
        if let Some(name) = self.srv {
            if !is_name(&name) {
                let field = format!("{field}.srv");
                return Err(SettingsError::invalid(field, quoted(&name), "is no DNS name"));
            }
            found.push(Discovery::Srv(name));
        }
        if let Some(raw) = self.endpoint_slices {
            found.push(raw.compile(&format!("{field}.endpoint_slices"))?);
        }
        if let Some(RawInferencePool { name, namespace }) = self.inference_pool {
            let field = format!("{field}.inference_pool");
            object_name(&format!("{field}.name"), &name)?;
            namespace_name(&field, namespace.as_deref())?;
            found.push(Discovery::InferencePool { name, namespace });
        }
        let count = found.len();
        match (found.pop(), count) {
            (Some(one), 1) => Ok(one),
            _ => Err(SettingsError::invalid(field, count, "members, needs exactly one")),
        }
    }
}

fn file(field: &str, path: String) -> Result<Discovery, SettingsError> {
    if path.is_empty() || path.contains('\0') {
        let field = format!("{field}.file");
        return Err(SettingsError::invalid(field, quoted(&path), "names no file"));
    }
    Ok(Discovery::File(path))
}

fn dns(field: &str, text: &str) -> Result<Discovery, SettingsError> {
    let at = NamedAddress::parse(text).ok_or_else(|| {
        SettingsError::invalid(format!("{field}.dns"), quoted(text), "is no name:port")
    })?;
    Ok(Discovery::Dns { at, metrics_url: None, gpus: Vec::new() })
}

impl RawEndpointSlices {
    fn compile(self, field: &str) -> Result<Discovery, SettingsError> {
        object_name(&format!("{field}.service"), &self.service)?;
        namespace_name(field, self.namespace.as_deref())?;
        let port = match self.port {
            None => None,
            Some(RawPort::Number(0)) => {
                let field = format!("{field}.port");
                return Err(SettingsError::invalid(field, 0, "must be 1 to 65535"));
            }
            Some(RawPort::Number(number)) => Some(ServicePort::Number(number)),
            Some(RawPort::Name(name)) => {
                object_name(&format!("{field}.port"), &name)?;
                Some(ServicePort::Name(name))
            }
        };
        let (service, namespace) = (self.service, self.namespace);
        Ok(Discovery::EndpointSlices { service, namespace, port })
    }
}

fn namespace_name(field: &str, name: Option<&str>) -> Result<(), SettingsError> {
    name.map_or(Ok(()), |name| object_name(&format!("{field}.namespace"), name))
}

/// What Kubernetes takes as a name, so that it can stand in a path and in a selector.
fn object_name(field: &str, name: &str) -> Result<(), SettingsError> {
    let allowed =
        |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"-.".contains(&byte);
    if is_name(name) && name.bytes().all(allowed) {
        return Ok(());
    }
    let problem = "is no name of a Kubernetes object: lower-case letters, digits, - and .";
    Err(SettingsError::invalid(field, quoted(name), problem))
}

impl fmt::Display for Discovery {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let own = |namespace: &Option<String>| match namespace {
            Some(namespace) => format!("{namespace}/"),
            None => String::new(),
        };
        match self {
            Self::File(path) => write!(f, "file {path}"),
            Self::Dns { at, .. } => write!(f, "dns {at}"),
            Self::Srv(name) => write!(f, "srv {name}"),
            Self::EndpointSlices { service, namespace, .. } => {
                write!(f, "endpoint_slices {}{service}", own(namespace))
            }
            Self::InferencePool { name, namespace } => {
                write!(f, "inference_pool {}{name}", own(namespace))
            }
        }
    }
}

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
