//! The picker in shadow: it decides and counts, and sets no header. What it would have done is held against where another
//! picker or Envoy sent the request.

use weir_host::Host;
use weir_host::metrics::Metric;
use weir_placement::{ExpectedTtft, Pick};

/// What was decided for one request.
pub(crate) struct Shadow {
    pub(crate) matched_tokens: u32,
    pub(crate) expected_ttft_us: u32,
    pub(crate) rule: ExpectedTtft,
}

/// What is counted of all of them.
pub(crate) struct ShadowMetrics {
    pub(crate) agreed: Metric,
    pub(crate) differed: Metric,
    /// Prompt tokens expected in the cache, and expected time to the first token: of the picked replica, and of the one
    /// that served.
    pub(crate) matched_tokens: [Metric; 2],
    pub(crate) expected_ttft_ms: [Metric; 2],
}

impl ShadowMetrics {
    pub(crate) fn new() -> Self {
        let of = ["picked", "actual"];
        Self {
            agreed: Metric::counter("weir_shadow_picks_total.agrees.yes"),
            differed: Metric::counter("weir_shadow_picks_total.agrees.no"),
            matched_tokens: of
                .map(|of| Metric::counter(format!("weir_shadow_matched_tokens_total.of.{of}"))),
            expected_ttft_ms: of
                .map(|of| Metric::histogram(format!("weir_shadow_expected_ttft_ms.of.{of}"))),
        }
    }

    /// Adds what waits to the counters.
    pub(crate) fn flush<H: Host>(&self, host: &H) {
        for metric in [&self.agreed, &self.differed].into_iter().chain(&self.matched_tokens) {
            metric.flush(host);
        }
    }
}

impl Shadow {
    /// The decision, and the rule that it was made by.
    pub(crate) fn new(pick: &Pick, rule: ExpectedTtft) -> Self {
        let (matched_tokens, expected_ttft_us) = (pick.matched_tokens, pick.expected_ttft_us);
        Self { matched_tokens, expected_ttft_us, rule }
    }
}
