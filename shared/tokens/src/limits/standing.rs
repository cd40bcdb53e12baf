//! How a key stands with a limit: what headers and errors tell.

use super::limit::{Away, Limit};
use super::slot::Slot;

/// How a key stands with a limit right after a decision.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Standing {
    /// The limit.
    pub limit: Limit,
    /// Units that are neither owed nor reserved.
    pub remaining: u64,
    /// Milliseconds until all of it is there again, if what is reserved is used in full.
    pub reset_ms: u64,
}

/// When a request that was refused will be admitted, if nobody else comes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Wait {
    /// In so many milliseconds, and not before.
    Ms(u64),
    /// When requests that are under way have ended; in about so many milliseconds if they end now
    /// and use what was reserved for them.
    Unsettled(u64),
    /// When the budget of a calendar's window, which is spent, starts afresh: in so many milliseconds.
    Afresh(u64),
    /// When the fleet can be asked again, whose limit it is: in about so many milliseconds. Nothing is said of what is
    /// left.
    Unreachable(u64),
    /// Never: the request asks for more than the limit ever allows.
    Never,
}

impl Wait {
    /// Milliseconds to tell a client; `None` if there is no use in trying again.
    pub fn ms(self) -> Option<u64> {
        match self {
            Self::Ms(ms) | Self::Unsettled(ms) | Self::Afresh(ms) | Self::Unreachable(ms) => {
                Some(ms)
            }
            Self::Never => None,
        }
    }
}

/// The least that a client is told to wait for a grant of the fleet, in ms: two exchanges at the
/// sidecar's default interval, and a busy machine.
const GRANT_MS: u64 = 300;

/// How long a client is told to wait while the fleet cannot be asked, in ms: about as long as a server takes to come
/// back, and not so short that all clients ask for nothing until then.
const UNREACHABLE_MS: u64 = 5_000;

/// The least that a client is told to wait for requests that are under way, in milliseconds.
const UNSETTLED_MS: u64 = 1_000;

impl Standing {
    pub(super) fn of(slot: &Slot, limit: &Limit, now_ms: u64) -> Self {
        let taken = slot.debt().saturating_add(slot.reserved());
        if let (Some(lease), Some(terms)) = (slot.lease(), limit.fleet()) {
            let used = lease.used.saturating_add(slot.reserved());
            let left = lease.remaining(limit, terms, used);
            // A window's budget may have been topped up.
            let most = if limit.calendar().is_some() { u64::MAX } else { limit.capacity() };
            let remaining = left.min(most);
            let missing = limit.capacity().saturating_sub(remaining);
            let reset_ms = limit.fleet_drain_ms(missing, now_ms);
            return Self { limit: *limit, remaining, reset_ms };
        }
        Self {
            limit: *limit,
            remaining: limit.capacity().saturating_sub(taken),
            reset_ms: match limit.measure() {
                super::Measure::Concurrent => 0,
                _ => slot.bucket().wait_ms(limit, now_ms, taken),
            },
        }
    }
}

impl Wait {
    /// How long until `amount` fits, which it does not now.
    pub(super) fn of(slot: &Slot, limit: &Limit, now_ms: u64, amount: u64) -> Self {
        if amount > limit.capacity() {
            return Self::Never;
        }
        if limit.measure() == super::Measure::Concurrent {
            return Self::Unsettled(UNSETTLED_MS);
        }
        if let (Some(lease), Some(terms)) = (slot.lease(), limit.fleet()) {
            let ms = lease.retry_at_ms.saturating_sub(now_ms);
            if ms > 0 && limit.calendar().is_some() {
                return Self::Afresh(ms);
            }
            if terms.reachable {
                return Self::Unsettled(ms.max(GRANT_MS));
            }
            // Of a share of its own this gateway knows when it has drained, but not of a calendar's: the fleet is back sooner.
            let drains = limit.calendar().is_none() && amount <= limit.share().0;
            if terms.away != Away::Local || !drains {
                return Self::Unreachable(UNREACHABLE_MS);
            }
        }
        let excess = slot.own_excess(limit, amount);
        let ms = slot.bucket().wait_ms(limit, now_ms, excess);
        if excess <= slot.debt() { Self::Ms(ms) } else { Self::Unsettled(ms.max(UNSETTLED_MS)) }
    }
}
