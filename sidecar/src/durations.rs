//! A histogram of durations, for `/metrics`.

use std::time::Duration;

/// Upper bounds of the buckets in ms: a poll or push in the same rack takes about one.
const BOUNDS_MS: [u64; 10] = [1, 2, 5, 10, 25, 50, 100, 250, 500, 1000];

/// Counts of durations in fixed buckets.
#[derive(Clone, Debug, Default)]
pub(crate) struct Durations {
    /// Per bound, those not over it and over the bound before.
    buckets: [u64; BOUNDS_MS.len()],
    count: u64,
    sum: Duration,
}

impl Durations {
    /// Counts one duration.
    pub(crate) fn add(&mut self, duration: Duration) {
        let within = |bound: &u64| duration <= Duration::from_millis(*bound);
        if let Some(bucket) =
            BOUNDS_MS.iter().position(within).and_then(|at| self.buckets.get_mut(at))
        {
            *bucket += 1;
        }
        self.count += 1;
        self.sum = self.sum.saturating_add(duration);
    }

    /// Upper bound in seconds, and how many were not over it.
    pub(crate) fn cumulative(&self) -> impl Iterator<Item = (f64, u64)> {
        let seconds = BOUNDS_MS.iter().map(|bound| Duration::from_millis(*bound).as_secs_f64());
        seconds.zip(self.buckets.iter().scan(0, |total, count| {
            *total += count;
            Some(*total)
        }))
    }

    /// How many there were.
    pub(crate) fn count(&self) -> u64 {
        self.count
    }

    /// How long they took together.
    pub(crate) fn sum(&self) -> Duration {
        self.sum
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buckets_are_cumulative_and_what_is_over_all_bounds_is_still_counted() {
        let mut durations = Durations::default();
        for ms in [1, 3, 3, 1000, 1001] {
            durations.add(Duration::from_millis(ms));
        }
        let counts: Vec<u64> = durations.cumulative().map(|(_, count)| count).collect();
        assert_eq!(counts, [1, 1, 3, 3, 3, 3, 3, 3, 3, 4]);
        assert_eq!(durations.count(), 5);
        assert_eq!(durations.sum(), Duration::from_millis(2008));
        assert_eq!(durations.cumulative().next().unwrap().0, 0.001);
    }
}
