//! One thing that happened to a replica's prefix cache, as workers tell it each other: how it lies in bytes.

use weir_fingerprint::MAX_FINGERPRINTS;

/// Bytes of an event before its fingerprints: replica, tick (u64 each), kind, whether it came from another Envoy (u8 each), kept, number of
/// fingerprints, 0 (u16 each).
pub(crate) const HEAD: usize = 24;
/// The kinds.
pub(crate) const SERVED: u8 = 1;
pub(crate) const TAKEN_BACK: u8 = 2;
pub(crate) const EVICTED: u8 = 3;

/// What happened to the cache of one replica.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PrefixEvent<'a> {
    /// Key of the replica.
    pub(crate) replica: u64,
    /// When, by the clock of the index: of a request, when it was placed.
    pub(crate) tick: u64,
    /// What.
    pub(crate) change: CacheChange,
    /// Of the prompt, shortest prefix first, little-endian.
    fingerprints: &'a [[u8; 8]],
}

/// How a cache has changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum CacheChange {
    /// It serves the prompt, so it has all of it.
    Served,
    /// It has broken a response off: of the prompt only the first `kept` fingerprints are still thought to be there.
    TakenBack {
        /// How many.
        kept: u16,
    },
    /// It has evicted everything that was used last at that time or before.
    Evicted,
}

impl PrefixEvent<'_> {
    /// The fingerprints as numbers, in `marks`.
    pub(crate) fn read_fingerprints<'m>(
        &self,
        marks: &'m mut [u64; MAX_FINGERPRINTS],
    ) -> &'m [u64] {
        for (mark, bytes) in marks.iter_mut().zip(self.fingerprints) {
            *mark = u64::from_le_bytes(*bytes);
        }
        marks.get(..self.fingerprints.len()).unwrap_or_default()
    }
}

/// The first event in `bytes`, and what follows it; `None` if the bytes are no event. The event is `None` where it is
/// of a kind that this build does not know.
pub(crate) fn first_event(bytes: &[u8]) -> Option<(Option<PrefixEvent<'_>>, &[u8])> {
    let (head, rest) = bytes.split_first_chunk::<HEAD>()?;
    let [replica, tick, [kind, _, kept, kept_high, count, count_high, _, _]] =
        head.as_chunks::<8>().0
    else {
        return None;
    };
    let count = usize::from(u16::from_le_bytes([*count, *count_high]));
    let (marks, rest) = rest.split_at_checked(8 * count)?;
    if count > MAX_FINGERPRINTS {
        return None;
    }
    let change = match *kind {
        SERVED => CacheChange::Served,
        TAKEN_BACK => CacheChange::TakenBack { kept: u16::from_le_bytes([*kept, *kept_high]) },
        EVICTED => CacheChange::Evicted,
        _ => return Some((None, rest)),
    };
    let (replica, tick) = (u64::from_le_bytes(*replica), u64::from_le_bytes(*tick));
    let event = PrefixEvent { replica, tick, change, fingerprints: marks.as_chunks().0 };
    Some((Some(event), rest))
}
