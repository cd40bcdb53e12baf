//! Which metrics of which model server mean what. A new server is a new table.

use weir_settings::sidecar::ModelServerKind;

/// The metric names of one model server.
#[derive(Debug)]
pub(crate) struct ModelServer {
    /// For messages.
    pub(crate) name: &'static str,
    /// What the names of all its series start with: other lines are skipped unread.
    pub(crate) prefix: &'static str,
    /// The series that are read.
    pub(crate) series: &'static [Series],
}

/// One series name.
#[derive(Debug)]
pub(crate) struct Series {
    pub(crate) name: &'static str,
    /// Only samples with this label value count, for servers that put several meanings in one name.
    pub(crate) label: Option<(&'static str, &'static str)>,
    pub(crate) meaning: Meaning,
}

/// What a series says about the replica.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Meaning {
    /// Requests in the queue, summed over engines.
    Waiting,
    /// Requests being served, summed over engines.
    Running,
    /// Share of the KV cache in use, 0 to 1: the mean over engines, as each has its own cache.
    KvCacheUse,
    /// The same under a name that newer releases replaced: counts only where the newer is missing.
    KvCacheUseOlder,
    /// Labels with tokens per block (equal in all engines) and blocks (summed over engines).
    CacheConfig { block_size: &'static str, blocks: &'static str },
    /// Labels with the adapters; the value is the time, and the newest counts.
    Lora { max: &'static str, running: &'static str, waiting: &'static str },
}

const fn series(name: &'static str, meaning: Meaning) -> Series {
    Series { name, label: None, meaning }
}

/// vLLM; `gpu_cache_usage_perc` is the name before release 0.10.
const VLLM: ModelServer = ModelServer {
    name: "vLLM",
    prefix: "vllm:",
    series: &[
        series("vllm:num_requests_waiting", Meaning::Waiting),
        series("vllm:num_requests_running", Meaning::Running),
        series("vllm:kv_cache_usage_perc", Meaning::KvCacheUse),
        series("vllm:gpu_cache_usage_perc", Meaning::KvCacheUseOlder),
        series(
            "vllm:cache_config_info",
            Meaning::CacheConfig { block_size: "block_size", blocks: "num_gpu_blocks" },
        ),
        series(
            "vllm:lora_requests_info",
            Meaning::Lora {
                max: "max_lora",
                running: "running_lora_adapters",
                waiting: "waiting_lora_adapters",
            },
        ),
    ],
};

impl ModelServer {
    /// The table of a server.
    pub(crate) const fn of(kind: ModelServerKind) -> &'static Self {
        match kind {
            ModelServerKind::Vllm => &VLLM,
        }
    }

    /// The series that have the name of `line`, and what follows the name: several where a label
    /// decides.
    pub(crate) fn named<'a>(
        &self,
        line: &'a str,
    ) -> impl Iterator<Item = (&'static Series, &'a str)> {
        let series = if line.starts_with(self.prefix) { self.series } else { &[] };
        series.iter().filter_map(move |series| {
            let rest = line.strip_prefix(series.name)?;
            rest.starts_with(['{', ' ', '\t']).then_some((series, rest))
        })
    }
}
