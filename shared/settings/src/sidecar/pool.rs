//! One pool of replicas.

use std::net::SocketAddr;
use std::time::Duration;

use serde::Deserialize;
use weir_snapshot::is_pool_name;
use weir_snapshot::limits::{MAX_ENDPOINTS, MAX_NAME_BYTES};

use super::HttpUrl;
use super::checks::{count, quoted};
use super::gpus::{GpuSelector, selectors};
use crate::SettingsError;
use crate::duration::{Bounds, bounded};

/// Below 10 ms the polls cost more than they tell; above a minute a view is no view.
const POLL_INTERVAL: Bounds = Bounds {
    default: Duration::from_millis(100),
    min: Duration::from_millis(10),
    max: Duration::from_secs(60),
};

/// A loaded model server answers its metrics late; one that takes a second is as good as gone.
const TIMEOUT: Bounds = Bounds {
    default: Duration::from_secs(1),
    min: Duration::from_millis(10),
    max: Duration::from_secs(60),
};

/// One pool as written.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RawPool {
    /// Which model server the replicas run, so which metric names are read; each page tells if not given (`auto`).
    #[serde(default)]
    pub server: ModelServerKind,
    /// `none` where the server has no metrics, such as Ollama: nothing is polled, and own counts and prefix
    /// affinity place requests.
    #[serde(default)]
    pub metrics: MetricsSource,
    /// How often each replica is polled, and the pool's snapshot pushed: 10ms to 60s, 100ms if
    /// not given.
    #[serde(default)]
    pub poll_interval: Option<String>,
    /// How long one poll may take: 10ms to 60s, 1s if not given.
    #[serde(default)]
    pub timeout: Option<String>,
    /// The replicas.
    pub endpoints: Vec<RawEndpoint>,
}

/// One replica as written.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RawEndpoint {
    /// Where Envoy sends requests: `ip:port`.
    pub address: String,
    /// Where the metrics are: `http://ADDRESS/metrics` if not given; for `trtllm` `/prometheus/metrics`, for `nim`
    /// `/v1/metrics`.
    #[serde(default)]
    pub metrics_url: Option<String>,
    /// The GPUs that it runs on: `GPU-UUID`, `HOST/INDEX` (either with `/INSTANCE` for a MIG instance) or
    /// `pod=NAME`. All GPUs of the page for its host if not given.
    #[serde(default)]
    pub gpus: Vec<String>,
}

/// Where load comes from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum MetricsSource {
    /// Each replica's page is polled.
    #[default]
    Poll,
    /// Nothing is known but what gateways count themselves.
    None,
}

/// A model server whose metric names are known.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ModelServerKind {
    /// Any of these, by the names on its page.
    #[default]
    Auto,
    /// vLLM.
    Vllm,
    /// SGLang.
    Sglang,
    /// trtllm-serve.
    Trtllm,
    /// Triton with the TensorRT-LLM backend.
    Triton,
    /// Hugging Face's Text Generation Inference.
    Tgi,
    /// llama.cpp's server.
    Llamacpp,
    /// LMDeploy.
    Lmdeploy,
    /// NVIDIA NIM.
    Nim,
}

impl ModelServerKind {
    /// As it is written in the configuration.
    pub fn name(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::Vllm => "vllm",
            Self::Sglang => "sglang",
            Self::Trtllm => "trtllm",
            Self::Triton => "triton",
            Self::Tgi => "tgi",
            Self::Llamacpp => "llamacpp",
            Self::Lmdeploy => "lmdeploy",
            Self::Nim => "nim",
        }
    }

    /// Where its page is unless the replica says otherwise.
    fn metrics_path(self) -> &'static str {
        match self {
            // Its `/metrics` is JSON.
            Self::Trtllm => "/prometheus/metrics",
            Self::Nim => "/v1/metrics",
            _ => "/metrics",
        }
    }
}

/// One compiled pool.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PoolSettings {
    /// Name, as the filters know it.
    pub name: String,
    /// Which metric names are read.
    pub server: ModelServerKind,
    /// Whether there are metrics at all.
    pub metrics: MetricsSource,
    /// Time between two polls of a replica, and between two pushes.
    pub poll_interval: Duration,
    /// How long one poll may take.
    pub timeout: Duration,
    /// The replicas, no address twice, at least one.
    pub endpoints: Vec<EndpointSettings>,
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

impl PoolSettings {
    pub(super) fn compile(name: String, raw: RawPool) -> Result<Self, SettingsError> {
        check_name(&name)?;
        let field = format!("pools.{name}");
        let duration = |part: &str, written: Option<String>, bounds| {
            bounded(&format!("{field}.{part}"), written.as_deref(), bounds)
        };
        Ok(Self {
            server: raw.server,
            metrics: raw.metrics,
            poll_interval: duration("poll_interval", raw.poll_interval, &POLL_INTERVAL)?,
            timeout: duration("timeout", raw.timeout, &TIMEOUT)?,
            endpoints: endpoints(&format!("{field}.endpoints"), &raw.endpoints, raw.server)?,
            name,
        })
    }
}

/// The rule for names is that of the push message.
fn check_name(name: &str) -> Result<(), SettingsError> {
    if is_pool_name(name) {
        return Ok(());
    }
    let problem = format!("must be 1 to {MAX_NAME_BYTES} letters, digits or any of . _ - : /");
    Err(SettingsError::invalid("pools (name)", quoted(name), problem))
}

fn endpoints(
    field: &str,
    written: &[RawEndpoint],
    server: ModelServerKind,
) -> Result<Vec<EndpointSettings>, SettingsError> {
    count(field, written.len(), MAX_ENDPOINTS)?;
    let mut seen = std::collections::BTreeSet::new();
    let mut endpoints = Vec::with_capacity(written.len());
    for (at, raw) in written.iter().enumerate() {
        let field = format!("{field}[{at}]");
        let endpoint = endpoint(&field, raw, server)?;
        if !seen.insert(endpoint.address) {
            let field = format!("{field}.address");
            return Err(SettingsError::invalid(field, quoted(&raw.address), "stands twice"));
        }
        endpoints.push(endpoint);
    }
    Ok(endpoints)
}

fn endpoint(
    field: &str,
    raw: &RawEndpoint,
    server: ModelServerKind,
) -> Result<EndpointSettings, SettingsError> {
    let address: SocketAddr =
        raw.address.parse().ok().filter(|address: &SocketAddr| address.port() != 0).ok_or_else(
            || {
                let problem = "is no ip:port with a port from 1 to 65535";
                SettingsError::invalid(format!("{field}.address"), quoted(&raw.address), problem)
            },
        )?;
    let metrics_url = match &raw.metrics_url {
        Some(url) => HttpUrl::parse(&format!("{field}.metrics_url"), url)?,
        None => HttpUrl::metrics_of(address, server.metrics_path()),
    };
    let gpus = selectors(&format!("{field}.gpus"), &raw.gpus)?;
    Ok(EndpointSettings { address, metrics_url, gpus })
}
