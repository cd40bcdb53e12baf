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

mod checks;
mod gateway;
mod gpus;
mod log;
mod pool;
mod url;

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use serde::Deserialize;

pub use gateway::Gateway;
pub use gpus::{
    ExporterSettings, GpuSelector, GpuSettings, NvmlSettings, RawExporter, RawGpus, RawNvml,
};
pub use log::{LogFormat, LogLevel, LogSettings, RawLog};
pub use pool::{
    EndpointSettings, MetricsSource, ModelServerKind, PoolSettings, RawEndpoint, RawPool,
};
pub use url::HttpUrl;

use crate::SettingsError;
use crate::duration::{Bounds, bounded};
use checks::{count, quoted};
use weir_snapshot::limits::MAX_POOLS;

/// Largest configuration file that is read, in bytes.
pub const MAX_YAML_BYTES: usize = 4 * 1024 * 1024;

/// Most gateways that one sidecar pushes to: each costs a connection per pool.
pub const MAX_GATEWAYS: usize = 64;

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
    /// Path of the file that holds the key for signing pushes; a line end after it is no part of it.
    #[serde(default)]
    pub signing_key_file: Option<String>,
    /// How long one push may take: 10ms to 60s, 1s if not given.
    #[serde(default)]
    pub push_timeout: Option<String>,
    /// Intake listeners: `unix:/absolute/path` or `http://host:port`.
    pub gateways: Vec<String>,
    /// Where readings of GPUs come from; none if not given.
    #[serde(default)]
    pub gpus: RawGpus,
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
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SidecarSettings {
    /// Address of the sidecar's own HTTP.
    pub listen: SocketAddr,
    /// What is logged, and how.
    pub log: LogSettings,
    /// Where the signing key comes from.
    pub signing_key: SigningKey,
    /// How long one push may take.
    pub push_timeout: Duration,
    /// Intake listeners, none twice, at least one.
    pub gateways: Vec<Gateway>,
    /// Where readings of GPUs come from.
    pub gpus: GpuSettings,
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
        let raw: RawSidecar = serde_saphyr::from_slice(yaml)
            .map_err(|error| SettingsError::Syntax(error.without_snippet().to_string()))?;
        raw.try_into()
    }
}

impl TryFrom<RawSidecar> for SidecarSettings {
    type Error = SettingsError;

    fn try_from(raw: RawSidecar) -> Result<Self, SettingsError> {
        Ok(Self {
            listen: listen(raw.listen.as_deref())?,
            log: raw.log.into(),
            signing_key: signing_key(raw.signing_key_env, raw.signing_key_file)?,
            push_timeout: bounded("push_timeout", raw.push_timeout.as_deref(), &PUSH_TIMEOUT)?,
            gateways: gateways(&raw.gateways)?,
            gpus: raw.gpus.try_into()?,
            pools: pools(raw.pools)?,
        })
    }
}

fn listen(written: Option<&str>) -> Result<SocketAddr, SettingsError> {
    written.map_or(Ok(DEFAULT_LISTEN), |text| {
        text.parse().map_err(|_| SettingsError::invalid("listen", quoted(text), "is no ip:port"))
    })
}

fn signing_key(env: Option<String>, file: Option<String>) -> Result<SigningKey, SettingsError> {
    let given = |field, value: String, source: fn(String) -> SigningKey| {
        if value.is_empty() || value.contains(['\0', '=']) && field == "signing_key_env" {
            return Err(SettingsError::invalid(field, quoted(&value), "can name no key"));
        }
        Ok(source(value))
    };
    match (env, file) {
        (None, None) => Ok(SigningKey::None),
        (Some(name), None) => given("signing_key_env", name, SigningKey::Env),
        (None, Some(path)) => given("signing_key_file", path, SigningKey::File),
        (Some(name), Some(_)) => Err(SettingsError::invalid(
            "signing_key_env",
            quoted(&name),
            "and signing_key_file exclude each other",
        )),
    }
}

fn gateways(written: &[String]) -> Result<Vec<Gateway>, SettingsError> {
    count("gateways", written.len(), MAX_GATEWAYS)?;
    let mut gateways: Vec<Gateway> = Vec::with_capacity(written.len());
    for (at, text) in written.iter().enumerate() {
        let field = format!("gateways[{at}]");
        let gateway = Gateway::parse(&field, text)?;
        if gateways.contains(&gateway) {
            return Err(SettingsError::invalid(field, quoted(text), "stands twice"));
        }
        gateways.push(gateway);
    }
    Ok(gateways)
}

fn pools(written: BTreeMap<String, RawPool>) -> Result<Vec<PoolSettings>, SettingsError> {
    count("pools", written.len(), MAX_POOLS)?;
    written.into_iter().map(|(name, raw)| PoolSettings::compile(name, raw)).collect()
}

#[cfg(test)]
mod tests;
