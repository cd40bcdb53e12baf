//! One replica, and where its metrics are.

use std::net::SocketAddr;

use serde::Deserialize;
use weir_snapshot::limits::MAX_ENDPOINTS;

use super::checks::{MAX_YAML_BYTES, quoted};
use super::gpus::{GpuSelector, selectors};
use super::names::NamedAddress;
use super::url::HttpUrl;
use crate::SettingsError;

/// One replica as written.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RawEndpoint {
    /// Where Envoy sends requests: `ip:port`, or `name:port` for every address of the name.
    pub address: String,
    /// Where the metrics are, if not where `metrics_url` of the pool says; `{ip}` and `{port}` stand for those of
    /// the address.
    #[serde(default)]
    pub metrics_url: Option<String>,
    /// The GPUs that it runs on: `GPU-UUID`, `HOST/INDEX` (either with `/INSTANCE` for a MIG instance) or
    /// `pod=NAME`. All GPUs of the page for its host if not given.
    #[serde(default)]
    pub gpus: Vec<String>,
}

/// A file of replicas as written.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawEndpointsFile {
    /// The replicas, by `ip:port`.
    endpoints: Vec<RawEndpoint>,
}

/// One compiled replica.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EndpointSettings {
    /// Where Envoy sends requests.
    pub address: SocketAddr,
    /// Where the metrics are.
    pub metrics_url: HttpUrl,
    /// The GPUs that it names; empty where its host tells.
    pub gpus: Vec<GpuSelector>,
}

/// Where the metrics of replicas are, whose addresses come later.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MetricsUrl(String);

/// What stands for the IP address, in brackets for IPv6.
const IP: &str = "{ip}";
/// What stands for the port.
const PORT: &str = "{port}";

impl MetricsUrl {
    /// Reads a URL in which `{ip}` and `{port}` may stand.
    pub(super) fn parse(field: &str, text: &str) -> Result<Self, SettingsError> {
        for sample in ["10.0.0.1:65535", "[fe80::1]:1"] {
            let address = sample.parse().map_err(|_| SettingsError::invalid(field, sample, ""))?;
            HttpUrl::parse(field, &expand(text, address))?;
        }
        Ok(Self(text.to_owned()))
    }

    /// `http://{ip}:{port}` with a path.
    pub(super) fn plain(path: &str) -> Self {
        Self(format!("http://{IP}:{PORT}{path}"))
    }

    /// The URL for one address.
    #[must_use]
    pub fn of(&self, address: SocketAddr) -> HttpUrl {
        // What it was made from has been read with two addresses: any other fits as well.
        let url = HttpUrl::parse("metrics_url", &expand(&self.0, address));
        url.unwrap_or_else(|_| HttpUrl::metrics_of(address, "/metrics"))
    }

    /// As written, without a query, which may hold a token.
    #[must_use]
    pub fn without_query(&self) -> &str {
        self.0.split('?').next().unwrap_or_default()
    }

    /// True for `https`.
    #[must_use]
    pub fn is_https(&self) -> bool {
        self.0.starts_with("https://")
    }
}

fn expand(text: &str, address: SocketAddr) -> String {
    let ip = match address {
        SocketAddr::V4(address) => address.ip().to_string(),
        SocketAddr::V6(address) => format!("[{}]", address.ip()),
    };
    text.replace(IP, &ip).replace(PORT, &address.port().to_string())
}

/// A replica by its address, or a name that stands for several.
pub(super) enum Written {
    Address(EndpointSettings),
    Name { at: NamedAddress, metrics_url: Option<MetricsUrl>, gpus: Vec<GpuSelector> },
}

impl Written {
    /// Reads one replica of a pool whose metrics are at `default`.
    pub(super) fn read(
        field: &str,
        raw: &RawEndpoint,
        default: &MetricsUrl,
    ) -> Result<Self, SettingsError> {
        let url = raw.metrics_url.as_deref();
        let metrics_url =
            url.map(|url| MetricsUrl::parse(&format!("{field}.metrics_url"), url)).transpose()?;
        let gpus = selectors(&format!("{field}.gpus"), &raw.gpus)?;
        let address: Option<SocketAddr> = raw.address.parse().ok();
        if let Some(address) = address.filter(|address| address.port() != 0) {
            let metrics_url = metrics_url.as_ref().unwrap_or(default).of(address);
            return Ok(Self::Address(EndpointSettings { address, metrics_url, gpus }));
        }
        match NamedAddress::parse(&raw.address) {
            Some(at) => Ok(Self::Name { at, metrics_url, gpus }),
            None => {
                let problem = "is no ip:port or name:port with a port from 1 to 65535";
                let field = format!("{field}.address");
                Err(SettingsError::invalid(field, quoted(&raw.address), problem))
            }
        }
    }
}

/// Reads a file of replicas (`endpoints`, as in a pool, but by IP address only) of a pool whose metrics are at `default`.
///
/// # Errors
/// [`SettingsError`] with line and column, or with the field.
pub fn endpoints_of_file(
    yaml: &[u8],
    default: &MetricsUrl,
) -> Result<Vec<EndpointSettings>, SettingsError> {
    if yaml.len() > MAX_YAML_BYTES {
        let problem = format!("{} bytes, at most {MAX_YAML_BYTES}", yaml.len());
        return Err(SettingsError::Syntax(problem));
    }
    let raw: RawEndpointsFile =
        serde_saphyr::from_slice(yaml).map_err(|error| super::unreadable::told(&error))?;
    if raw.endpoints.len() > MAX_ENDPOINTS {
        let problem = format!("entries, at most {MAX_ENDPOINTS}");
        return Err(SettingsError::invalid("endpoints", raw.endpoints.len(), problem));
    }
    let mut endpoints: Vec<EndpointSettings> = Vec::with_capacity(raw.endpoints.len());
    let mut seen = std::collections::BTreeSet::new();
    for (at, raw) in raw.endpoints.iter().enumerate() {
        let field = format!("endpoints[{at}]");
        let invalid = |problem: &str| {
            SettingsError::invalid(format!("{field}.address"), quoted(&raw.address), problem)
        };
        match Written::read(&field, raw, default)? {
            Written::Name { .. } => return Err(invalid("is no ip:port")),
            Written::Address(one) if !seen.insert(one.address) => {
                return Err(invalid("stands twice"));
            }
            Written::Address(one) => endpoints.push(one),
        }
    }
    Ok(endpoints)
}
