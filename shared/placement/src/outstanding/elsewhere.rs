//! How much of what replicas run was sent by other gateways: a moving average over snapshots.

use weir_snapshot::EndpointRecord;

/// Weight of one snapshot: 1/64, some six seconds of snapshots.
const WEIGHT: i64 = 64;
/// Of one request in the averages.
const ONE: u64 = 1 << 16;
/// A share of a fifth says nothing: what has ended since the replica was measured seems to be others', too.
const MARGIN: u64 = 51;

/// The averages, as one number of the header.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Elsewhere {
    busy: u32,
    foreign: u32,
}

impl Elsewhere {
    pub(super) fn read(word: u64) -> Self {
        let [a, b, c, d, e, f, g, h] = word.to_le_bytes();
        Self { busy: u32::from_le_bytes([a, b, c, d]), foreign: u32::from_le_bytes([e, f, g, h]) }
    }

    pub(super) fn word(self) -> u64 {
        u64::from(self.busy) | u64::from(self.foreign) << 32
    }

    /// Takes notice of a snapshot: each endpoint, and how many requests were sent there from here and have not ended.
    pub(super) fn observe<'a>(
        &mut self,
        endpoints: impl Iterator<Item = (&'a EndpointRecord, u32)>,
    ) {
        let (mut busy, mut foreign) = (0_u64, 0_u64);
        for (record, in_flight) in endpoints {
            let running = record.running.unwrap_or(0).saturating_add(record.waiting.unwrap_or(0));
            busy += u64::from(running);
            foreign += u64::from(running.saturating_sub(in_flight));
        }
        self.busy = towards(self.busy, busy);
        self.foreign = towards(self.foreign, foreign);
    }

    /// The share that others sent, in 1/256.
    pub(super) fn share(self) -> u64 {
        let share = u64::from(self.foreign) * 256 / u64::from(self.busy).max(1);
        share.min(256).saturating_sub(MARGIN) * 256 / (256 - MARGIN)
    }
}

fn towards(from: u32, requests: u64) -> u32 {
    let to = requests.saturating_mul(ONE).min(u32::MAX.into());
    let step = to.cast_signed().saturating_sub(from.into()) / WEIGHT;
    u32::try_from(u64::from(from).saturating_add_signed(step)).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    #[test]
    fn towards_reaches_what_is_and_any_word_is_no_trap() {
        let mut average = 0;
        (0..1000).for_each(|_| average = towards(average, 5));
        assert!((4 * ONE..=5 * ONE).contains(&u64::from(average)), "{average}");
        for word in [0, 1, u64::MAX, 1 << 32] {
            let elsewhere = Elsewhere::read(word);
            assert_eq!(elsewhere.word(), word);
            assert!(elsewhere.share() <= 256);
        }
        assert_eq!(towards(u32::MAX, u64::MAX), u32::MAX);
    }

    #[test]
    fn a_half_is_less_the_margin_and_a_fifth_is_nothing() {
        let share = |busy, foreign| Elsewhere { busy, foreign }.share();
        assert_eq!((share(100, 19), share(100, 100)), (0, 256));
        assert!((90..110).contains(&share(100, 50)), "{}", share(100, 50));
    }
}
