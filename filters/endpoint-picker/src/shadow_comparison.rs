//! What a decision that was only counted would have changed.

use weir_host::Host;
use weir_placement::{PickRequest, Policy, PoolState, replica_key};

use crate::placed::Placed;
use crate::shadow::Shadow;
use crate::shared::Shared;

impl Shadow {
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
