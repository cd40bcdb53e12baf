//! What a worker has learned of the replicas' caches and the others do not know yet.
//!
//! Each worker has a [`PrefixIndex`](crate::PrefixIndex) of its own, and notes what it learns as
//! [`PrefixEvents`]. Now and then it appends them to the pool's [`PrefixRing`](crate::PrefixRing), which lies in shared
//! data, and takes over what others have appended since it last looked.
//!
//! An event names its replica by the hash of the address, which is the same in every gateway, and the time by
//! the host's clock. Sidecars carry them between gateways ([`prefix_relay`](crate::MAX_RELAY_BYTES)).

use weir_fingerprint::MAX_FINGERPRINTS;

use crate::prefix_event::{EVICTED, HEAD, SERVED, TAKEN_BACK};
use crate::prefix_index::{Eviction, Expectation};
use crate::request::PickRequest;

/// Most bytes of events that wait: as many as a ring has room for.
pub(crate) const MOST_BYTES: usize = 16 * 1024 - 32;

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
        if self.bytes.len() + HEAD + 8 * marks.len() > MOST_BYTES {
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

    /// Notes an event that came whole.
    pub(crate) fn push_raw(&mut self, event: &[u8]) {
        if self.bytes.len() + event.len() > MOST_BYTES {
            self.lost = self.lost.saturating_add(1);
            return;
        }
        self.bytes.extend_from_slice(event);
        self.count = self.count.saturating_add(1);
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> u32 {
        self.count
    }

    /// Whether they take half of the room that there is.
    #[must_use]
    pub fn is_half_full(&self) -> bool {
        self.bytes.len() > MOST_BYTES / 2
    }

    /// As they will lie in the ring.
    pub(crate) fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Forgets them; answers with how many had found no room since the last time.
    pub fn clear(&mut self) -> u32 {
        self.bytes.clear();
        self.count = 0;
        std::mem::take(&mut self.lost)
    }
}
