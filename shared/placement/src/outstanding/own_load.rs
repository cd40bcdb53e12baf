//! What was sent to one endpoint.

use weir_snapshot::EndpointRecord;

use super::health::Health;
use super::pace::Pace;

/// Greatest age, in ms, of a measurement that counts are bounded by: 200 ms, two polls. Of what was sent, the counts of
/// two snapshots are known.
const FRESH_MS: u32 = 200;

/// Silence that says nothing, in ns: 1 s beyond the time that the prefills should have taken. Estimates of
/// prefills are that wrong.
const GRACE_NS: u64 = 1_000_000_000;

/// Own load at one endpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct OwnLoad {
    /// Requests whose response has not ended.
    pub in_flight: u32,
    /// Requests without a first token.
    pub in_prefill: u32,
    /// Their uncached prompt tokens.
    pub prefill_tokens: u32,
    /// Tokens of the requests whose first token has come: prompts, and what is expected to follow them.
    pub decode_tokens: u32,
    /// Requests sent since the last snapshot was seen.
    pub dispatched: u32,
    /// Requests sent between the last snapshot and the one before it.
    pub dispatched_before: u32,
    /// When the prefill of all of them should be done, in ns of the host's clock.
    pub busy_until_ns: u64,
    /// Snapshots in a row that showed the replica idle while nothing was sent to it.
    pub(super) quiet: u32,
    /// Streams without a first token; part of `in_prefill`.
    pub awaited: u32,
    /// When the last first token of a stream came, in ns of the host's clock.
    pub heard_at_ns: u64,
    /// Whether it serves what it is sent.
    pub health: Health,
    /// How long it takes beside the others.
    pub pace: Pace,
}

impl OwnLoad {
    /// Lowers the counts to what can be there: what `record` shows running and waiting, and what was sent since the
    /// last snapshot but one, which may have been on its way when this one was measured. What is above that was lost:
    /// a VM that died took its streams' ends with it.
    pub(super) fn bound(&mut self, record: &EndpointRecord) {
        let (Some(running), Some(waiting)) = (record.running, record.waiting) else { return };
        if record.age_ms.is_none_or(|age| age > FRESH_MS) {
            return;
        }
        let sent = self.dispatched.saturating_add(self.dispatched_before);
        let most = running.saturating_add(waiting).saturating_add(sent);
        let decoding = self.in_flight.saturating_sub(self.in_prefill);
        self.in_flight = self.in_flight.min(most);
        if self.in_prefill > self.in_flight {
            self.prefill_tokens = share(self.prefill_tokens, self.in_flight, self.in_prefill);
            self.in_prefill = self.in_flight;
        }
        let still_decoding = self.in_flight - self.in_prefill;
        if decoding > still_decoding {
            self.decode_tokens = share(self.decode_tokens, still_decoding, decoding);
        }
        self.awaited = self.awaited.min(self.in_prefill);
    }

    /// Whether there is nothing to say.
    pub(super) fn is_empty(&self) -> bool {
        let counts = self.in_flight | self.dispatched | self.dispatched_before;
        counts == 0 && self.health.is_well() && self.pace.is_unknown()
    }

    /// Time until the prefills under way should be done, in µs.
    #[must_use]
    pub fn backlog_us(&self, now_ns: u64) -> u64 {
        // Streams tell when their prefill ends; other responses only come whole, so the clock must
        // do.
        if self.in_prefill == 0 { 0 } else { self.busy_until_ns.saturating_sub(now_ns) / 1000 }
    }

    /// For how long streams have waited for a first token in vain, in µs, beyond what the prefills should
    /// take and a second. Other responses come whole, so their silence says nothing.
    #[must_use]
    pub fn silence_us(&self, now_ns: u64) -> u64 {
        if self.awaited == 0 {
            return 0;
        }
        let expected = self.busy_until_ns.max(self.heard_at_ns).saturating_add(GRACE_NS);
        now_ns.saturating_sub(expected) / 1000
    }
}

/// The tokens of `some` requests, of those of `all`.
fn share(tokens: u32, some: u32, all: u32) -> u32 {
    let tokens = u64::from(tokens) * u64::from(some) / u64::from(all.max(1));
    u32::try_from(tokens).unwrap_or(u32::MAX)
}
