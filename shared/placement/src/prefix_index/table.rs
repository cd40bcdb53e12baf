//! The fixed-size table under the prefix index.

use crate::hash::mix;

/// Entries that share a bucket; the least recently used of them gives way.
const WAYS: usize = 8;

/// So many fingerprints of a prompt, one after the other, have buckets side by side. A prompt of
/// 256 KB has 160, and each bucket elsewhere in the table would be a page that the processor has to
/// look up anew: with buckets in a row it also foresees which lines come next.
const NEIGHBOURS: usize = 16;

/// Which prefix: its fingerprint, and where in its prompt that stands.
#[derive(Debug, Clone, Copy)]
pub(super) struct Key {
    fingerprint: u64,
    /// The fingerprint of the same prompt from which on neighbours are counted. Whoever shares a prefix
    /// shares this too.
    first: u64,
    /// How many of them come before.
    place: usize,
}

impl Key {
    /// All of a prompt, shortest prefix first.
    pub(super) fn of_all(fingerprints: &[u64]) -> impl Iterator<Item = Self> {
        fingerprints.chunks(NEIGHBOURS).flat_map(|neighbours| {
            let first = neighbours.first().copied().unwrap_or_default();
            neighbours.iter().zip(0..).map(move |(fingerprint, place)| Self {
                fingerprint: *fingerprint,
                first,
                place,
            })
        })
    }

    /// The one at `index`, if there are so many.
    pub(super) fn at(fingerprints: &[u64], index: usize) -> Option<Self> {
        let place = index % NEIGHBOURS;
        let first = *fingerprints.get(index - place)?;
        Some(Self { fingerprint: *fingerprints.get(index)?, first, place })
    }
}

/// What is known of one prefix and one group of replicas.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Entry {
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

    fn is_of(&self, group: u16) -> bool {
        self.tick_and_group & 0xFFFF == u64::from(group) && self.replicas != 0
    }
}

/// Entries that share a bucket. What is compared lies in one line of the processor's cache, and what
/// is then read or changed in one of the two that follow.
#[derive(Debug, Clone, Copy, Default)]
#[repr(align(64))]
struct Bucket {
    fingerprints: [u64; WAYS],
    entries: [Entry; WAYS],
}

/// A set-associative table: constant memory, no allocation after construction, least-recently-used
/// eviction within a bucket.
#[derive(Debug, Clone)]
pub(super) struct Table {
    buckets: Box<[Bucket]>,
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
        let (mask, ways) = (buckets - 1, WAYS);
        Self { buckets: vec![Bucket::default(); buckets].into_boxed_slice(), mask, ways }
    }

    pub(super) fn bytes(&self) -> usize {
        size_of_val(&*self.buckets)
    }

    pub(super) fn find(&self, key: Key, group: u16) -> Option<&Entry> {
        let (place, way) = self.search(key, group)?;
        self.buckets.get(place)?.entries.get(way)
    }

    /// Bucket and way of a prefix.
    fn search(&self, key: Key, group: u16) -> Option<(usize, usize)> {
        self.places(key, group).into_iter().find_map(|place| {
            let bucket = self.buckets.get(place)?;
            let pairs = bucket.fingerprints.iter().zip(&bucket.entries).take(self.ways);
            let way = pairs.enumerate().find_map(|(way, (other, entry))| {
                (*other == key.fingerprint && entry.is_of(group)).then_some(way)
            });
            Some((place, way?))
        })
    }

    /// Bucket and way of the entry that gives way to a new prefix: the least recently used one that it may have.
    fn victim(&self, key: Key, group: u16) -> Option<(usize, usize)> {
        let (mut found, mut oldest) = (None, u64::MAX);
        for place in self.places(key, group) {
            let entries = &self.buckets.get(place)?.entries;
            for (way, entry) in entries.iter().take(self.ways).enumerate() {
                let age = if entry.replicas == 0 { 0 } else { entry.tick_and_group };
                if age < oldest {
                    (found, oldest) = (Some((place, way)), age);
                }
            }
            // What is free where neighbours are is as good as it gets.
            if oldest == 0 {
                break;
            }
        }
        found
    }

    /// Notes the use of a prefix at `tick` by the replicas of `bits`, beside those that `live` leaves
    /// of an entry; takes the place of the least recently used entry of its buckets if the prefix is
    /// new.
    pub(super) fn update(
        &mut self,
        key: Key,
        group: u16,
        tick: u64,
        bits: u64,
        live: impl Fn(&Entry) -> u64,
    ) {
        let known = self.search(key, group);
        let Some((place, way)) = known.or_else(|| self.victim(key, group)) else { return };
        let Some(bucket) = self.buckets.get_mut(place) else { return };
        let other = bucket.fingerprints.get_mut(way);
        if let (Some(other), Some(entry)) = (other, bucket.entries.get_mut(way)) {
            let (before, used) = match known {
                Some(_) => (live(entry), tick.max(entry.tick())),
                None => (0, tick),
            };
            *other = key.fingerprint;
            let tick_and_group = (used << 16) | u64::from(group);
            *entry = Entry { replicas: before | bits, tick_and_group };
        }
    }

    /// Takes the replicas of `bits` off a prefix.
    pub(super) fn remove(&mut self, key: Key, group: u16, bits: u64) {
        let Some((place, way)) = self.search(key, group) else { return };
        let bucket = self.buckets.get_mut(place);
        if let Some(entry) = bucket.and_then(|bucket| bucket.entries.get_mut(way)) {
            entry.replicas &= !bits;
        }
    }

    /// Where the buckets of a prefix are: one beside those of its neighbours, and one of its own. Conversations
    /// that share a system prompt share the first one of the prefixes just after it; without the second, eight of
    /// them would drive out the others.
    #[expect(
        clippy::cast_possible_truncation,
        reason = "any bits of the hash serve, and the mask bounds them"
    )]
    fn places(&self, key: Key, group: u16) -> [usize; 2] {
        // Neighbours go round within theirs, so that short prompts, too, are spread over all buckets.
        let first = mix(key.first, u64::from(group)) as usize;
        let around = first.wrapping_add(key.place) % NEIGHBOURS;
        let own = mix(key.fingerprint, u64::from(group)) as usize;
        [(first - first % NEIGHBOURS + around) & self.mask, own & self.mask]
    }

    /// Fails where something does not hold that always must; `in_use` are the bits of a group's replicas.
    pub(super) fn check_invariants(&self, now: u64, in_use: impl Fn(u16) -> u64) {
        debug_assert!(self.buckets.len().is_power_of_two() && self.mask == self.buckets.len() - 1);
        for bucket in &self.buckets {
            let pairs = || bucket.fingerprints.iter().zip(&bucket.entries);
            for (at, (fingerprint, entry)) in
                pairs().enumerate().filter(|(_, (_, entry))| entry.replicas != 0)
            {
                let group = (entry.tick_and_group & 0xFFFF) as u16;
                debug_assert_eq!(entry.replicas & !in_use(group), 0, "a replica that there is not");
                debug_assert!(entry.tick() <= now & (u64::MAX >> 16), "used later than now");
                let same =
                    |(other, entry): &(&u64, &Entry)| *other == fingerprint && entry.is_of(group);
                debug_assert!(
                    !pairs().skip(at + 1).any(|pair| same(&pair)),
                    "a prefix stands twice"
                );
            }
        }
    }
}
