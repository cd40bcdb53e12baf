//! The tables of the servers that are known. A new server is a new table.

use std::sync::{Arc, LazyLock};

use super::table::{Meaning, ModelServer, Series, series};

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
pub(super) static ALL: LazyLock<[Arc<ModelServer>; 8]> = LazyLock::new(|| {
    [vllm(), sglang(), trtllm(), triton(), tgi(), llamacpp(), lmdeploy(), nim()].map(Arc::new)
});

fn labelled(
    name: &'static str,
    (label, value): (&'static str, &'static str),
    meaning: Meaning,
) -> Series {
    Series { labels: vec![(label.into(), value.into())], ..series(name, meaning) }
}
