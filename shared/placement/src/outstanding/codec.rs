//! How the counts of a pool lie in shared data.
//!
//! `WVO` and format 1, epoch and sequence of the last snapshot seen and mean prefill in µs (u64
//! each), then 40 bytes per endpoint with anything to say, by ascending key: key, busy-until (u64
//! each), in flight, in prefill, tokens in prefill, dispatched, dispatched before, quiet snapshots
//! (u32 each). All little-endian.

use super::{MAX_ENTRIES, Outstanding, OwnLoad};

const MAGIC: [u8; 4] = *b"WVO\x01";
const HEADER_BYTES: usize = 28;
const ENTRY_BYTES: usize = 40;

pub(super) fn read(bytes: &[u8]) -> Option<Outstanding> {
    let (header, rest) = bytes.split_first_chunk::<HEADER_BYTES>()?;
    let words = header.strip_prefix(&MAGIC)?;
    let [epoch, sequence, mean_prefill_us] = read_u64s(words);
    let (entries, tail) = rest.as_chunks::<ENTRY_BYTES>();
    let entries: Vec<_> = entries.iter().map(read_entry).collect();
    let sorted = entries.is_sorted_by(|(left, _), (right, _)| left < right);
    (tail.is_empty() && sorted && entries.len() <= MAX_ENTRIES).then_some(Outstanding {
        epoch,
        sequence,
        mean_prefill_us,
        entries,
    })
}

pub(super) fn write(counts: &Outstanding) -> Vec<u8> {
    let mut out = Vec::with_capacity(HEADER_BYTES + counts.entries.len() * ENTRY_BYTES);
    out.extend_from_slice(&MAGIC);
    for word in [counts.epoch, counts.sequence, counts.mean_prefill_us] {
        out.extend_from_slice(&word.to_le_bytes());
    }
    for (key, load) in &counts.entries {
        write_entry(&mut out, *key, load);
    }
    out
}

fn read_entry(entry: &[u8; ENTRY_BYTES]) -> (u64, OwnLoad) {
    let (wide, narrow) = entry.split_at(16);
    let [key, busy_until_ns] = read_u64s(wide);
    let mut counts = [0; 6];
    for (count, bytes) in counts.iter_mut().zip(narrow.as_chunks().0) {
        *count = u32::from_le_bytes(*bytes);
    }
    let [in_flight, in_prefill, prefill_tokens, dispatched, dispatched_before, quiet] = counts;
    let load = OwnLoad {
        in_flight,
        in_prefill,
        prefill_tokens,
        dispatched,
        dispatched_before,
        busy_until_ns,
        quiet,
    };
    (key, load)
}

fn write_entry(out: &mut Vec<u8>, key: u64, load: &OwnLoad) {
    out.extend_from_slice(&key.to_le_bytes());
    out.extend_from_slice(&load.busy_until_ns.to_le_bytes());
    let counts = [
        load.in_flight,
        load.in_prefill,
        load.prefill_tokens,
        load.dispatched,
        load.dispatched_before,
        load.quiet,
    ];
    counts.iter().for_each(|count| out.extend_from_slice(&count.to_le_bytes()));
}

fn read_u64s<const N: usize>(bytes: &[u8]) -> [u64; N] {
    let mut words = [0; N];
    for (word, bytes) in words.iter_mut().zip(bytes.as_chunks().0) {
        *word = u64::from_le_bytes(*bytes);
    }
    words
}
