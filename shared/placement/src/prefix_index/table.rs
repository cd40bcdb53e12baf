//! The fixed-size table under the prefix index.

use std::ops::Range;

use crate::hash::mix;

/// Entries that share a bucket; the least recently used of them gives way.
const WAYS: usize = 8;

/// Which replicas of one group have one prefix. 24 bytes.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Entry {
    fingerprint: u64,
    /// Bits of the group's replicas; 0 marks a free entry.
    pub(super) replicas: u64,
    /// Tick of the last use in the upper 48 bits (enough for 800 years at 10,000 a second), group
    /// in the lower 16.
    tick_and_group: u64,
}

impl Entry {
    pub(super) fn tick(&self) -> u64 {
        self.tick_and_group >> 16
    }

    fn is(&self, fingerprint: u64, group: u16) -> bool {
        let same_group = self.tick_and_group & 0xFFFF == u64::from(group);
        self.fingerprint == fingerprint && same_group && self.replicas != 0
    }
}

/// A set-associative table: constant memory, no allocation after construction, least-recently-used
/// eviction within a bucket.
#[derive(Debug, Clone)]
pub(super) struct Table {
    /// Bucket after bucket.
    entries: Box<[Entry]>,
    /// Number of buckets, a power of two, less one.
    mask: usize,
    /// [`WAYS`], but not as a constant: a search that the compiler writes out eight times is eight
    /// times the code, and runs from a cold cache.
    ways: usize,
}

impl Table {
    /// A table of `entries`, rounded up to a power of two of at least one bucket.
    pub(super) fn new(entries: usize) -> Self {
        let buckets = entries.div_ceil(WAYS).next_power_of_two();
        let entries = vec![Entry::default(); buckets * WAYS].into_boxed_slice();
        Self { entries, mask: buckets - 1, ways: WAYS }
    }

    pub(super) fn bytes(&self) -> usize {
        size_of_val(&*self.entries)
    }

    pub(super) fn find(&self, fingerprint: u64, group: u16) -> Option<&Entry> {
        let bucket = self.entries.get(self.bucket(fingerprint, group))?;
        bucket.iter().find(|entry| entry.is(fingerprint, group))
    }

    /// Notes the use of a prefix at `tick` by the replicas of `bits`, beside those that `live` leaves
    /// of an entry; takes the place of the least recently used entry of the bucket if the prefix is
    /// new.
    pub(super) fn update(
        &mut self,
        fingerprint: u64,
        group: u16,
        tick: u64,
        bits: u64,
        live: impl Fn(&Entry) -> u64,
    ) {
        let bucket = self.bucket(fingerprint, group);
        let bucket = self.entries.get_mut(bucket).unwrap_or_default();
        let (mut place, mut oldest, mut replicas) = (None, u64::MAX, bits);
        for entry in bucket {
            if entry.is(fingerprint, group) {
                replicas |= live(entry);
                place = Some(entry);
                break;
            }
            let age = if entry.replicas == 0 { 0 } else { entry.tick_and_group };
            if age < oldest {
                (place, oldest) = (Some(entry), age);
            }
        }
        if let Some(entry) = place {
            *entry =
                Entry { fingerprint, replicas, tick_and_group: (tick << 16) | u64::from(group) };
        }
    }

    /// Where the bucket of a prefix is.
    #[expect(
        clippy::cast_possible_truncation,
        reason = "any bits of the hash serve, and the mask bounds them"
    )]
    fn bucket(&self, fingerprint: u64, group: u16) -> Range<usize> {
        let bucket = mix(fingerprint, u64::from(group)) as usize & self.mask;
        let start = bucket.wrapping_mul(self.ways);
        start..start.wrapping_add(self.ways)
    }
}
