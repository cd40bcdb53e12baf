//! Which metrics of which model server mean what. A new server is a new table.

use std::borrow::Cow;
use std::sync::{Arc, LazyLock};
use weir_settings::sidecar::{MappedSeries, MappedValue, ModelServerKind, PoolSettings};

/// The metric names of one model server.
#[derive(Debug)]
pub(crate) struct ModelServer {
    /// For messages.
    pub(crate) name: &'static str,
    /// What the names of all its series start with: other lines are skipped unread.
    pub(crate) prefix: &'static str,
    /// Whether its page can be asked for in part (`name[]=`).
    pub(crate) filters: bool,
    /// The series that are read.
    pub(crate) series: Vec<Series>,
}

/// One series name.
#[derive(Debug)]
pub(crate) struct Series {
    pub(crate) name: Cow<'static, str>,
    /// Only samples with these label values count, for servers that put several meanings in one name.
    pub(crate) labels: Vec<(Cow<'static, str>, Cow<'static, str>)>,
    /// What values are multiplied by.
    pub(crate) scale: f64,
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
    /// Requests that have got their first token since the server started, summed over engines.
    FirstTokens,
    /// Seconds that they waited for it, all together.
    FirstTokenSeconds,
    /// Seconds of these in the queue.
    QueueSeconds,
}

impl Meaning {
    /// Whether it tells a server from the one before it.
    pub(crate) const fn is_of_life(self) -> bool {
        matches!(self, Self::Started | Self::Counted)
    }

    /// Whether a replica counts as flawed when such a value makes no sense: what only predictions use does not matter.
    pub(crate) fn matters(self) -> bool {
        !matches!(self, Self::FirstTokens | Self::FirstTokenSeconds | Self::QueueSeconds)
    }
}

/// Of Prometheus' own client libraries, whatever the server; a server of several processes has no such line.
static STARTED: LazyLock<Series> =
    LazyLock::new(|| series("process_start_time_seconds", Meaning::Started));

fn series(name: &'static str, meaning: Meaning) -> Series {
    Series { name: name.into(), labels: Vec::new(), scale: 1.0, meaning }
}

fn labelled(
    name: &'static str,
    (label, value): (&'static str, &'static str),
    meaning: Meaning,
) -> Series {
    Series { labels: vec![(label.into(), value.into())], ..series(name, meaning) }
}

/// vLLM; `gpu_cache_usage_perc` is the name before release 0.10.
fn vllm() -> ModelServer {
    ModelServer {
        name: "vLLM",
        prefix: "vllm:",
        filters: true,
        series: vec![
            series("vllm:num_requests_waiting", Meaning::Waiting),
            series("vllm:num_requests_running", Meaning::Running),
            series("vllm:kv_cache_usage_perc", Meaning::KvCacheUse),
            series("vllm:gpu_cache_usage_perc", Meaning::KvCacheUseOlder),
            series("vllm:time_to_first_token_seconds_count", Meaning::FirstTokens),
            series("vllm:time_to_first_token_seconds_sum", Meaning::FirstTokenSeconds),
            series("vllm:request_queue_time_seconds_sum", Meaning::QueueSeconds),
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
    }
}

/// SGLang with `--enable-metrics`; `cache_config_info` is the form before its change #24197.
fn sglang() -> ModelServer {
    ModelServer {
        name: "SGLang",
        prefix: "sglang:",
        filters: true,
        series: vec![
            series("sglang:num_queue_reqs", Meaning::Waiting),
            series("sglang:num_running_reqs", Meaning::Running),
            series("sglang:token_usage", Meaning::KvCacheUse),
            series("sglang:time_to_first_token_seconds_count", Meaning::FirstTokens),
            series("sglang:time_to_first_token_seconds_sum", Meaning::FirstTokenSeconds),
            series("sglang:page_size", Meaning::BlockSize),
            series("sglang:num_pages", Meaning::Blocks),
            series(
                "sglang:cache_config_info",
                Meaning::CacheConfig { block_size: "page_size", blocks: "num_pages" },
            ),
            series("sglang:prompt_tokens_total", Meaning::Counted),
            series("sglang:generation_tokens_total", Meaning::Counted),
        ],
    }
}

/// TensorRT-LLM's own server, whose page is `/prometheus/metrics` (its change #12545).
fn trtllm() -> ModelServer {
    ModelServer {
        name: "trtllm-serve",
        prefix: "trtllm_",
        filters: false,
        series: vec![
            series("trtllm_num_requests_waiting", Meaning::Waiting),
            series("trtllm_num_requests_running", Meaning::Running),
            series("trtllm_kv_cache_utilization", Meaning::KvCacheUse),
            series("trtllm_kv_cache_tokens_per_block", Meaning::BlockSize),
            series("trtllm_kv_cache_max_blocks", Meaning::Blocks),
        ],
    }
}

const TRITON_REQUESTS: &str = "nv_trt_llm_request_metrics";
const TRITON_BLOCKS: &str = "nv_trt_llm_kv_cache_block_metrics";

/// Triton with the TensorRT-LLM backend, on port 8002.
fn triton() -> ModelServer {
    ModelServer {
        name: "Triton with TensorRT-LLM",
        prefix: "nv_trt_llm_",
        filters: false,
        series: vec![
            labelled(TRITON_REQUESTS, ("request_type", "waiting"), Meaning::Waiting),
            labelled(TRITON_REQUESTS, ("request_type", "scheduled"), Meaning::Running),
            labelled(TRITON_BLOCKS, ("kv_cache_block_type", "fraction"), Meaning::KvCacheUse),
            labelled(TRITON_BLOCKS, ("kv_cache_block_type", "tokens_per"), Meaning::BlockSize),
            labelled(TRITON_BLOCKS, ("kv_cache_block_type", "max"), Meaning::Blocks),
        ],
    }
}

/// Hugging Face's TGI, which tells nothing of its cache.
fn tgi() -> ModelServer {
    ModelServer {
        name: "TGI",
        prefix: "tgi_",
        filters: false,
        series: vec![
            series("tgi_queue_size", Meaning::Waiting),
            series("tgi_batch_current_size", Meaning::Running),
            series("tgi_request_count", Meaning::Counted),
        ],
    }
}

/// llama.cpp's server with `--metrics`; newer releases tell nothing of the cache.
fn llamacpp() -> ModelServer {
    ModelServer {
        name: "llama.cpp",
        prefix: "llamacpp:",
        filters: false,
        series: vec![
            series("llamacpp:requests_deferred", Meaning::Waiting),
            series("llamacpp:requests_processing", Meaning::Running),
            series("llamacpp:kv_cache_usage_ratio", Meaning::KvCacheUseOlder),
            series("llamacpp:prompt_tokens_total", Meaning::Counted),
            series("llamacpp:tokens_predicted_total", Meaning::Counted),
        ],
    }
}

/// LMDeploy.
fn lmdeploy() -> ModelServer {
    ModelServer {
        name: "LMDeploy",
        prefix: "lmdeploy:",
        filters: false,
        series: vec![
            series("lmdeploy:num_requests_waiting", Meaning::Waiting),
            series("lmdeploy:num_requests_running", Meaning::Running),
            series("lmdeploy:gpu_cache_usage_perc", Meaning::KvCacheUse),
        ],
    }
}

/// NVIDIA NIM, whose names have no prefix; its page is `/v1/metrics`.
fn nim() -> ModelServer {
    ModelServer {
        name: "NIM",
        prefix: "",
        filters: false,
        series: vec![
            series("num_requests_waiting", Meaning::Waiting),
            series("num_requests_running", Meaning::Running),
            series("gpu_cache_usage_perc", Meaning::KvCacheUse),
        ],
    }
}

/// All of them; of two that a page could be, the earlier one counts.
static ALL: LazyLock<[Arc<ModelServer>; 8]> = LazyLock::new(|| {
    [vllm(), sglang(), trtllm(), triton(), tgi(), llamacpp(), lmdeploy(), nim()].map(Arc::new)
});

impl ModelServer {
    /// The table of a server; `None` where the page has to tell.
    pub(crate) fn of(kind: ModelServerKind) -> Option<Arc<Self>> {
        let at = match kind {
            ModelServerKind::Auto => return None,
            ModelServerKind::Vllm => 0,
            ModelServerKind::Sglang => 1,
            ModelServerKind::Trtllm => 2,
            ModelServerKind::Triton => 3,
            ModelServerKind::Tgi => 4,
            ModelServerKind::Llamacpp => 5,
            ModelServerKind::Lmdeploy => 6,
            ModelServerKind::Nim => 7,
        };
        ALL.get(at).cloned()
    }

    /// The table for a pool: its own mapping, or that of the server it names.
    pub(crate) fn of_pool(settings: &PoolSettings) -> Option<Arc<Self>> {
        if settings.series.is_empty() {
            return Self::of(settings.server);
        }
        let series = settings.series.iter().map(mapped).collect();
        Some(Arc::new(Self { name: "the pool's series", prefix: "", filters: false, series }))
    }

    /// The server whose names stand on a page with these lines.
    pub(crate) fn detect<'a>(lines: impl Iterator<Item = &'a str>) -> Option<Arc<Self>> {
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
        ALL.get(best?).cloned()
    }

    /// The series that have the name of `line`, and what follows the name: several where a label
    /// decides.
    pub(crate) fn named<'a, 's>(
        &'s self,
        line: &'a str,
    ) -> impl Iterator<Item = (&'s Series, &'a str)> + use<'a, 's> {
        let series = if line.starts_with(self.prefix) { self.series.as_slice() } else { &[] };
        series.iter().filter_map(move |series| after(series, line))
    }

    /// The same, and what every server may say of its process.
    pub(crate) fn named_or_common<'a, 's>(
        &'s self,
        line: &'a str,
    ) -> impl Iterator<Item = (&'s Series, &'a str)> + use<'a, 's> {
        self.named(line).chain(after(&STARTED, line))
    }

    /// The names of all its samples, each once.
    pub(crate) fn sample_names(&self) -> impl Iterator<Item = &str> {
        let before = |at: usize, name: &str| self.series.iter().take(at).any(|it| it.name == name);
        let names = self.series.iter().enumerate();
        let own =
            names.filter(move |(at, it)| !before(*at, &it.name)).map(|(_, it)| it.name.as_ref());
        own.chain([STARTED.name.as_ref()])
    }
}

/// The series, and what follows its name, if the line has that.
fn after<'a, 's>(series: &'s Series, line: &'a str) -> Option<(&'s Series, &'a str)> {
    let rest = line.strip_prefix(series.name.as_ref())?;
    rest.starts_with(['{', ' ', '\t']).then_some((series, rest))
}

fn mapped(from: &MappedSeries) -> Series {
    let owned = |(name, value): &(String, String)| (name.clone().into(), value.clone().into());
    Series {
        name: from.name.clone().into(),
        labels: from.labels.iter().map(owned).collect(),
        scale: from.scale,
        meaning: match from.value {
            MappedValue::Waiting => Meaning::Waiting,
            MappedValue::Running => Meaning::Running,
            MappedValue::KvCacheUse => Meaning::KvCacheUse,
            MappedValue::BlockSize => Meaning::BlockSize,
            MappedValue::Blocks => Meaning::Blocks,
        },
    }
}
