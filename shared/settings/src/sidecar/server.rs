//! Model servers whose metric names are known, and the mapping for any other.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::checks::quoted;
use crate::SettingsError;

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

    /// Where its page is unless the pool says otherwise.
    pub(super) fn metrics_path(self) -> &'static str {
        match self {
            // Its `/metrics` is JSON.
            Self::Trtllm => "/prometheus/metrics",
            Self::Nim => "/v1/metrics",
            _ => "/metrics",
        }
    }
}

/// Longest name of a series or label in bytes.
const MAX_SERIES_BYTES: usize = 256;

/// Most labels that choose a series.
const MAX_LABELS: usize = 8;

/// The series of a server that is not known, as written.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RawSeries {
    /// Requests in the queue.
    #[serde(default)]
    pub waiting: Option<RawOneSeries>,
    /// Requests being served.
    #[serde(default)]
    pub running: Option<RawOneSeries>,
    /// Share of the KV cache in use, 0 to 1 after `scale`.
    #[serde(default)]
    pub kv_cache_use: Option<RawOneSeries>,
    /// Tokens per KV-cache block.
    #[serde(default)]
    pub block_size: Option<RawOneSeries>,
    /// KV-cache blocks in all.
    #[serde(default)]
    pub blocks: Option<RawOneSeries>,
}

/// One series as written.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RawOneSeries {
    /// Name of the metric as it stands on the page.
    pub name: String,
    /// Labels that a sample must have, where several share the name.
    #[serde(default)]
    pub labels: BTreeMap<String, String>,
    /// What values are multiplied by, 1 if not given: 0.01 for percent.
    #[serde(default)]
    pub scale: Option<f64>,
}

/// What a mapped series says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MappedValue {
    /// Requests in the queue.
    Waiting,
    /// Requests being served.
    Running,
    /// Share of the KV cache in use.
    KvCacheUse,
    /// Tokens per KV-cache block.
    BlockSize,
    /// KV-cache blocks in all.
    Blocks,
}

impl MappedValue {
    /// As it is written in the configuration.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Running => "running",
            Self::KvCacheUse => "kv_cache_use",
            Self::BlockSize => "block_size",
            Self::Blocks => "blocks",
        }
    }
}

/// One series of a server that is not known.
#[derive(Clone, Debug, PartialEq)]
pub struct MappedSeries {
    /// What it says.
    pub value: MappedValue,
    /// Name of the metric.
    pub name: String,
    /// Labels that a sample must have.
    pub labels: Vec<(String, String)>,
    /// What values are multiplied by; finite and greater than 0.
    pub scale: f64,
}

impl RawSeries {
    pub(super) fn compile(self, field: &str) -> Result<Vec<MappedSeries>, SettingsError> {
        if self.waiting.is_none() && self.running.is_none() {
            let problem = "needs waiting or running, of which a queue is known";
            return Err(SettingsError::invalid(field, "the mapping", problem));
        }
        let all = [
            (MappedValue::Waiting, self.waiting),
            (MappedValue::Running, self.running),
            (MappedValue::KvCacheUse, self.kv_cache_use),
            (MappedValue::BlockSize, self.block_size),
            (MappedValue::Blocks, self.blocks),
        ];
        let written = all.into_iter().filter_map(|(value, raw)| Some((value, raw?)));
        written
            .map(|(value, raw)| raw.compile(&format!("{field}.{}", value.name()), value))
            .collect()
    }
}

impl RawOneSeries {
    fn compile(self, field: &str, value: MappedValue) -> Result<MappedSeries, SettingsError> {
        let is_name = |name: &str| {
            let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"_:".contains(&byte);
            (1..=MAX_SERIES_BYTES).contains(&name.len()) && name.bytes().all(allowed)
        };
        if !is_name(&self.name) {
            let problem = "is no name of a metric: letters, digits, _ and :";
            return Err(SettingsError::invalid(
                format!("{field}.name"),
                quoted(&self.name),
                problem,
            ));
        }
        if self.labels.len() > MAX_LABELS {
            let problem = format!("entries, at most {MAX_LABELS}");
            let field = format!("{field}.labels");
            return Err(SettingsError::invalid(field, self.labels.len(), problem));
        }
        let scale = self.scale.unwrap_or(1.0);
        if !(scale.is_finite() && scale > 0.0) {
            let problem = "must be a number greater than 0";
            return Err(SettingsError::invalid(format!("{field}.scale"), scale, problem));
        }
        let labels = self.labels.into_iter().collect();
        Ok(MappedSeries { value, name: self.name, labels, scale })
    }
}
