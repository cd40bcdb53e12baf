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
    /// Tokens per block, equal in all engines.
    BlockSize,
    /// Blocks, summed over engines.
    Blocks,
    /// Labels with tokens per block (equal in all engines) and blocks (summed over engines).
    CacheConfig { block_size: &'static str, blocks: &'static str },
    /// Labels with the adapters; the value is the time, and the newest counts.
    Lora { max: &'static str, running: &'static str, waiting: &'static str },
    /// When the process was started, in s since 1970.
    Started,
    /// A counter that only a restart lowers.
    Counted,
}

impl Meaning {
    /// Whether it tells a server from the one before it.
    pub(crate) const fn is_of_life(self) -> bool {
        matches!(self, Self::Started | Self::Counted)
    }
}

/// Of Prometheus' own client libraries, whatever the server; a server of several processes has no such line.
static STARTED: Series = series("process_start_time_seconds", Meaning::Started);

const fn series(name: &'static str, meaning: Meaning) -> Series {
    Series { name, label: None, meaning }
}

const fn labelled(
    name: &'static str,
    label: (&'static str, &'static str),
    meaning: Meaning,
) -> Series {
    Series { name, label: Some(label), meaning }
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
        series("vllm:prompt_tokens_total", Meaning::Counted),
        series("vllm:generation_tokens_total", Meaning::Counted),
    ],
};

/// SGLang with `--enable-metrics`; `cache_config_info` is the form before its change #24197.
const SGLANG: ModelServer = ModelServer {
    name: "SGLang",
    prefix: "sglang:",
    series: &[
        series("sglang:num_queue_reqs", Meaning::Waiting),
        series("sglang:num_running_reqs", Meaning::Running),
        series("sglang:token_usage", Meaning::KvCacheUse),
        series("sglang:page_size", Meaning::BlockSize),
        series("sglang:num_pages", Meaning::Blocks),
        series(
            "sglang:cache_config_info",
            Meaning::CacheConfig { block_size: "page_size", blocks: "num_pages" },
        ),
        series("sglang:prompt_tokens_total", Meaning::Counted),
        series("sglang:generation_tokens_total", Meaning::Counted),
    ],
};

/// TensorRT-LLM's own server, whose page is `/prometheus/metrics` (its change #12545).
const TRTLLM: ModelServer = ModelServer {
    name: "trtllm-serve",
    prefix: "trtllm_",
    series: &[
        series("trtllm_num_requests_waiting", Meaning::Waiting),
        series("trtllm_num_requests_running", Meaning::Running),
        series("trtllm_kv_cache_utilization", Meaning::KvCacheUse),
        series("trtllm_kv_cache_tokens_per_block", Meaning::BlockSize),
        series("trtllm_kv_cache_max_blocks", Meaning::Blocks),
    ],
};

const TRITON_REQUESTS: &str = "nv_trt_llm_request_metrics";
const TRITON_BLOCKS: &str = "nv_trt_llm_kv_cache_block_metrics";

/// Triton with the TensorRT-LLM backend, on port 8002.
const TRITON: ModelServer = ModelServer {
    name: "Triton with TensorRT-LLM",
    prefix: "nv_trt_llm_",
    series: &[
        labelled(TRITON_REQUESTS, ("request_type", "waiting"), Meaning::Waiting),
        labelled(TRITON_REQUESTS, ("request_type", "scheduled"), Meaning::Running),
        labelled(TRITON_BLOCKS, ("kv_cache_block_type", "fraction"), Meaning::KvCacheUse),
        labelled(TRITON_BLOCKS, ("kv_cache_block_type", "tokens_per"), Meaning::BlockSize),
        labelled(TRITON_BLOCKS, ("kv_cache_block_type", "max"), Meaning::Blocks),
    ],
};

/// Hugging Face's TGI, which tells nothing of its cache.
const TGI: ModelServer = ModelServer {
    name: "TGI",
    prefix: "tgi_",
    series: &[
        series("tgi_queue_size", Meaning::Waiting),
        series("tgi_batch_current_size", Meaning::Running),
        series("tgi_request_count", Meaning::Counted),
    ],
};

/// llama.cpp's server with `--metrics`; newer releases tell nothing of the cache.
const LLAMACPP: ModelServer = ModelServer {
    name: "llama.cpp",
    prefix: "llamacpp:",
    series: &[
        series("llamacpp:requests_deferred", Meaning::Waiting),
        series("llamacpp:requests_processing", Meaning::Running),
        series("llamacpp:kv_cache_usage_ratio", Meaning::KvCacheUseOlder),
        series("llamacpp:prompt_tokens_total", Meaning::Counted),
        series("llamacpp:tokens_predicted_total", Meaning::Counted),
    ],
};

/// LMDeploy.
const LMDEPLOY: ModelServer = ModelServer {
    name: "LMDeploy",
    prefix: "lmdeploy:",
    series: &[
        series("lmdeploy:num_requests_waiting", Meaning::Waiting),
        series("lmdeploy:num_requests_running", Meaning::Running),
        series("lmdeploy:gpu_cache_usage_perc", Meaning::KvCacheUse),
    ],
};

/// NVIDIA NIM, whose names have no prefix; its page is `/v1/metrics`.
const NIM: ModelServer = ModelServer {
    name: "NIM",
    prefix: "",
    series: &[
        series("num_requests_waiting", Meaning::Waiting),
        series("num_requests_running", Meaning::Running),
        series("gpu_cache_usage_perc", Meaning::KvCacheUse),
    ],
};

/// All of them; of two that a page could be, the earlier one counts.
const ALL: [&ModelServer; 8] = [&VLLM, &SGLANG, &TRTLLM, &TRITON, &TGI, &LLAMACPP, &LMDEPLOY, &NIM];

impl ModelServer {
    /// The table of a server; `None` where the page has to tell.
    pub(crate) const fn of(kind: ModelServerKind) -> Option<&'static Self> {
        match kind {
            ModelServerKind::Auto => None,
            ModelServerKind::Vllm => Some(&VLLM),
            ModelServerKind::Sglang => Some(&SGLANG),
            ModelServerKind::Trtllm => Some(&TRTLLM),
            ModelServerKind::Triton => Some(&TRITON),
            ModelServerKind::Tgi => Some(&TGI),
            ModelServerKind::Llamacpp => Some(&LLAMACPP),
            ModelServerKind::Lmdeploy => Some(&LMDEPLOY),
            ModelServerKind::Nim => Some(&NIM),
        }
    }

    /// The server whose names stand on a page with these lines.
    pub(crate) fn detect<'a>(lines: impl Iterator<Item = &'a str>) -> Option<&'static Self> {
        let mut best = None;
        for line in lines {
            let before = best.unwrap_or(ALL.len());
            let found =
                ALL.iter().take(before).position(|server| server.named(line).next().is_some());
            best = found.or(best);
            if best == Some(0) {
                break;
            }
        }
        ALL.get(best?).copied()
    }

    /// The series that have the name of `line`, and what follows the name: several where a label
    /// decides.
    pub(crate) fn named<'a>(
        &self,
        line: &'a str,
    ) -> impl Iterator<Item = (&'static Series, &'a str)> {
        let series = if line.starts_with(self.prefix) { self.series } else { &[] };
        series.iter().filter_map(move |series| after(series, line))
    }

    /// The same, and what every server may say of its process.
    pub(crate) fn named_or_common<'a>(
        &self,
        line: &'a str,
    ) -> impl Iterator<Item = (&'static Series, &'a str)> {
        self.named(line).chain(after(&STARTED, line))
    }
}

/// The series, and what follows its name, if the line has that.
fn after<'a>(series: &'static Series, line: &'a str) -> Option<(&'static Series, &'a str)> {
    let rest = line.strip_prefix(series.name)?;
    rest.starts_with(['{', ' ', '\t']).then_some((series, rest))
}
