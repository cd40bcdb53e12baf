//! When to poll: spread over the interval, with jitter, never two at once.

use std::time::Duration;

use tokio::time::Instant;

/// Each step is this much longer or shorter at most, so that several sidecars, and replicas
/// that once fell into step, drift apart.
const JITTER: f64 = 0.05;

/// Failures in a row after which the pauses begin to double: until then a replica that hiccups is seen at once.
const PATIENT_FAILURES: u32 = 3;

/// Longest pause that doubling comes to, unless the interval is longer: so much later is a replica known that has
/// come back.
const LONGEST_PAUSE: Duration = Duration::from_secs(2);

/// The times of one replica's polls.
#[derive(Debug)]
pub(crate) struct Schedule {
    interval: Duration,
    random: fastrand::Rng,
    /// In a row.
    failures: u32,
}

impl Schedule {
    /// A schedule with steps of about `interval`.
    pub(crate) fn new(interval: Duration, random: fastrand::Rng) -> Self {
        Self { interval, random, failures: 0 }
    }

    /// Time until the first poll of replica `index` of `count`: each has its own slot of the interval.
    pub(crate) fn first_delay(&mut self, index: usize, count: usize) -> Duration {
        let slot = self.interval / u32::try_from(count.max(1)).unwrap_or(u32::MAX);
        let at = slot * u32::try_from(index).unwrap_or(u32::MAX);
        (at + slot.mul_f64(self.random.f64())).min(self.interval)
    }

    /// The poll after the one that was due at `due` and ended `now`, with success or not. A replica that took longer
    /// than the interval gets a pause of one interval, so that polling never adds to its load; one that
    /// fails again and again gets longer ones.
    pub(crate) fn next(&mut self, due: Instant, now: Instant, success: bool) -> Instant {
        self.failures = if success { 0 } else { self.failures.saturating_add(1) };
        let doublings = self.failures.saturating_sub(PATIENT_FAILURES).min(16);
        let pause = self.interval.saturating_mul(1 << doublings);
        let pause = pause.min(LONGEST_PAUSE).max(self.interval);
        let step = pause.mul_f64(1.0 + JITTER * (2.0 * self.random.f64() - 1.0));
        let next = due + step;
        if next > now { next } else { now + step }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const INTERVAL: Duration = Duration::from_millis(100);

    fn schedule() -> Schedule {
        Schedule::new(INTERVAL, fastrand::Rng::with_seed(7))
    }

    #[test]
    fn first_polls_are_spread_over_the_interval() {
        let mut schedule = schedule();
        for count in [1, 3, 100, 4096] {
            let delays: Vec<Duration> =
                (0..count).map(|index| schedule.first_delay(index, count)).collect();
            assert!(delays.is_sorted(), "{count}");
            assert!(delays.iter().all(|delay| *delay <= INTERVAL), "{count}");
        }
        let late = schedule.first_delay(99, 100);
        assert!(late >= INTERVAL.mul_f64(0.99), "{late:?}");
    }

    #[test]
    fn steps_stay_near_the_interval_and_differ() {
        let mut schedule = schedule();
        let start = Instant::now();
        let steps: Vec<Duration> =
            (0..100).map(|_| schedule.next(start, start, true) - start).collect();
        assert!(steps.iter().all(|step| (95..=105).contains(&step.as_millis())));
        assert!(steps.iter().any(|step| *step < INTERVAL));
        assert!(steps.iter().any(|step| *step > INTERVAL));
    }

    #[test]
    fn a_poll_that_took_longer_than_the_interval_is_followed_by_a_pause() {
        let mut schedule = schedule();
        let due = Instant::now();
        let now = due + 5 * INTERVAL;
        assert!(schedule.next(due, now, true) >= now + INTERVAL.mul_f64(0.95));
    }

    #[test]
    fn what_fails_again_and_again_is_asked_less_and_at_once_as_ever_when_it_is_back() {
        let mut schedule = schedule();
        let now = Instant::now();
        let pauses: Vec<u128> = (0..12)
            .map(|_| (schedule.next(now, now, false) - now).as_millis().div_ceil(100) * 100)
            .collect();
        assert!(pauses[..3].iter().all(|pause| *pause <= 200), "{pauses:?}");
        assert!(pauses[5] > 2 * pauses[3], "{pauses:?}");
        assert!((1900..=2100).contains(pauses.last().unwrap()), "{pauses:?}");
        assert!(schedule.next(now, now, true) - now <= INTERVAL.mul_f64(1.05));
        let mut slow = Schedule::new(Duration::from_secs(10), fastrand::Rng::with_seed(7));
        let pauses = (0..9).map(|_| slow.next(now, now, false) - now);
        assert!(pauses.max().unwrap() <= Duration::from_millis(10_500));
    }
}
