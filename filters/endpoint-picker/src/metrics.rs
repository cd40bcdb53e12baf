//! What the picker counts of all pools together.

use weir_host::Host;
use weir_host::metrics::Metric;

/// All metrics of the filter; their label values come from fixed sets.
pub(crate) struct Metrics {
    /// Prompt tokens that were expected to be cached at the chosen endpoint.
    pub(crate) matched_tokens: Metric,
    /// Prompt tokens that replicas reported to have had cached.
    pub(crate) cached_tokens: Metric,
    /// Prompt tokens that replicas reported.
    pub(crate) prompt_tokens: Metric,
    /// Time from the request's placement to the first byte of its response body, in ms.
    pub(crate) ttft_ms: Metric,
    /// Streams that Envoy would never show a body of, and requests that no policy applies to.
    pub(crate) misconfigured: Metric,
    /// Responses, of those looked at, whose route names another policy than was applied.
    pub(crate) left_route: Metric,
    /// Inference requests that came with no facts, to a policy without a pool.
    pub(crate) no_facts: Metric,
    /// Events of attempts that came and went before they were read.
    pub(crate) missed_attempts: Metric,
}

impl Metrics {
    pub(crate) fn new() -> Self {
        Self {
            matched_tokens: Metric::counter("weir_prefix_matched_tokens_total"),
            cached_tokens: Metric::counter("weir_prefix_cached_tokens_total"),
            prompt_tokens: Metric::counter("weir_prompt_tokens_total"),
            ttft_ms: Metric::histogram("weir_time_to_first_token_ms"),
            misconfigured: Metric::counter("weir_picker_misconfigured_total"),
            left_route: Metric::counter("weir_picker_route_policy_ignored_total"),
            no_facts: Metric::counter("weir_picker_no_facts_total"),
            missed_attempts: Metric::counter("weir_picker_attempts_missed_total"),
        }
    }

    /// Adds what waits to the counters.
    pub(crate) fn flush<H: Host>(&self, host: &H) {
        for metric in [&self.matched_tokens, &self.cached_tokens, &self.prompt_tokens] {
            metric.flush(host);
        }
    }
}
