//! What a request costs at a replica, in time to its first token.

use weir_snapshot::EndpointRecord;

use super::PoolState;
use super::adapter::AdapterState;
use crate::outstanding::OwnLoad;

/// Constants of the time-to-first-token model of one pool.
#[derive(Debug, Clone, PartialEq)]
pub struct TtftModel {
    /// Prefill time per uncached prompt token, in ns. Default 200,000: an 8B model on one H100
    /// takes 0.15 to 0.30 ms per token (a 70B model on eight takes 0.40 to 0.60).
    pub prefill_ns_per_token: u64,
    /// Time to the first token of an empty prompt on an idle replica, in µs. Default 30,000 (8B on
    /// one H100: 25 to 40 ms). The same everywhere, so it only matters for what is reported.
    pub overhead_us: u64,
    /// Least wait per request in a replica's queue, in µs. Default 50,000, about four decode steps:
    /// a queue of short prompts waits for slots, not for prefills.
    pub waiting_us: u64,
    /// Mean prefill of a request, in µs, until the pool's own requests tell. Default 150,000: some
    /// 750 tokens.
    pub mean_prefill_us: u64,
    /// Cost per running request, in µs: decode steps share the GPU with prefill. Default 1,500, a
    /// tenth of one decode step (10 to 15 ms) each.
    pub running_us: u64,
    /// Cost of a KV cache that fills up, in µs: nothing below 80 % use, this much at 91 %, ten
    /// times as much when the request fills the cache, because then others are preempted. Default
    /// 100,000.
    pub pressure_us: u64,
    /// Wait for a LoRA adapter for which there is no room, in µs. Default 1,000,000, about the time
    /// until a running request ends and frees a slot.
    pub adapter_us: u64,
    /// Time that a GPU which heat or power slows down needs on top, in 1/256 of what an unhindered one
    /// needs for the prefills that wait and for this one. Default 256, twice as long: NVML documents its
    /// hardware slowdown as clocks lower by a factor of two or more.
    pub throttled: u64,
    /// Credit of a conversation's first rendezvous home, in 1/256 of the prefill there (the second
    /// gets half): other gateways may have sent earlier turns to it, unseen. For tokens that some replica is
    /// known to have it counts as far as other gateways send requests at all. Default
    /// 192. More makes gateways that share nothing agree more often (better with many turns), less
    /// spreads cold prompts better (better with one turn).
    pub home_credit: u64,
}

impl Default for TtftModel {
    fn default() -> Self {
        Self {
            prefill_ns_per_token: 200_000,
            overhead_us: 30_000,
            waiting_us: 50_000,
            mean_prefill_us: 150_000,
            running_us: 1_500,
            pressure_us: 100_000,
            adapter_us: 1_000_000,
            throttled: 256,
            home_credit: 192,
        }
    }
}

/// KV-cache use from which pressure counts: half-way between plenty and preemption, as in common
/// autoscaling rules.
const KNEE: f32 = 0.8;

/// Greatest constant that is calculated with, in µs (four minutes) or in ns per token: so bounded,
/// no sum of products with 32-bit counts can overflow, and the hot path needs no checks.
const MAX_CONSTANT: u64 = 1 << 28;

/// Greatest share for a throttled GPU: sums of times in µs stay far below 2^64.
const MAX_THROTTLED: u64 = 2560;

/// What the model needs to know of the moment.
#[derive(Debug, Clone, Copy)]
pub(super) struct Present {
    pub(super) now_ns: u64,
    /// Mean prefill of this pool's requests, in µs; from 1 to [`MAX_CONSTANT`].
    pub(super) mean_prefill_us: u64,
}

impl Present {
    pub(super) fn new(model: &TtftModel, state: &PoolState<'_>) -> Self {
        let mean = state.outstanding.mean_prefill_us().unwrap_or(model.mean_prefill_us);
        Self { now_ns: state.now_ns, mean_prefill_us: mean.clamp(1, MAX_CONSTANT) }
    }
}

impl TtftModel {
    /// Prefill time of `tokens`, in µs, at no more than 2^28 ns per token.
    #[must_use]
    pub fn prefill_us(&self, tokens: u32) -> u64 {
        u64::from(tokens) * self.prefill_ns_per_token.min(MAX_CONSTANT) / 1000
    }

    /// The same with every constant bounded, which the functions below expect.
    pub(super) fn bounded(&self) -> Self {
        let bounded = |value: u64| value.min(MAX_CONSTANT);
        Self {
            prefill_ns_per_token: bounded(self.prefill_ns_per_token),
            overhead_us: bounded(self.overhead_us),
            waiting_us: bounded(self.waiting_us),
            mean_prefill_us: bounded(self.mean_prefill_us),
            running_us: bounded(self.running_us),
            pressure_us: bounded(self.pressure_us),
            adapter_us: bounded(self.adapter_us),
            // From ten times as long on, more makes no difference to a choice.
            throttled: self.throttled.min(MAX_THROTTLED),
            home_credit: self.home_credit.min(256),
        }
    }

    /// Time until the prefills sent from here are done, in µs. Never more than their tokens take,
    /// whatever the clock did.
    fn backlog_us(&self, own: &OwnLoad, present: &Present) -> u64 {
        own.backlog_us(present.now_ns).min(self.prefill_us(own.prefill_tokens))
    }

    /// Time before the prefill can start, in µs, from own counts and fresh measurements, if there
    /// are any.
    pub(super) fn queue_us(
        &self,
        measured: Option<&EndpointRecord>,
        own: &OwnLoad,
        present: &Present,
    ) -> u64 {
        let backlog_us = self.backlog_us(own, present);
        let waiting = measured.and_then(|record| record.waiting).unwrap_or(0);
        if waiting == 0 {
            return backlog_us;
        }
        // Those that wait and are not ours come from elsewhere, with a prefill that nobody told us.
        let foreign = u64::from(waiting.saturating_sub(own.in_prefill));
        // A queue can also mean that no slot is free; what was sent since has joined it.
        let queued = u64::from(waiting) + u64::from(own.dispatched);
        (backlog_us + foreign * present.mean_prefill_us).max(queued * self.waiting_us)
    }

    /// Time before the prefill can start, in µs, from own counts and the prompt tokens that other gateways said to have in
    /// prefill there `age_us` ago.
    pub(super) fn told_queue_us(
        &self,
        own: &OwnLoad,
        (tokens, age_us): (u32, u64),
        present: &Present,
    ) -> u64 {
        self.backlog_us(own, present) + self.prefill_us(tokens).saturating_sub(age_us)
    }

    /// Cost of what is measured beside the queue, in µs: running requests and KV-cache pressure.
    pub(super) fn beside_queue_us(
        &self,
        record: &EndpointRecord,
        own: &OwnLoad,
        uncached_tokens: u32,
    ) -> u64 {
        self.sharing_us(record.running, own) + self.pressure_us(record, uncached_tokens)
    }

    /// Cost of sharing the replica with running requests, in µs.
    pub(super) fn sharing_us(&self, running: Option<u32>, own: &OwnLoad) -> u64 {
        let running = u64::from(running.unwrap_or(0)) + u64::from(own.dispatched);
        running.max(u64::from(own.in_flight)) * self.running_us
    }

    /// Cost of KV-cache pressure with this request added, in µs.
    fn pressure_us(&self, record: &EndpointRecord, uncached_tokens: u32) -> u64 {
        let Some(used) = record.kv_cache_use else { return 0 };
        let used = used + share_of_cache(record, uncached_tokens);
        if used <= KNEE {
            return 0;
        }
        let used = used.min(1.0);
        scale(self.pressure_us, (used - KNEE) / (1.02 - used))
    }

    /// Prefill time on a GPU that somebody else uses too, in µs on top of `prefill_us`. On a
    /// replica that serves requests a busy GPU says nothing new; on an idle one it belongs to
    /// another tenant.
    pub(super) fn contention_us(&self, record: &EndpointRecord, prefill_us: u64) -> u64 {
        let idle = record.waiting.unwrap_or(0) == 0 && record.running == Some(0);
        record.gpu_use.filter(|_| idle).map_or(0, |used| scale(prefill_us, used))
    }

    /// Time on top of `work_us` of prefills where the GPU is slowed down, in µs.
    pub(super) fn throttled_us(&self, record: &EndpointRecord, work_us: u64) -> u64 {
        // Less than 2^60 by the bounds of the constants: the product fits after the division.
        if record.gpu_throttled { (work_us / 256).saturating_mul(self.throttled) } else { 0 }
    }

    /// Wait for the adapter, in µs: the shares 0, 0.2, 0.4 and 1 of
    /// [`adapter_us`](Self::adapter_us).
    pub(super) fn adapter_us(&self, state: AdapterState) -> u64 {
        match state {
            AdapterState::Active => 0,
            AdapterState::FreeSlot => self.adapter_us / 5,
            AdapterState::Waiting => self.adapter_us * 2 / 5,
            AdapterState::Full => self.adapter_us,
        }
    }
}

#[expect(clippy::cast_precision_loss, reason = "a share needs no more digits")]
fn share_of_cache(record: &EndpointRecord, tokens: u32) -> f32 {
    let (Some(size), Some(blocks)) = (record.block_size, record.blocks) else { return 0.0 };
    let capacity = size as f32 * blocks as f32;
    if capacity > 0.0 { tokens as f32 / capacity } else { 0.0 }
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::cast_precision_loss,
    reason = "an estimate of some µs; the cast saturates"
)]
fn scale(value: u64, factor: f32) -> u64 {
    (value as f32 * factor) as u64
}
