//! What the workers of an Envoy tell each other of the replicas' caches.
//!
//! Each worker has a [`PrefixIndex`](crate::PrefixIndex) of its own, and notes what it learns as
//! [`PrefixEvents`]. Now and then it appends them to the pool's [`PrefixRing`], which lies in shared data, and
//! takes over what others have appended since it last looked.
//!
//! An event names its replica by the hash of the address, which is the same in every gateway, and the time by
//! the host's clock. So a sidecar can one day carry events between gateways, if it corrects the times.

mod ring;

use crate::prefix_index::{Eviction, Expectation};
use crate::request::PickRequest;
pub use ring::{PrefixRing, RingCursor, RingError};

use weir_fingerprint::MAX_FINGERPRINTS;

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
    pub(crate) fn read_fingerprints<'m>(&self, marks: &'m mut [u64; MAX_FINGERPRINTS]) -> &'m [u64] {
        for (mark, bytes) in marks.iter_mut().zip(self.fingerprints) {
            *mark = u64::from_le_bytes(*bytes);
        }
        marks.get(..self.fingerprints.len()).unwrap_or_default()
    }
}

/// Bytes of an event before its fingerprints: replica, tick (u64 each), kind (u8), 0 (u8), kept, number of
/// fingerprints, 0 (u16 each).
const HEAD: usize = 24;
/// The kinds.
const SERVED: u8 = 1;
const TAKEN_BACK: u8 = 2;
const EVICTED: u8 = 3;

/// Events that wait in a worker, as they will lie in the ring.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PrefixEvents {
    bytes: Vec<u8>,
    count: u32,
    /// Those that found no room.
    lost: u32,
}

impl PrefixEvents {
    /// Notes that the replica serves this request.
    pub fn served(&mut self, request: &PickRequest<'_>, expectation: &Expectation) {
        let (replica, tick) = (expectation.replica(), expectation.tick());
        if !request.fingerprints.is_empty() {
            self.push((replica, tick), (SERVED, 0), request.fingerprints);
        }
    }

    /// Notes that the replica has broken off the response to this request.
    pub fn taken_back(&mut self, request: &PickRequest<'_>, expectation: &Expectation) {
        let (replica, tick) = (expectation.replica(), expectation.tick());
        let kept = u16::try_from(expectation.matched_marks()).unwrap_or(u16::MAX);
        self.push((replica, tick), (TAKEN_BACK, kept), request.fingerprints);
    }

    /// Notes what the replica has evicted.
    pub fn evicted(&mut self, eviction: Eviction) {
        self.push((eviction.replica, eviction.tick), (EVICTED, 0), &[]);
    }

    fn push(&mut self, (replica, tick): (u64, u64), (kind, kept): (u8, u16), marks: &[u64]) {
        // A prompt has no more of them.
        let marks = marks.get(..MAX_FINGERPRINTS).unwrap_or(marks);
        if self.bytes.len() + HEAD + 8 * marks.len() > PrefixRing::MAX_BYTES - ring::HEADER {
            self.lost = self.lost.saturating_add(1);
            return;
        }
        self.bytes.extend_from_slice(&replica.to_le_bytes());
        self.bytes.extend_from_slice(&tick.to_le_bytes());
        self.bytes.extend_from_slice(&[kind, 0]);
        let count = u16::try_from(marks.len()).unwrap_or(0);
        for number in [kept, count, 0] {
            self.bytes.extend_from_slice(&number.to_le_bytes());
        }
        marks.iter().for_each(|mark| self.bytes.extend_from_slice(&mark.to_le_bytes()));
        self.count = self.count.saturating_add(1);
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Whether they take half of the room that there is.
    #[must_use]
    pub fn is_half_full(&self) -> bool {
        self.bytes.len() > PrefixRing::MAX_BYTES / 2
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> u32 {
        self.count
    }

    /// Forgets them; answers with how many had found no room since the last time.
    pub fn clear(&mut self) -> u32 {
        self.bytes.clear();
        self.count = 0;
        std::mem::take(&mut self.lost)
    }
}

/// The first event in `bytes`, and what follows it. The event is `None` where it is of a kind that this build does
/// not know.
///
/// # Errors
/// [`RingError::Event`] if the bytes are no event.
fn first_event(bytes: &[u8]) -> Result<(Option<PrefixEvent<'_>>, &[u8]), RingError> {
    let (head, rest) = bytes.split_first_chunk::<HEAD>().ok_or(RingError::Event)?;
    let [a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p, kind, _, kept @ .., x, y, _, _] = head;
    let [low, high] = kept;
    let count = usize::from(u16::from_le_bytes([*x, *y]));
    let (marks, rest) = rest.split_at_checked(8 * count).ok_or(RingError::Event)?;
    if count > MAX_FINGERPRINTS {
        return Err(RingError::Event);
    }
    let change = match *kind {
        SERVED => CacheChange::Served,
        TAKEN_BACK => CacheChange::TakenBack { kept: u16::from_le_bytes([*low, *high]) },
        EVICTED => CacheChange::Evicted,
        _ => return Ok((None, rest)),
    };
    let replica = u64::from_le_bytes([*a, *b, *c, *d, *e, *f, *g, *h]);
    let tick = u64::from_le_bytes([*i, *j, *k, *l, *m, *n, *o, *p]);
    Ok((Some(PrefixEvent { replica, tick, change, fingerprints: marks.as_chunks().0 }), rest))
}
