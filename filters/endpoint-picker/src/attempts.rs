//! What the filter `attempt` has seen in this VM, where a cluster has it: how each attempt went, at no cost of
//! a host call.

use std::rc::Rc;

use weir_attempt::{AttemptEvent, AttemptOutcome, Attempts, Cursor};
use weir_host::Host;
use weir_placement::replica_key;

use crate::outstanding::Event;
use crate::pool::Pool;
use crate::verdict::Verdict;

/// Response headers that were seen at an attempt.
#[derive(Clone, Debug)]
pub(crate) struct AnsweredAttempt {
    /// `ip:port` of the replica.
    pub(crate) address: Rc<[u8]>,
    /// Its key.
    pub(crate) replica: u64,
    /// The status.
    pub(crate) status: u16,
}

/// Reads the attempts of this VM.
pub(crate) struct AttemptReader {
    attempts: Attempts,
    cursor: Cursor,
}

/// What a read brought.
#[derive(Default)]
pub(crate) struct Read {
    /// The headers of an attempt, if nothing came after them. In a callback for response headers that is the attempt
    /// which they are of, because Envoy hands them from the one filter to the other.
    pub(crate) last: Option<AnsweredAttempt>,
    /// Whether counts have changed.
    pub(crate) noted: bool,
    /// Events that came and went before they could be read.
    pub(crate) missed: u64,
}

impl Default for AttemptReader {
    fn default() -> Self {
        Self { attempts: Attempts::of_vm(), cursor: Cursor::default() }
    }
}

impl AttemptReader {
    /// Tells `pools` how the attempts went that came since the last read.
    pub(crate) fn read<H: Host>(&mut self, host: &H, pools: &mut [Pool]) -> Read {
        let mut read = Read::default();
        if !self.attempts.is_ahead(&self.cursor) {
            return read;
        }
        let (last, noted) = (&mut read.last, &mut read.noted);
        read.missed = self.attempts.read(&mut self.cursor, |outcome| {
            let replica = replica_key(&outcome.address);
            *last = answered(outcome, replica);
            if let Some(verdict) = Verdict::of_event(outcome.event) {
                for pool in pools.iter_mut().filter(|pool| pool.has(replica)) {
                    pool.sees_attempts = true;
                    *noted |= tell(host, pool, replica, verdict);
                }
            }
        });
        read
    }
}

fn answered(outcome: &AttemptOutcome, replica: u64) -> Option<AnsweredAttempt> {
    match outcome.event {
        AttemptEvent::Headers(status) => {
            Some(AnsweredAttempt { address: Rc::clone(&outcome.address), replica, status })
        }
        AttemptEvent::Ended(_) => None,
    }
}

/// Notes what became of an attempt at a replica, if that changes anything. A replica that declines a request lives.
pub(crate) fn tell<H: Host>(host: &H, pool: &mut Pool, replica: u64, verdict: Verdict) -> bool {
    let failed = verdict == Verdict::Failed;
    if !failed && pool.counts.load(replica).health.is_well() {
        return false;
    }
    if failed {
        pool.note_failure(host, replica);
    } else {
        pool.note(Event::Served(replica));
    }
    true
}
