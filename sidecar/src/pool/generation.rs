//! Which process serves at a replica's address: what a restart changes.

use std::time::Duration;

use tokio::time::Instant;

use crate::scrape::Life;

/// How often a restart is told of, at most: an address behind which several servers take turns seems to restart
/// with every poll.
const TELL_EVERY: Duration = Duration::from_secs(60);

/// What is known of the process.
#[derive(Clone, Debug, Default)]
pub(crate) struct Generation {
    life: Life,
    /// When counters fell last, in s since 1970.
    fell_at: Option<u32>,
    restarts: u64,
    /// When the last of them was seen.
    seen: Option<Instant>,
    told: Option<Instant>,
}

impl Generation {
    /// Takes what a page says; true if it is to be told that there was a restart. `unix_s`: the time, in s since 1970.
    pub(crate) fn observe(&mut self, life: Life, now: Instant, unix_s: u32) -> bool {
        let before = self.life;
        let fell = self.life.counted.zip(life.counted).is_some_and(|(old, new)| new < old);
        self.life = Life {
            started: life.started.or(self.life.started),
            counted: life.counted.or(self.life.counted),
        };
        // A time of start that changes says it all.
        let started_anew = before.started.is_some() && before.started != self.life.started;
        if fell && !started_anew {
            self.fell_at = Some(unix_s);
        }
        if !(fell || started_anew) {
            return false;
        }
        self.restarts = self.restarts.saturating_add(1);
        self.seen = Some(now);
        let due = self.told.is_none_or(|told| now.saturating_duration_since(told) >= TELL_EVERY);
        if due {
            self.told = Some(now);
        }
        due
    }

    /// A number that is another after each restart, and the same whichever sidecar says it as long as the page tells the
    /// time of start. `None` if neither that is known nor any restart.
    pub(crate) fn number(&self) -> Option<u32> {
        let started = self.life.started.map(hash);
        match (started, self.fell_at) {
            (None, fell_at) => fell_at,
            (started, None) => started,
            (Some(started), Some(fell_at)) => Some(started.wrapping_add(fell_at)),
        }
    }

    /// ms since the last restart that was seen; `None` if none was.
    pub(crate) fn age_ms(&self, now: Instant) -> Option<u32> {
        let age = now.saturating_duration_since(self.seen?).as_millis();
        Some(u32::try_from(age).unwrap_or(u32::MAX))
    }

    /// Restarts that were seen.
    pub(crate) fn restarts(&self) -> u64 {
        self.restarts
    }
}

/// Both halves of the number's bits: times of start differ in their fractions, too.
fn hash(started: f64) -> u32 {
    let bits = started.to_bits();
    let [a, b, c, d, e, f, g, h] = bits.to_le_bytes();
    u32::from_le_bytes([a, b, c, d]) ^ u32::from_le_bytes([e, f, g, h])
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The numbers after each of these pages: time of start and counter.
    fn numbers(pages: &[(Option<f64>, Option<f64>)]) -> (Vec<Option<u32>>, u64) {
        let (mut generation, now) = (Generation::default(), Instant::now());
        let numbers = pages.iter().zip(100..).map(|((started, counted), unix_s)| {
            generation.observe(Life { started: *started, counted: *counted }, now, unix_s);
            generation.number()
        });
        (numbers.collect(), generation.restarts())
    }

    #[test]
    fn another_time_of_start_or_a_counter_that_falls_is_a_restart() {
        let start = |at| (Some(at), Some(9.0));
        let (found, restarts) = numbers(&[start(1.5), start(1.5), start(2.5), start(2.5)]);
        assert!(found[0] == found[1] && found[1] != found[2] && found[2] == found[3]);
        assert_eq!(restarts, 1);
        let count = |counted| (None, Some(counted));
        let (found, restarts) = numbers(&[count(5.0), count(7.0), count(0.0), count(3.0)]);
        assert_eq!((found, restarts), (vec![None, None, Some(102), Some(102)], 1));
        // Both at once are one restart, with the number that another sidecar gives it.
        let (found, restarts) = numbers(&[(Some(1.5), Some(9.0)), (Some(2.5), Some(0.0))]);
        assert_eq!((found[1], restarts), (numbers(&[(Some(2.5), Some(0.0))]).0[0], 1));
    }

    #[test]
    fn a_page_that_says_nothing_changes_nothing() {
        let pages = [(None, None), (Some(1.5), Some(9.0)), (None, None), (Some(1.5), Some(10.0))];
        let (found, restarts) = numbers(&pages);
        assert!(found[0].is_none() && found[1] == found[2] && found[2] == found[3]);
        assert_eq!(restarts, 0);
    }

    #[test]
    fn a_server_that_seems_to_restart_with_every_poll_is_told_of_once_a_minute() {
        let (mut generation, start) = (Generation::default(), Instant::now());
        let told = (0..1300_u32).filter(|poll| {
            let life = Life { started: Some(f64::from(poll % 2)), counted: None };
            generation.observe(life, start + Duration::from_millis(100) * *poll, 7)
        });
        assert_eq!(told.count(), 3);
        assert_eq!(generation.restarts(), 1299);
    }
}
