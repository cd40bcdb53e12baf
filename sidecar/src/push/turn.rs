//! Whose turn it is to push a pool.
//!
//! Several sidecars may be configured to push the same pools, so that one can fail over to another. A
//! gateway takes what has the greater epoch, from one sender per epoch, and tells the others which epoch
//! it holds. A sidecar that starts has the time as its epoch and so begins at once. One that is refused
//! stands by, and takes over only once the epoch and sequence that it is told have not moved for a while
//! of its own, monotonic clock: no clock that was set, on whichever host, can keep it from that, and of
//! two sidecars that both live, one stays.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::time::Instant;
use weir_snapshot::Held;
use weir_snapshot::limits::MAX_TOLD_EPOCH;

/// Epoch and sender of one pool's snapshots.
#[derive(Debug)]
pub(crate) struct Turn {
    epoch: AtomicU64,
    sender: u64,
}

impl Turn {
    /// The turn of this process from `epoch` on.
    pub(crate) fn new(epoch: u64, sender: u64) -> Self {
        Self { epoch: AtomicU64::new(epoch), sender }
    }

    /// The epoch of the next snapshot.
    pub(crate) fn epoch(&self) -> u64 {
        self.epoch.load(Ordering::Relaxed)
    }

    /// Which sidecar this is.
    pub(crate) fn sender(&self) -> u64 {
        self.sender
    }

    /// Goes above the epoch that a gateway holds; false if that is none that a sidecar can have.
    pub(crate) fn take_over(&self, held: u64) -> bool {
        if held > MAX_TOLD_EPOCH {
            return false;
        }
        self.epoch.fetch_max(held.saturating_add(1), Ordering::Relaxed);
        true
    }
}

/// What is known of the sidecar whose turn it is at a gateway.
#[derive(Debug)]
pub(crate) struct Holder {
    /// For how long it must not have pushed before another takes over.
    patience: Duration,
    seen: Option<(Held, Instant)>,
}

/// What to do about a refusal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// A newer push of this sidecar was faster: go on.
    Overtaken,
    /// Another sidecar pushes: wait.
    StandBy,
    /// It has been silent: go above its epoch.
    TakeOver,
}

impl Holder {
    /// Nobody has been seen yet.
    pub(crate) fn new(patience: Duration) -> Self {
        Self { patience, seen: None }
    }

    /// Takes what a refusal tells of the view that the gateway keeps.
    pub(crate) fn observe(&mut self, held: Held, own: &Turn, now: Instant) -> Verdict {
        if held.sender == own.sender() {
            let past = held.epoch > own.epoch();
            return if past { Verdict::TakeOver } else { Verdict::Overtaken };
        }
        match self.seen {
            Some((before, since)) if before == held => {
                if now.saturating_duration_since(since) < self.patience {
                    return Verdict::StandBy;
                }
                self.seen = None;
                Verdict::TakeOver
            }
            _ => {
                self.seen = Some((held, now));
                Verdict::StandBy
            }
        }
    }

    /// It is this sidecar's turn.
    pub(crate) fn forget(&mut self) {
        self.seen = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OWN: u64 = 7;

    fn held(epoch: u64, sequence: u64, sender: u64) -> Held {
        Held { epoch, sequence, sender }
    }

    #[test]
    fn a_holder_that_pushes_keeps_its_turn_and_one_that_is_silent_loses_it() {
        use Verdict::{Overtaken, StandBy, TakeOver};
        /// When (ms), what is told, and what to do.
        type Told = (u64, Held, Verdict);
        let cases: [(&str, &[Told]); 5] = [
            (
                "silent from the start, as after a restart with the clock set back",
                &[
                    (0, held(9, 4, 1), StandBy),
                    (1999, held(9, 4, 1), StandBy),
                    (2000, held(9, 4, 1), TakeOver),
                    // Once only; then it would have to be silent again.
                    (2001, held(9, 4, 1), StandBy),
                    (4001, held(9, 4, 1), TakeOver),
                ],
            ),
            (
                "one that goes on pushing",
                &[
                    (0, held(9, 4, 1), StandBy),
                    (1900, held(9, 5, 1), StandBy),
                    (3800, held(9, 6, 1), StandBy),
                    (5799, held(9, 6, 1), StandBy),
                    (5800, held(9, 6, 1), TakeOver),
                ],
            ),
            (
                "a third that takes over first",
                &[
                    (0, held(9, 4, 1), StandBy),
                    (1999, held(10, 1, 2), StandBy),
                    (2100, held(10, 2, 2), StandBy),
                    (4000, held(10, 3, 2), StandBy),
                ],
            ),
            ("an own push that was overtaken", &[(0, held(5, 9, OWN), Overtaken)]),
            ("an own turn before a reload", &[(0, held(6, 1, OWN), TakeOver)]),
        ];
        for (name, told) in cases {
            let (start, turn) = (Instant::now(), Turn::new(5, OWN));
            let mut holder = Holder::new(Duration::from_secs(2));
            for (ms, held, verdict) in told {
                let now = start + Duration::from_millis(*ms);
                assert_eq!(holder.observe(*held, &turn, now), *verdict, "{name} at {ms} ms");
            }
        }
    }

    #[test]
    fn a_take_over_goes_above_what_is_held_and_never_back() {
        let turn = Turn::new(5, OWN);
        assert!(turn.take_over(9));
        assert_eq!(turn.epoch(), 10);
        assert!(turn.take_over(3));
        assert_eq!(turn.epoch(), 10);
    }

    #[test]
    fn a_forged_refusal_leaves_room_for_all_take_overs_to_come() {
        let turn = Turn::new(5, OWN);
        assert!(!turn.take_over(u64::MAX) && !turn.take_over(MAX_TOLD_EPOCH + 1));
        assert_eq!(turn.epoch(), 5);
        assert!(turn.take_over(MAX_TOLD_EPOCH));
        assert!(turn.epoch() < weir_snapshot::limits::MAX_EPOCH);
    }

    /// A gateway: the greater epoch wins, one sender per epoch.
    #[derive(Default)]
    struct Gateway(Option<Held>);

    impl Gateway {
        fn push(&mut self, pushed: Held) -> Result<(), Held> {
            match self.0 {
                Some(held)
                    if pushed.epoch < held.epoch
                        || pushed.epoch == held.epoch
                            && (pushed.sender != held.sender
                                || pushed.sequence <= held.sequence) =>
                {
                    Err(held)
                }
                _ => {
                    self.0 = Some(pushed);
                    Ok(())
                }
            }
        }
    }

    /// Sidecars that push every 100 ms while they live, and by whom each push was taken.
    fn run(epochs: [u64; 3], lives: impl Fn(usize, u64) -> bool, until_ms: u64) -> Vec<u64> {
        let (start, mut gateway, mut taken) = (Instant::now(), Gateway::default(), Vec::new());
        let mut sidecars: Vec<(Turn, Holder)> = (1..)
            .zip(epochs)
            .map(|(sender, epoch)| (Turn::new(epoch, sender), Holder::new(Duration::from_secs(2))))
            .collect();
        for ms in (0..until_ms).step_by(100) {
            for (index, (turn, holder)) in sidecars.iter_mut().enumerate() {
                if !lives(index, ms) {
                    continue;
                }
                let (epoch, sequence, sender) = (turn.epoch(), ms / 100 + 1, turn.sender());
                match gateway.push(Held { epoch, sequence, sender }) {
                    Ok(()) => {
                        holder.forget();
                        taken.push(sender);
                    }
                    Err(held) => {
                        let now = start + Duration::from_millis(ms);
                        if holder.observe(held, turn, now) == Verdict::TakeOver {
                            turn.take_over(held.epoch);
                        }
                    }
                }
            }
        }
        taken.dedup();
        taken
    }

    #[test]
    fn of_sidecars_that_all_live_one_stays() {
        assert_eq!(run([30, 20, 10], |_, _| true, 60_000), [1]);
        assert_eq!(run([10, 20, 30], |_, _| true, 60_000), [1, 2, 3]);
        assert_eq!(run([10, 10, 10], |_, _| true, 60_000), [1]);
    }

    #[test]
    fn when_the_holder_dies_one_of_the_others_takes_over_and_its_return_changes_nothing() {
        let lives = |index, ms| index != 0 || !(5000..20_000).contains(&ms);
        let taken = run([30, 20, 10], lives, 60_000);
        assert!(taken == [1, 2] || taken == [1, 3], "{taken:?}");
    }
}
