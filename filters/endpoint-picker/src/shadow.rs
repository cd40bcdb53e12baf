//! The picker in shadow: it decides and counts, and sets no header. What it would have done is held against where another
//! picker or Envoy sent the request.

use weir_host::Host;
use weir_host::metrics::Metric;
use weir_placement::{ExpectedTtft, Pick, PickRequest, Policy, PoolState, replica_key};

use crate::placed::Placed;
use crate::shared::Shared;

/// What was decided for one request.
pub(crate) struct Shadow {
    matched_tokens: u32,
    expected_ttft_us: u32,
    rule: ExpectedTtft,
}

/// What is counted of all of them.
pub(crate) struct ShadowMetrics {
    agreed: Metric,
    differed: Metric,
    /// Prompt tokens expected in the cache, and expected time to the first token: of the picked replica, and of the one
    /// that served.
    matched_tokens: [Metric; 2],
    expected_ttft_ms: [Metric; 2],
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

    /// Counts how it compares with the replica at `address`, which has served the request.
    pub(crate) fn compare<H: Host>(
        &self,
        host: &H,
        shared: &Shared,
        placed: &Placed,
        address: &[u8],
    ) {
        let metrics = &shared.shadow;
        let same = replica_key(address) == placed.dispatch.replica;
        let agreement = if same { &metrics.agreed } else { &metrics.differed };
        shared.count(host, agreement, 1);
        let picked = (self.matched_tokens, self.expected_ttft_us);
        let actual =
            if same { Some(picked) } else { self.expected_at(host, shared, placed, address) };
        // What the pool does not have cannot be compared.
        let Some(actual) = actual else { return };
        let figures = metrics.matched_tokens.iter().zip(&metrics.expected_ttft_ms);
        for ((tokens, ttft_ms), (matched, ttft_us)) in figures.zip([picked, actual]) {
            shared.count(host, tokens, matched);
            ttft_ms.record(host, u64::from(ttft_us / 1000));
        }
    }

    /// Cached tokens and time to the first token, in µs, that are expected at `address`.
    fn expected_at<H: Host>(
        &self,
        host: &H,
        shared: &Shared,
        placed: &Placed,
        address: &[u8],
    ) -> Option<(u32, u32)> {
        let now_ns = host.now_ns();
        let mut pools = shared.pools.borrow_mut();
        let (pool, prefixes) = pools.get(placed.pool)?;
        let view = pool.view.as_ref()?;
        let request = PickRequest { subset: Some(address), ..placed.prompt.request() };
        let state = PoolState { view, prefixes, outstanding: &pool.counts, now_ns };
        let pick = self.rule.pick(&request, &state).ok()?;
        Some((pick.matched_tokens, pick.expected_ttft_us))
    }
}
