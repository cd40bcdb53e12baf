//! The in-flight counts of a pool, shared by all workers through compare-and-swap.
//!
//! A change costs two host calls, so in a busy pool what happens (a request goes out, its first
//! token comes, it ends) waits in the VM for some milliseconds, or for one tick.

use weir_host::{Host, HostError};
use weir_placement::{Dispatch, Outstanding, Phase};

/// How often a change that lost against another worker is tried again. A change takes about a
/// microsecond, so losing this often means dozens of workers; the change then waits for the next share.
const ATTEMPTS: usize = 8;

/// What changes the counts.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Event {
    /// A request went to its replica at this time, in ns.
    Sent(Dispatch, u64),
    /// Its first token came.
    FirstToken {
        /// What was counted.
        dispatch: Dispatch,
        /// When the request was placed, in ns.
        sent_ns: u64,
        /// When its first token came, in ns.
        at_ns: u64,
    },
    /// It ended, complete or not.
    Finished(Dispatch, Phase),
    /// An attempt at the replica with this key failed, at this time, in ns.
    Failed(u64, u64),
    /// An attempt at the replica with this key was answered.
    Served(u64),
    /// A retry took the request to another replica.
    Moved {
        /// What was counted.
        from: Dispatch,
        /// What it should have been.
        to: Dispatch,
        /// When the request was placed, in ns.
        at_ns: u64,
    },
}

impl Event {
    /// Applies it.
    pub(crate) fn apply(&self, counts: &mut Outstanding) {
        match self {
            Self::Sent(dispatch, at_ns) => counts.dispatch(dispatch, *at_ns),
            Self::FirstToken { dispatch, sent_ns, at_ns } => {
                counts.first_token(dispatch, *sent_ns, *at_ns);
            }
            Self::Failed(replica, at_ns) => counts.failed(*replica, *at_ns),
            Self::Served(replica) => counts.served(*replica),
            Self::Finished(dispatch, phase) => counts.finish(dispatch, *phase),
            Self::Moved { from, to, at_ns } => {
                counts.finish(from, Phase::Prefill);
                counts.dispatch(to, *at_ns);
            }
        }
    }
}

/// The counts as they are now.
pub(crate) fn read<H: Host>(host: &H, key: &str) -> (Outstanding, Option<u32>) {
    match host.shared(key) {
        Ok(Some((bytes, cas))) => (Outstanding::from_stored(bytes), Some(cas)),
        _ => (Outstanding::default(), None),
    }
}

/// Stores the counts unless another worker was faster; true if that is settled.
pub(crate) fn store<H: Host>(host: &H, key: &str, counts: &Outstanding, cas: Option<u32>) -> bool {
    // Counts are hints: a host that cannot store them must not fail a request.
    host.set_shared(key, counts.as_bytes(), cas) != Err(HostError::CasMismatch)
}

/// Applies `change` to the counts, and again to newer ones if another worker was faster. Answers
/// with them, and whether they are stored.
pub(crate) fn change<H: Host>(
    host: &H,
    key: &str,
    change: impl Fn(&mut Outstanding),
) -> (Outstanding, bool) {
    let mut attempts = ATTEMPTS;
    loop {
        let (mut counts, cas) = read(host, key);
        change(&mut counts);
        attempts -= 1;
        let stored = store(host, key, &counts, cas);
        if stored || attempts == 0 {
            return (counts, stored);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use weir_host::FakeHost;
    use weir_placement::Dispatch;

    #[test]
    fn counts_that_another_worker_has_changed_are_not_overwritten() {
        let host = FakeHost::new();
        let dispatch = Dispatch {
            replica: 9,
            uncached_tokens: 10,
            prefill_us: 1,
            decode_tokens: 10,
            alone_us: 0,
            streamed: true,
        };
        change(&host, "k", |counts| counts.dispatch(&dispatch, 1));
        let (stale, cas) = read(&host, "k");
        change(&host, "k", |counts| counts.dispatch(&dispatch, 1));
        assert!(!store(&host, "k", &stale, cas));
        assert_eq!(read(&host, "k").0.load(9).in_flight, 2);
    }

    #[test]
    fn events_undo_what_a_dispatch_counted() {
        let (here, there) = (9, 10);
        let from = Dispatch {
            replica: here,
            uncached_tokens: 10,
            prefill_us: 1,
            decode_tokens: 10,
            alone_us: 0,
            streamed: true,
        };
        let to = from.moved_to(there);
        let mut counts = Outstanding::default();
        counts.dispatch(&from, 1);
        Event::Moved { from, to, at_ns: 1 }.apply(&mut counts);
        assert_eq!((counts.load(here).in_flight, counts.load(there).in_flight), (0, 1));
        Event::FirstToken { dispatch: to, sent_ns: 1, at_ns: 2 }.apply(&mut counts);
        Event::Finished(to, Phase::Decode).apply(&mut counts);
        assert_eq!(counts.load(there).in_flight, 0);
        assert_eq!(counts.load(there).prefill_tokens, 0);
    }
}
