//! How the counts of a pool lie in shared data, and in memory: what is read from the host is changed
//! in place and written back, because to decode and encode it would be a fair part of a pick.
//!
//! `WVO` and format 3, epoch and sequence of the last snapshot seen, mean prefill in µs, which worker counts here,
//! the mean pace, and what others send (u64 each), then 80 bytes per endpoint with anything to say, by ascending key: key, busy-until, heard-at,
//! health since (u64 each), in flight, in prefill, tokens in prefill, tokens in decode, dispatched, dispatched before,
//! quiet snapshots, streams awaited, share of failures, failed trials, on trial,
//! pace (u32 each). All little-endian.

use super::elsewhere::Elsewhere;
use super::health::Health;
use super::own_load::OwnLoad;
use super::pace::Pace;

/// Most endpoints with a count: as many as a pool may have.
const MAX_ENTRIES: usize = weir_snapshot::limits::MAX_ENDPOINTS;
const MAGIC: [u8; 4] = *b"WVO\x03";
const MAGIC_AND_HEADER: usize = MAGIC.len() + size_of::<Words>();

/// Epoch, sequence, mean prefill, worker, mean pace, what others send.
type Words = [[u8; 8]; 6];
/// One endpoint.
pub(super) type Entry = [u8; WIDE * 8 + NARROW * 4];
/// Values of eight bytes in an entry, and of four.
const WIDE: usize = 4;
const NARROW: usize = 12;

/// What is known of the pool as a whole.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Header {
    pub(super) epoch: u64,
    pub(super) sequence: u64,
    pub(super) mean_prefill_us: u64,
    /// The worker that counts here, if it is the only one; 0 before any, and [`SEVERAL`].
    pub(super) worker: u64,
    /// See [`Pace`](super::pace::Pace); 0 before any.
    pub(super) mean_pace: u64,
    pub(super) elsewhere: Elsewhere,
}

/// Stands for several workers.
pub(super) const SEVERAL: u64 = u64::MAX;

/// The bytes of one pool's counts: always a header, and whole entries.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Stored(Vec<u8>);

impl Default for Stored {
    fn default() -> Self {
        Self([&MAGIC[..], &[0; size_of::<Words>()]].concat())
    }
}

impl Stored {
    /// `None` if the bytes are of another format.
    pub(super) fn read(bytes: Vec<u8>) -> Option<Self> {
        let stored = Self(bytes);
        let (_, tail) = stored.0.get(MAGIC_AND_HEADER..)?.as_chunks::<{ size_of::<Entry>() }>();
        let known = stored.0.starts_with(&MAGIC) && tail.is_empty();
        let entries = stored.entries();
        let mut keys = entries.iter().map(key_of);
        let mut last = keys.next();
        let sorted = keys.all(|key| last.replace(key) < Some(key));
        (known && sorted && entries.len() <= MAX_ENTRIES).then_some(stored)
    }

    pub(super) fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    pub(super) fn header(&self) -> Header {
        let words = self.0.get(MAGIC.len()..).unwrap_or_default().as_chunks().0;
        match words {
            [epoch, sequence, mean, worker, pace, elsewhere, ..] => Header {
                epoch: u64::from_le_bytes(*epoch),
                sequence: u64::from_le_bytes(*sequence),
                mean_prefill_us: u64::from_le_bytes(*mean),
                worker: u64::from_le_bytes(*worker),
                mean_pace: u64::from_le_bytes(*pace),
                elsewhere: Elsewhere::read(u64::from_le_bytes(*elsewhere)),
            },
            _ => Header::default(),
        }
    }

    pub(super) fn set_header(&mut self, header: Header) {
        let words = self.0.get_mut(MAGIC.len()..).unwrap_or_default().as_chunks_mut().0;
        if let [epoch, sequence, mean, worker, pace, elsewhere, ..] = words {
            *epoch = header.epoch.to_le_bytes();
            *sequence = header.sequence.to_le_bytes();
            *mean = header.mean_prefill_us.to_le_bytes();
            *worker = header.worker.to_le_bytes();
            *pace = header.mean_pace.to_le_bytes();
            *elsewhere = header.elsewhere.word().to_le_bytes();
        }
    }

    /// By ascending key, none empty.
    pub(super) fn entries(&self) -> &[Entry] {
        self.0.get(MAGIC_AND_HEADER..).unwrap_or_default().as_chunks().0
    }

    pub(super) fn entry_mut(&mut self, place: usize) -> Option<&mut Entry> {
        let entries = self.0.get_mut(MAGIC_AND_HEADER..).unwrap_or_default().as_chunks_mut().0;
        entries.get_mut(place)
    }

    /// Where the entry of `key` is, or belongs.
    pub(super) fn find(&self, key: u64) -> Result<usize, usize> {
        self.entries().binary_search_by(|entry| key_of(entry).cmp(&key))
    }

    /// Makes room for an entry, which is then empty; false if there are too many.
    pub(super) fn insert(&mut self, place: usize) -> bool {
        let fits = self.entries().len() < MAX_ENTRIES;
        if fits {
            let at = MAGIC_AND_HEADER + place * size_of::<Entry>();
            self.0.splice(at..at, [0; size_of::<Entry>()]);
        }
        fits
    }

    pub(super) fn remove(&mut self, place: usize) {
        let at = MAGIC_AND_HEADER + place * size_of::<Entry>();
        self.0.drain(at..at + size_of::<Entry>());
    }

    /// Keeps the entries for which `keep` says so, as it leaves them.
    pub(super) fn retain(&mut self, mut keep: impl FnMut(&mut Entry) -> bool) {
        let mut kept = Vec::with_capacity(self.0.len());
        kept.extend_from_slice(self.0.get(..MAGIC_AND_HEADER).unwrap_or_default());
        for mut entry in self.entries().iter().copied() {
            if keep(&mut entry) {
                kept.extend_from_slice(&entry);
            }
        }
        self.0 = kept;
    }

    /// Fails where the bytes are not those that [`Self::read`] takes.
    pub(super) fn check_invariants(&self) {
        let tail = self.0.get(MAGIC_AND_HEADER..).map(<[u8]>::len);
        debug_assert!(self.0.starts_with(&MAGIC) && tail.is_some(), "no header");
        debug_assert_eq!(tail.unwrap_or(0) % size_of::<Entry>(), 0, "a part of an entry");
        let entries = self.entries();
        debug_assert!(entries.len() <= MAX_ENTRIES, "{} entries", entries.len());
        let ascending = entries.is_sorted_by(|a, b| key_of(a) < key_of(b));
        debug_assert!(ascending, "an entry out of its place, or a replica with two");
    }
}

pub(super) fn key_of(entry: &Entry) -> u64 {
    entry.first_chunk().map_or(0, |key| u64::from_le_bytes(*key))
}

pub(super) fn read_entry(entry: &Entry) -> OwnLoad {
    let (wide, narrow) = entry.split_at(WIDE * 8);
    let mut times = [0; WIDE];
    for (time, bytes) in times.iter_mut().zip(wide.as_chunks().0) {
        *time = u64::from_le_bytes(*bytes);
    }
    let mut counts = [0; NARROW];
    for (count, bytes) in counts.iter_mut().zip(narrow.as_chunks().0) {
        *count = u32::from_le_bytes(*bytes);
    }
    let [_, busy_until_ns, heard_at_ns, since_ns] = times;
    let [in_flight, in_prefill, prefill_tokens, decode_tokens, dispatched, rest @ ..] = counts;
    let [dispatched_before, quiet, awaited, share, failed_trials, on_trial, pace] = rest;
    OwnLoad {
        in_flight,
        in_prefill,
        prefill_tokens,
        decode_tokens,
        dispatched,
        dispatched_before,
        busy_until_ns,
        quiet,
        awaited,
        heard_at_ns,
        health: Health { share, failed_trials, on_trial, since_ns },
        pace: Pace(pace),
    }
}

pub(super) fn write_entry(entry: &mut Entry, key: u64, load: &OwnLoad) {
    let (wide, narrow) = entry.split_at_mut(WIDE * 8);
    let health = &load.health;
    let times = [key, load.busy_until_ns, load.heard_at_ns, health.since_ns];
    for (bytes, time) in wide.as_chunks_mut().0.iter_mut().zip(times) {
        *bytes = time.to_le_bytes();
    }
    let counts = [
        load.in_flight,
        load.in_prefill,
        load.prefill_tokens,
        load.decode_tokens,
        load.dispatched,
        load.dispatched_before,
        load.quiet,
        load.awaited,
        health.share,
        health.failed_trials,
        health.on_trial,
        load.pace.0,
    ];
    for (bytes, count) in narrow.as_chunks_mut().0.iter_mut().zip(counts) {
        *bytes = count.to_le_bytes();
    }
}

#[cfg(all(test, debug_assertions, not(target_arch = "wasm32")))]
mod tests {
    use super::*;

    #[test]
    #[should_panic(expected = "a replica with two")]
    fn a_second_entry_of_a_replica_is_noticed() {
        let mut stored = Stored::default();
        assert!(stored.insert(0) && stored.insert(0));
        stored.check_invariants();
    }
}
