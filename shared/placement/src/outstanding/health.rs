//! How a replica has served of late: failures as a moving average, and when it may be tried again.
//!
//! | what happened | what follows |
//! |---|---|
//! | some requests fail, others are served | the share of failures costs, as long as it lasts |
//! | requests fail and none is served | the replica is set aside; a single request tries it again after 250 ms, then after twice as long each time |
//! | a request is served | it is no longer set aside; the share falls with each answer, and by half every 2 s |

/// Weight of one outcome in the share of failures: 1/8.
const WEIGHT_BITS: u32 = 3;
/// A share of 1.
const ALL: u32 = 1 << 16;
/// A share below 1/64 says nothing.
const FORGOTTEN: u32 = ALL / 64;
/// Half-life in ns of a share that no outcome changes, 2 s: whom the share keeps from being chosen
/// could not improve it otherwise.
const HALF_LIFE_NS: u64 = 2_000_000_000;
/// From a failure to the first trial, in ns: 250 ms. Some two and a half snapshots: what restarts
/// is still down, and a slip is forgotten soon.
const FIRST_TRIAL_NS: u64 = 250_000_000;
/// Times that the wait is doubled: 32 s at most, a fraction of what loading a model takes.
const MOST_DOUBLINGS: u32 = 7;
/// Cost of a replica that is set aside, in µs: 60 s. Whoever else can serve within a minute is
/// preferred; where all are set aside, load and prefixes tell them apart as ever.
const SET_ASIDE_US: u64 = 60_000_000;
/// Cost of a failure, in µs, that the share is multiplied by: 500 ms for the way there, the wait
/// before a retry, and a second queue.
const FAILURE_US: u64 = 500_000;

/// How one replica has served of late.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Health {
    /// Moving average of failures among outcomes, in 1/65536.
    pub(super) share: u32,
    /// Trials that have failed since the last answer, and one for the first failure; 0 while it serves.
    pub(super) failed_trials: u32,
    /// Whether a trial is under way.
    pub(super) on_trial: u32,
    /// Time of the failure or of the trial from which the wait counts, in ns.
    pub(super) since_ns: u64,
}

impl Health {
    /// Whether there is nothing to say.
    #[must_use]
    pub fn is_well(&self) -> bool {
        self.share == 0 && self.failed_trials == 0
    }

    /// Whether it is set aside, but for trials.
    #[must_use]
    pub fn is_set_aside(&self) -> bool {
        self.failed_trials > 0
    }

    /// An attempt has failed.
    pub(super) fn failed(&mut self, now_ns: u64) {
        self.share = self.share_at(now_ns);
        self.share += ALL.saturating_sub(self.share) >> WEIGHT_BITS;
        // Requests that were under way when the first one failed say nothing new.
        if self.failed_trials == 0 || self.on_trial > 0 {
            self.failed_trials = self.failed_trials.saturating_add(1).min(MOST_DOUBLINGS + 1);
            self.on_trial = 0;
            self.since_ns = now_ns;
        }
        debug_assert!(self.share <= ALL, "a share of {}", self.share);
        debug_assert!(!self.is_well(), "a failure costs nothing");
    }

    /// An attempt was answered.
    pub(super) fn served(&mut self) {
        self.share -= self.share >> WEIGHT_BITS;
        self.failed_trials = 0;
        self.on_trial = 0;
        if self.share < FORGOTTEN {
            *self = Self::default();
        }
        debug_assert!(self.on_trial == 0, "a trial that was served is over");
        debug_assert!(!self.is_set_aside(), "who serves is set aside");
    }

    /// A request goes to it: that is the trial if one is due. One that nobody has heard of until the
    /// next is due has failed.
    pub(super) fn sent(&mut self, now_ns: u64) {
        if !self.is_due(now_ns) {
            return;
        }
        self.failed_trials =
            self.failed_trials.saturating_add(self.on_trial.min(1)).min(MOST_DOUBLINGS + 1);
        self.on_trial = 1;
        self.since_ns = now_ns;
        debug_assert!(self.is_set_aside(), "a trial of one that serves");
        debug_assert!(!self.is_due(now_ns), "two trials at a time");
    }

    /// Forgets a share that has faded.
    pub(super) fn fade(&mut self, now_ns: u64) {
        if self.failed_trials == 0 && self.share_at(now_ns) < FORGOTTEN {
            *self = Self::default();
        }
    }

    /// What it costs to send a request there, in µs, beside what it costs to serve it. Nothing if a
    /// trial is due.
    #[must_use]
    pub fn cost_us(&self, now_ns: u64) -> u64 {
        if self.is_well() || self.is_due(now_ns) {
            return 0;
        }
        if self.failed_trials > 0 {
            return SET_ASIDE_US;
        }
        let share = u64::from(self.share_at(now_ns));
        FAILURE_US * share / u64::from(ALL).saturating_sub(share).max(1)
    }

    /// Whether a trial is due.
    fn is_due(&self, now_ns: u64) -> bool {
        let doublings = self.failed_trials.saturating_sub(1).min(MOST_DOUBLINGS);
        // A clock that was set back makes a trial due.
        let since = now_ns.checked_sub(self.since_ns);
        self.failed_trials > 0 && since.is_none_or(|since| since >= FIRST_TRIAL_NS << doublings)
    }

    fn share_at(&self, now_ns: u64) -> u32 {
        let half_lives = now_ns.saturating_sub(self.since_ns) / HALF_LIFE_NS;
        let share = self.share.min(ALL - 1);
        if self.failed_trials > 0 { share } else { share >> half_lives.min(31) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: u64 = 1_000_000;
    const NOW: u64 = 1_000_000 * MS;

    /// Sends to the replica whenever that costs nothing, every ms until `until_ms`; it fails each time. Answers
    /// with the times in ms.
    fn trials(health: &mut Health, until_ms: u64, fails: bool) -> Vec<u64> {
        let mut times = Vec::new();
        for ms in 0..until_ms {
            let now = NOW + ms * MS;
            if health.cost_us(now) == 0 {
                times.push(ms);
                health.sent(now);
                if fails {
                    health.failed(now);
                }
            }
        }
        times
    }

    #[test]
    fn a_replica_that_fails_is_tried_after_waits_that_double_up_to_half_a_minute() {
        let mut health = Health::default();
        let times = trials(&mut health, 130_000, true);
        let expected = [0, 250, 750, 1750, 3750, 7750, 15_750, 31_750, 63_750, 95_750, 127_750];
        assert_eq!(times, expected);
    }

    #[test]
    fn a_trial_that_nobody_hears_of_counts_as_failed() {
        let mut health = Health::default();
        health.failed(NOW);
        assert_eq!(trials(&mut health, 8000, false), [250, 500, 1000, 2000, 4000]);
    }

    #[test]
    fn one_answer_ends_the_wait_and_the_share_falls_until_it_is_forgotten() {
        let mut health = Health::default();
        (0..30).for_each(|_| health.failed(NOW));
        assert_eq!(health.cost_us(NOW), SET_ASIDE_US);
        health.served();
        let costs = [0, 2000, 4000, 20_000].map(|ms| health.cost_us(NOW + ms * MS));
        assert!(costs[0] > 1_000_000 && costs.is_sorted_by(|a, b| a > b), "{costs:?}");
        assert!(costs[3] < 1000, "{costs:?}");
        (0..40).for_each(|_| health.served());
        assert_eq!(health, Health::default());
    }

    #[test]
    fn a_share_of_failures_costs_by_how_great_it_is() {
        let cost = |every: u32| {
            let mut health = Health::default();
            (0..800).for_each(|index: u32| match index % every {
                0 => health.failed(NOW),
                _ => health.served(),
            });
            assert!(!health.is_set_aside());
            health.cost_us(NOW)
        };
        let costs = [2, 4, 8].map(cost);
        assert!(costs.is_sorted_by(|a, b| a > b), "{costs:?}");
        assert!(costs[0] > 300_000 && costs[2] < 60_000, "{costs:?}");
    }

    #[test]
    fn requests_that_were_under_way_do_not_prolong_the_wait() {
        let mut health = Health::default();
        (0..50).for_each(|_| health.failed(NOW));
        assert_eq!(
            (health.cost_us(NOW + 249 * MS), health.cost_us(NOW + 250 * MS)),
            (SET_ASIDE_US, 0)
        );
    }

    #[test]
    fn any_time_and_any_stored_bytes_are_no_trap() {
        for share in [0, 1, ALL - 1, ALL, u32::MAX] {
            for failed_trials in [0, 1, 9, u32::MAX] {
                for (since_ns, now_ns) in [(0, u64::MAX), (u64::MAX, 0), (5, 5)] {
                    let mut health = Health { share, failed_trials, on_trial: u32::MAX, since_ns };
                    assert!(health.cost_us(now_ns) <= SET_ASIDE_US.max(FAILURE_US << 16));
                    health.sent(now_ns);
                    health.failed(now_ns);
                    health.fade(now_ns);
                    health.served();
                }
            }
        }
    }
}
