//! Where replicas and gateways are found that the file does not list.

use std::fmt;

use serde::Deserialize;

use super::checks::quoted;
use super::endpoint::MetricsUrl;
use super::gpus::GpuSelector;
use super::names::{NamedAddress, is_name};
use crate::SettingsError;

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

pub(super) fn namespace_name(field: &str, name: Option<&str>) -> Result<(), SettingsError> {
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
            Self::EndpointSlices { service, namespace, port } => {
                write!(f, "endpoint_slices {}{service}", own(namespace))?;
                match port {
                    Some(ServicePort::Name(name)) => write!(f, ":{name}"),
                    Some(ServicePort::Number(number)) => write!(f, ":{number}"),
                    None => Ok(()),
                }
            }
            Self::InferencePool { name, namespace } => {
                write!(f, "inference_pool {}{name}", own(namespace))
            }
        }
    }
}
