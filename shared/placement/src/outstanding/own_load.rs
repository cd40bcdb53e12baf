//! What was sent to one endpoint.

/// Own load at one endpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct OwnLoad {
    /// Requests whose response has not ended.
    pub in_flight: u32,
    /// Requests without a first token.
    pub in_prefill: u32,
    /// Their uncached prompt tokens.
    pub prefill_tokens: u32,
    /// Requests sent since the last snapshot was seen.
    pub dispatched: u32,
    /// Requests sent between the last snapshot and the one before it.
    pub dispatched_before: u32,
    /// When the prefill of all of them should be done, in ns of the host's clock.
    pub busy_until_ns: u64,
    /// Snapshots in a row that showed the replica idle while nothing was sent to it.
    pub(super) quiet: u32,
}

impl OwnLoad {
    /// Whether there is nothing to say.
    pub(super) fn is_empty(&self) -> bool {
        self.in_flight == 0 && self.dispatched == 0 && self.dispatched_before == 0
    }

    /// Time until the prefills under way should be done, in µs.
    #[must_use]
    pub fn backlog_us(&self, now_ns: u64) -> u64 {
        // Streams tell when their prefill ends; other responses only come whole, so the clock must
        // do.
        if self.in_prefill == 0 { 0 } else { self.busy_until_ns.saturating_sub(now_ns) / 1000 }
    }
}
