//! Configuration of the sidecar: a YAML file.
//!
//! ```
//! use weir_settings::sidecar::SidecarSettings;
//! let yaml = b"
//! pools:
//!   llama:
//!     poll_interval: 100ms
//!     endpoints:
//!       - address: 127.0.0.1:9001
//! gateways:
//!   - unix:/run/weir/intake.sock
//! ";
//! let settings = SidecarSettings::from_yaml(yaml).unwrap();
//! let pool = settings.pools.first().unwrap();
//! let replica = pool.endpoints.first().unwrap();
//! assert_eq!(replica.metrics_url.to_string(), "http://127.0.0.1:9001/metrics");
//! ```

mod access;
mod checks;
mod discovery;
mod endpoint;
mod gateway;
mod gpus;
mod lines;
mod log;
mod lookups;
mod names;
mod pool;
mod redis;
mod server;
mod unreadable;
mod url;

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use serde::Deserialize;

pub use access::{AccessSettings, RawAccess};
pub use checks::MAX_YAML_BYTES;
pub use discovery::{
    Discovery, RawDiscovery, RawEndpointSlices, RawInferencePool, RawPort, ServicePort,
};
pub use endpoint::{EndpointSettings, MetricsUrl, RawEndpoint, endpoints_of_file};
pub use gateway::{Gateway, MAX_GATEWAYS, RawGateway};
pub use gpus::{
    ExporterSettings, GpuSelector, GpuSettings, NvmlSettings, RawExporter, RawGpus, RawNvml,
};
pub use lines::line_of;
pub use log::{LogFormat, LogLevel, LogSettings, RawLog};
pub use lookups::{DnsSettings, KubernetesSettings, RawDns, RawKubernetes};
pub use names::NamedAddress;
pub use pool::{PoolSettings, RawPool};
pub use redis::{RawRedis, RedisMode, RedisSettings, RedisUrl};
pub use server::{
    MappedSeries, MappedValue, MetricsSource, ModelServerKind, RawOneSeries, RawSeries,
};
pub use url::HttpUrl;

use crate::SettingsError;
use crate::duration::{Bounds, bounded};
use checks::{count, quoted};
use weir_snapshot::limits::MAX_POOLS;

/// Most polls under way together unless configured: each takes a buffer as large as a page, and few wait for one
/// of them but where many replicas hang.
const DEFAULT_POLLS: u32 = 256;

/// As many as the largest pool has replicas.
const MAX_POLLS: u32 = 4096;

/// What `listen` is unless configured.
pub const DEFAULT_LISTEN: SocketAddr =
    SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 9500);

/// A push takes a few milliseconds; a second without an answer means that the gateway hangs.
const PUSH_TIMEOUT: Bounds = Bounds {
    default: Duration::from_secs(1),
    min: Duration::from_millis(10),
    max: Duration::from_secs(60),
};

/// As written.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RawSidecar {
    /// Address of the sidecar's own HTTP (`/healthz`, `/readyz`, `/metrics`, `/snapshot`):
    /// `ip:port`, 127.0.0.1:9500 if not given.
    #[serde(default)]
    pub listen: Option<String>,
    /// What is logged, and how.
    #[serde(default)]
    pub log: RawLog,
    /// Name of the environment variable that holds the key for signing pushes.
    #[serde(default)]
    pub signing_key_env: Option<String>,
    /// Path of the file that holds the key for signing pushes; a line end after it is no part of it. Read again when
    /// it changes.
    #[serde(default)]
    pub signing_key_file: Option<String>,
    /// Name of the environment variable with a second key, for gateways that do not take the first: while keys are
    /// changed, some have the old one still.
    #[serde(default)]
    pub second_key_env: Option<String>,
    /// Path of the file with a second key.
    #[serde(default)]
    pub second_key_file: Option<String>,
    /// How long one push may take: 10ms to 60s, 1s if not given.
    #[serde(default)]
    pub push_timeout: Option<String>,
    /// Intake listeners: `unix:/absolute/path` or `http://host:port`, or where they are found (`dns`, `srv` or
    /// `endpoint_slices`).
    pub gateways: Vec<RawGateway>,
    /// Most polls that are under way together: 1 to 4096, 256 if not given.
    #[serde(default)]
    pub max_polls: Option<u32>,
    /// How names are looked up.
    #[serde(default)]
    pub dns: RawDns,
    /// How the Kubernetes API is reached.
    #[serde(default)]
    pub kubernetes: RawKubernetes,
    /// Where readings of GPUs come from; none if not given.
    #[serde(default)]
    pub gpus: RawGpus,
    /// Through what several sidecars share; nothing is shared if not given.
    #[serde(default)]
    pub redis: Option<RawRedis>,
    /// Pools of replicas by name.
    pub pools: BTreeMap<String, RawPool>,
}

/// Where the key for signing pushes comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SigningKey {
    /// Pushes are not signed.
    None,
    /// This environment variable.
    Env(String),
    /// This file.
    File(String),
}

/// Compiled.
#[derive(Clone, Debug, PartialEq)]
pub struct SidecarSettings {
    /// Address of the sidecar's own HTTP.
    pub listen: SocketAddr,
    /// What is logged, and how.
    pub log: LogSettings,
    /// Where the signing key comes from.
    pub signing_key: SigningKey,
    /// Where the second one comes from.
    pub second_key: SigningKey,
    /// How long one push may take.
    pub push_timeout: Duration,
    /// Intake listeners, none twice.
    pub gateways: Vec<Gateway>,
    /// Where others are found. Of this and `gateways`, one is not empty.
    pub discover_gateways: Vec<Discovery>,
    /// Most polls that are under way together.
    pub max_polls: usize,
    /// How names are looked up.
    pub dns: DnsSettings,
    /// How the Kubernetes API is reached.
    pub kubernetes: KubernetesSettings,
    /// Where readings of GPUs come from.
    pub gpus: GpuSettings,
    /// Through what several sidecars share.
    pub redis: Option<RedisSettings>,
    /// Pools in order of their names, at least one.
    pub pools: Vec<PoolSettings>,
}

impl SidecarSettings {
    /// Reads and compiles a configuration file.
    ///
    /// # Errors
    /// [`SettingsError::Syntax`] with line and column for what is no YAML of [`RawSidecar`];
    /// [`SettingsError::Invalid`] with field, value and limit for a value that makes no sense.
    pub fn from_yaml(yaml: &[u8]) -> Result<Self, SettingsError> {
        if yaml.len() > MAX_YAML_BYTES {
            let problem = format!("{} bytes, at most {MAX_YAML_BYTES}", yaml.len());
            return Err(SettingsError::Syntax(problem));
        }
        let raw: RawSidecar =
            serde_saphyr::from_slice(yaml).map_err(|error| unreadable::told(&error))?;
        raw.try_into()
    }
}

impl TryFrom<RawSidecar> for SidecarSettings {
    type Error = SettingsError;

    fn try_from(raw: RawSidecar) -> Result<Self, SettingsError> {
        let first = Fields { env: "signing_key_env", file: "signing_key_file" };
        let second = Fields { env: "second_key_env", file: "second_key_file" };
        let (gateways, discover_gateways) = gateway::compile(raw.gateways)?;
        Ok(Self {
            listen: listen(raw.listen.as_deref())?,
            log: raw.log.into(),
            signing_key: signing_key(&first, raw.signing_key_env, raw.signing_key_file)?,
            second_key: signing_key(&second, raw.second_key_env, raw.second_key_file)?,
            push_timeout: bounded("push_timeout", raw.push_timeout.as_deref(), &PUSH_TIMEOUT)?,
            gateways,
            discover_gateways,
            max_polls: max_polls(raw.max_polls)?,
            dns: raw.dns.try_into()?,
            kubernetes: raw.kubernetes.try_into()?,
            gpus: raw.gpus.try_into()?,
            redis: raw.redis.map(TryInto::try_into).transpose()?,
            pools: pools(raw.pools)?,
        })
    }
}

fn listen(written: Option<&str>) -> Result<SocketAddr, SettingsError> {
    written.map_or(Ok(DEFAULT_LISTEN), |text| {
        text.parse().map_err(|_| SettingsError::invalid("listen", quoted(text), "is no ip:port"))
    })
}

/// The two fields that can name one key.
struct Fields {
    env: &'static str,
    file: &'static str,
}

fn signing_key(
    fields: &Fields,
    env: Option<String>,
    file: Option<String>,
) -> Result<SigningKey, SettingsError> {
    let given = |field, value: String, source: fn(String) -> SigningKey| {
        if value.is_empty() || value.contains(['\0', '=']) && field == fields.env {
            return Err(SettingsError::invalid(field, quoted(&value), "can name no key"));
        }
        Ok(source(value))
    };
    match (env, file) {
        (None, None) => Ok(SigningKey::None),
        (Some(name), None) => given(fields.env, name, SigningKey::Env),
        (None, Some(path)) => given(fields.file, path, SigningKey::File),
        (Some(name), Some(_)) => {
            let problem = format!("and {} exclude each other", fields.file);
            Err(SettingsError::invalid(fields.env, quoted(&name), problem))
        }
    }
}

fn max_polls(written: Option<u32>) -> Result<usize, SettingsError> {
    match written.unwrap_or(DEFAULT_POLLS) {
        polls @ 1..=MAX_POLLS => Ok(usize::try_from(polls).unwrap_or(usize::MAX)),
        polls => {
            Err(SettingsError::invalid("max_polls", polls, format!("must be 1 to {MAX_POLLS}")))
        }
    }
}

fn pools(written: BTreeMap<String, RawPool>) -> Result<Vec<PoolSettings>, SettingsError> {
    count("pools", written.len(), MAX_POOLS)?;
    written.into_iter().map(|(name, raw)| PoolSettings::compile(name, raw)).collect()
}

#[cfg(test)]
mod tests;
