//! What gateways have learned of prefix caches, on its way to the others.
//!
//! What it is, only gateways know: here it is digits that are handed on. Each pool has a log. What a gateway of this
//! sidecar says goes to its other gateways and, through Redis, to other sidecars; what those say goes to all gateways here.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;
use weir_snapshot::limits::MAX_PREFIXES_DIGITS;

/// Most digits that a log keeps: some hundred prompts of 6 KB.
const MAX_DIGITS: usize = 4 * MAX_PREFIXES_DIGITS;

/// For how long something is kept for who has not taken it, and for how many intervals of sharing at least.
const KEPT: Duration = Duration::from_secs(2);
const KEPT_INTERVALS: u32 = 3;

/// The log of one pool.
#[derive(Debug)]
pub(crate) struct PrefixLog {
    kept: Duration,
    log: Mutex<Log>,
}

#[derive(Debug, Default)]
struct Log {
    pieces: VecDeque<Piece>,
    digits: usize,
    /// Number of the last piece.
    last: u64,
    counts: PrefixCounts,
}

#[derive(Debug)]
struct Piece {
    number: u64,
    at: Instant,
    /// The gateway of this sidecar that said it; `None` for another sidecar.
    gateway: Option<String>,
    digits: String,
}

/// Pieces so far, each what one reply said.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct PrefixCounts {
    /// Of gateways here.
    pub(crate) own: u64,
    /// Of other sidecars.
    pub(crate) others: u64,
    /// Those that gave way to newer ones before everybody had them.
    pub(crate) lost: u64,
}

/// A piece as it goes through Redis: its number, and its digits.
pub(crate) type Numbered = (u64, String);

impl PrefixLog {
    /// An empty log, of which other sidecars take once in every `interval`.
    pub(crate) fn new(interval: Duration) -> Self {
        Self { kept: KEPT.max(interval * KEPT_INTERVALS), log: Mutex::default() }
    }

    /// Takes what a gateway of this sidecar says, or another sidecar (`None`).
    pub(crate) fn add(&self, gateway: Option<&str>, digits: String, now: Instant) {
        if digits.is_empty() || digits.len() > MAX_PREFIXES_DIGITS {
            return;
        }
        let mut log = self.log();
        log.last += 1;
        let count = if gateway.is_some() { &mut log.counts.own } else { &mut log.counts.others };
        *count = count.saturating_add(1);
        log.digits += digits.len();
        let (number, gateway) = (log.last, gateway.map(str::to_owned));
        log.pieces.push_back(Piece { number, at: now, gateway, digits });
        log.trim(now, self.kept);
    }

    /// The number of the last piece: what a gateway that comes now has not missed.
    pub(crate) fn last(&self) -> u64 {
        self.log().last
    }

    /// What `gateway` is to be told that has taken everything up to piece `taken`: as much as a push takes, and up to
    /// which piece that goes.
    pub(crate) fn for_gateway(&self, gateway: &str, taken: u64) -> (String, u64) {
        let log = self.log();
        let (mut digits, mut up_to) = (String::new(), taken);
        for piece in log.pieces.iter().filter(|piece| piece.number > taken) {
            let own = piece.gateway.as_deref() == Some(gateway);
            if !own && digits.len() + piece.digits.len() > MAX_PREFIXES_DIGITS {
                return (digits, up_to);
            }
            up_to = piece.number;
            if !own {
                digits.push_str(&piece.digits);
            }
        }
        (digits, up_to.max(log.last))
    }

    /// What gateways here have said lately, for other sidecars.
    pub(crate) fn own(&self, now: Instant) -> Vec<Numbered> {
        let mut log = self.log();
        log.trim(now, self.kept);
        let own = log.pieces.iter().filter(|piece| piece.gateway.is_some());
        own.map(|piece| (piece.number, piece.digits.clone())).collect()
    }

    /// Pieces so far.
    pub(crate) fn counts(&self) -> PrefixCounts {
        self.log().counts
    }

    /// Nothing panics while it holds the lock, so a poisoned one is as good as any.
    fn log(&self) -> MutexGuard<'_, Log> {
        self.log.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Log {
    /// Lets go what is old, and what is too much.
    fn trim(&mut self, now: Instant, kept: Duration) {
        while let Some(first) = self.pieces.front() {
            let old = now.saturating_duration_since(first.at) > kept;
            if !old && self.digits <= MAX_DIGITS {
                return;
            }
            if !old {
                self.counts.lost = self.counts.lost.saturating_add(1);
            }
            self.digits = self.digits.saturating_sub(first.digits.len());
            self.pieces.pop_front();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_gateway_says_goes_to_the_others_once_and_for_a_while_to_other_sidecars() {
        let (log, start) = (PrefixLog::new(Duration::from_millis(200)), Instant::now());
        log.add(Some("a"), "aa".to_owned(), start);
        log.add(Some("b"), "bb".to_owned(), start);
        log.add(None, "cc".to_owned(), start);
        log.add(None, String::new(), start);
        assert_eq!(log.for_gateway("a", 0), ("bbcc".to_owned(), 3));
        assert_eq!(log.for_gateway("b", 1), ("cc".to_owned(), 3));
        assert_eq!(log.for_gateway("b", 3), (String::new(), 3));
        let own = [(1, "aa".to_owned()), (2, "bb".to_owned())];
        assert_eq!(log.own(start + KEPT), own);
        assert_eq!(log.own(start + KEPT + Duration::from_millis(1)), []);
        let counts = log.counts();
        assert_eq!((counts.own, counts.others, counts.lost, log.last()), (2, 1, 0, 3));
    }

    #[test]
    fn a_log_is_bounded_and_a_push_takes_a_part_of_it() {
        let (log, now) = (PrefixLog::new(Duration::from_millis(200)), Instant::now());
        let piece = || "0".repeat(MAX_PREFIXES_DIGITS - 2);
        for _ in 0..6 {
            log.add(None, piece(), now);
        }
        log.add(None, "0".repeat(MAX_PREFIXES_DIGITS + 1), now);
        assert_eq!((log.counts().lost, log.counts().others), (2, 6));
        let mut taken = 0;
        let mut pieces = Vec::new();
        while let (digits, up_to) = log.for_gateway("a", taken)
            && !digits.is_empty()
        {
            pieces.push(up_to);
            taken = up_to;
        }
        assert_eq!(pieces, [3, 4, 5, 6]);
    }
}
