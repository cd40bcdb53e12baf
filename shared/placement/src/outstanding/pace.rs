//! How long a replica takes beside the others, from the first tokens of streams that had nothing to wait for.
//!
//! Replicas of one pool may stand on different GPUs, or share theirs with somebody. What the model expects is only the
//! unit: a pool whose replicas are all twice as slow as expected has no slow replica.

/// A pace of 1: as long as expected.
const ONE: u64 = 1 << 16;
/// Weight of one sample: 1/8 in a replica's pace, 1/32 in the pool's mean.
const WEIGHT: i64 = 8;
const WEIGHT_IN_MEAN: i64 = 32;
/// A pace within a quarter of the mean says nothing: so far apart are samples of equal replicas.
const EQUAL: std::ops::RangeInclusive<u64> = 192..=320;
/// With each snapshot a pace moves by 1/256 of the difference towards the mean: half of it in 18 s. So a replica that was
/// slow for a while is tried again.
const FADING: i64 = 256;
/// Closer to the mean than a sixteenth of it, a pace is forgotten: less than what one sample of a replica makes that is
/// half again as slow.
const CLOSE: u64 = 16;
/// No sample counts for more than this many times what was expected, or less than a part of it: others may have been
/// in the way.
const EXTREMES: std::ops::RangeInclusive<u64> = ONE / 8..=ONE * 16;

/// Time that a replica needs, in 1/65536 of what the model expects; 0 before any is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Pace(pub(super) u32);

impl Pace {
    /// Takes a first token that came after `took_us` where `expected_us` were expected. Answers with the pool's mean then.
    pub(super) fn sample(&mut self, mean: u64, took_us: u64, expected_us: u32) -> u64 {
        let sample = took_us.saturating_mul(ONE) / u64::from(expected_us.max(1));
        let sample = sample.clamp(*EXTREMES.start(), *EXTREMES.end());
        let mean = if mean == 0 { sample } else { towards(bounded(mean), sample, WEIGHT_IN_MEAN) };
        let before = if self.0 == 0 { mean } else { u64::from(self.0) };
        *self = Self::of(towards(before, sample, WEIGHT));
        mean
    }

    /// Moves towards the pool's mean as time passes; unknown once it is close.
    pub(super) fn fade(&mut self, mean: u64) {
        if self.0 != 0 {
            *self = Self::of(towards(u64::from(self.0), bounded(mean), FADING));
            let difference = u64::from(self.0).abs_diff(bounded(mean));
            if difference <= bounded(mean) / CLOSE {
                *self = Self::default();
            }
        }
    }

    /// The pace in 1/256 of the pool's mean; 256 where it is about the same.
    pub(super) fn relative(self, mean: u64) -> u64 {
        if self.0 == 0 || mean == 0 {
            return 256;
        }
        let relative = (u64::from(self.0) * 256 / bounded(mean)).clamp(32, 4096);
        if EQUAL.contains(&relative) { 256 } else { relative }
    }

    /// Whether nothing is known.
    pub(super) fn is_unknown(self) -> bool {
        self.0 == 0
    }

    fn of(pace: u64) -> Self {
        Self(u32::try_from(pace).unwrap_or(u32::MAX))
    }
}

/// A stored mean may be anything.
fn bounded(mean: u64) -> u64 {
    mean.clamp(*EXTREMES.start(), *EXTREMES.end())
}

fn towards(from: u64, to: u64, weight: i64) -> u64 {
    let step = to.cast_signed().saturating_sub(from.cast_signed()) / weight;
    from.saturating_add_signed(step)
}

#[cfg(test)]
mod tests {
    use super::*;
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    /// A pool of two, of which the second takes `times` as long; both get as many samples.
    fn pair(times: u64) -> (Pace, Pace, u64) {
        let (mut one, mut other, mut mean) = (Pace::default(), Pace::default(), 0);
        for _ in 0..60 {
            mean = one.sample(mean, 120, 100);
            mean = other.sample(mean, 120 * times, 100);
        }
        (one, other, mean)
    }

    #[test]
    fn a_replica_is_slow_beside_the_others_and_not_beside_the_model() {
        let (one, other, mean) = pair(1);
        assert_eq!((one.relative(mean), other.relative(mean)), (256, 256));
        let (one, other, mean) = pair(3);
        let times = other.relative(mean) as f64 / one.relative(mean) as f64;
        assert!((2.8..3.2).contains(&times), "{times}");
    }

    #[test]
    fn what_was_slow_for_a_while_is_forgotten_within_a_minute() {
        let (_, mut slow, mean) = pair(3);
        let snapshots = (0..600).find(|_| {
            slow.fade(mean);
            slow.is_unknown()
        });
        assert!(snapshots.is_some_and(|count| count > 50), "{snapshots:?}");
    }

    #[test]
    fn any_stored_numbers_are_no_trap() {
        for pace in [0, 1, u32::MAX] {
            for mean in [0, 1, u64::MAX] {
                for (took, expected) in [(0, 0), (u64::MAX, 1), (1, u32::MAX)] {
                    let mut pace = Pace(pace);
                    let next = pace.sample(mean, took, expected);
                    pace.fade(next);
                    assert!((32..=4096).contains(&pace.relative(mean)));
                }
            }
        }
    }
}
