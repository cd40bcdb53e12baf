//! What the attempts of a VM have come to, for the filters of the listener in the same VM.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::Rc;

/// Outcomes that are kept for readers: some 10 ms of a worker at its limit. Whoever reads later misses some, and is told.
const MOST_KEPT: usize = 256;

/// How an attempt ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AttemptEnd {
    /// The replica's answer has come as a whole, or was no success and the router has read no more of it.
    Answered(u16),
    /// The replica broke off a successful answer. `first_byte`: after some of its body had come.
    Cut {
        /// Whether any of the body had come.
        first_byte: bool,
    },
    /// No response headers: the connection was refused or reset, or the replica took too long.
    NoAnswer,
    /// The client's stream was over first: the client has left, or a filter has answered. Says nothing of the replica.
    Abandoned,
}

/// What is told of an attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AttemptEvent {
    /// The response headers have come, with this status. Long before the end, in a stream.
    Headers(u16),
    /// The attempt has ended; once each.
    Ended(AttemptEnd),
}

/// One event of an attempt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AttemptOutcome {
    /// `ip:port` of the replica, as Envoy writes it; empty if Envoy had chosen none.
    pub address: Rc<[u8]>,
    /// Which attempt of its request, from 1; 0 if Envoy did not say.
    pub number: u32,
    /// What happened.
    pub event: AttemptEvent,
}

/// How far a reader has read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Cursor(u64);

/// The outcomes of a VM. Clones are the same.
#[derive(Clone, Default)]
pub struct Attempts(Rc<RefCell<Kept>>);

#[derive(Default)]
struct Kept {
    latest: VecDeque<AttemptOutcome>,
    /// How many there were before `latest`.
    before: u64,
    /// Whether some picker of the VM marks streams that may be begun anew.
    fails_over: bool,
}

thread_local! {
    /// That of this VM, which has one thread.
    static OF_VM: Attempts = Attempts::default();
}

impl Attempts {
    /// That of this VM.
    pub fn of_vm() -> Self {
        OF_VM.with(Self::clone)
    }

    /// Says that a picker of this VM marks streams that may be begun anew; where none does, no attempt looks for a mark.
    pub fn expect_failover(&self) {
        self.0.borrow_mut().fails_over = true;
    }

    /// Whether streams may be marked.
    pub(crate) fn fails_over(&self) -> bool {
        self.0.borrow().fails_over
    }

    /// Adds what happened, in place of the oldest when there are many.
    pub fn note(&self, outcome: AttemptOutcome) {
        let mut kept = self.0.borrow_mut();
        if kept.latest.len() >= MOST_KEPT {
            kept.latest.pop_front();
            kept.before += 1;
        }
        kept.latest.push_back(outcome);
    }

    /// Whether anything came since `cursor`.
    pub fn is_ahead(&self, cursor: &Cursor) -> bool {
        let kept = self.0.borrow();
        kept.before + kept.latest.len() as u64 != cursor.0
    }

    /// Shows `reader` what came since `cursor`, in order, and moves it on; returns how many were missed.
    ///
    /// `reader` must not note anything.
    pub fn read(&self, cursor: &mut Cursor, mut reader: impl FnMut(&AttemptOutcome)) -> u64 {
        let kept = self.0.borrow();
        let missed = kept.before.saturating_sub(cursor.0);
        let seen = cursor.0.saturating_sub(kept.before);
        kept.latest.iter().skip(usize::try_from(seen).unwrap_or(usize::MAX)).for_each(&mut reader);
        cursor.0 = kept.before + kept.latest.len() as u64;
        missed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outcome(number: u32) -> AttemptOutcome {
        let event = AttemptEvent::Headers(200);
        AttemptOutcome { address: Rc::from(&b"127.0.0.1:9001"[..]), number, event }
    }

    fn read(attempts: &Attempts, cursor: &mut Cursor) -> (Vec<u32>, u64) {
        let mut numbers = Vec::new();
        let missed = attempts.read(cursor, |outcome| numbers.push(outcome.number));
        (numbers, missed)
    }

    #[test]
    fn every_reader_sees_each_outcome_once_and_in_order() {
        let attempts = Attempts::default();
        let (mut early, mut late) = (Cursor::default(), Cursor::default());
        attempts.clone().note(outcome(1));
        assert!(attempts.is_ahead(&early));
        assert_eq!(read(&attempts, &mut early), (vec![1], 0));
        assert!(!attempts.is_ahead(&early) && attempts.is_ahead(&late));
        attempts.note(outcome(2));
        attempts.note(outcome(3));
        assert_eq!(read(&attempts, &mut early), (vec![2, 3], 0));
        assert_eq!(read(&attempts, &mut early), (vec![], 0));
        assert_eq!(read(&attempts, &mut late), (vec![1, 2, 3], 0));
    }

    #[test]
    fn what_nobody_reads_is_bounded_and_a_late_reader_is_told_what_it_missed() {
        let attempts = Attempts::default();
        let mut cursor = Cursor::default();
        attempts.note(outcome(0));
        read(&attempts, &mut cursor);
        (1..=1000).for_each(|number| attempts.note(outcome(number)));
        let (numbers, missed) = read(&attempts, &mut cursor);
        assert_eq!((numbers.len(), missed), (MOST_KEPT, 1000 - MOST_KEPT as u64));
        assert_eq!(numbers.last(), Some(&1000));
    }

    #[test]
    fn a_vm_has_one() {
        let mut cursor = Cursor::default();
        Attempts::of_vm().note(outcome(7));
        assert_eq!(read(&Attempts::of_vm(), &mut cursor), (vec![7], 0));
    }
}
