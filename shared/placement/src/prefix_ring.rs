//! The ring: a value of shared data, bounded, oldest events first.

use crate::prefix_event::{PrefixEvent, first_event};
use crate::prefix_events::{MOST_BYTES, PrefixEvents};

/// `WVL`, format 1.
const MAGIC: [u8; 4] = *b"WVL\x01";
/// Magic, 0 (4 bytes each), pool, identity, number of the next event (u64 each).
const HEADER: usize = 32;

/// Why bytes are no ring.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum RingError {
    /// The magic bytes are missing, or of another format.
    #[error("prefix ring: no magic bytes of format 1")]
    Magic,
    /// It is longer than any.
    #[error("prefix ring: {0} bytes, at most {max}", max = PrefixRing::MAX_BYTES)]
    Length(usize),
    /// An event ends early, or has too many fingerprints.
    #[error("prefix ring: an event is inconsistent")]
    Event,
}

/// How far a worker has read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct RingCursor {
    identity: u64,
    next: u64,
}

impl RingCursor {
    pub(crate) fn at(identity: u64, next: u64) -> Self {
        Self { identity, next }
    }
}

impl core::fmt::Display for RingCursor {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "{}-{}", self.identity, self.next)
    }
}

/// The events of one pool, the newest of them, oldest first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PrefixRing {
    bytes: Vec<u8>,
    events: u64,
}

impl PrefixRing {
    /// Most bytes of the value: 16 KiB, some 80 prompts of 6 KB. Envoy needs 2 µs to hand it out.
    pub const MAX_BYTES: usize = HEADER + MOST_BYTES;

    /// An empty ring. `pool` is what stands for the pool's name; `identity` tells this ring from those before it.
    #[must_use]
    pub fn new(pool: u64, identity: u64) -> Self {
        let mut bytes = Vec::with_capacity(Self::MAX_BYTES);
        bytes.extend_from_slice(&MAGIC);
        bytes.extend_from_slice(&[0; 4]);
        for number in [pool, identity, 0] {
            bytes.extend_from_slice(&number.to_le_bytes());
        }
        Self { bytes, events: 0 }
    }

    /// Reads a stored value; `None` if it is another pool's, or empty.
    ///
    /// # Errors
    /// [`RingError`] if the bytes are no ring.
    pub fn read(bytes: Vec<u8>, pool: u64) -> Result<Option<Self>, RingError> {
        if bytes.is_empty() {
            return Ok(None);
        }
        if !bytes.starts_with(&MAGIC) {
            return Err(RingError::Magic);
        }
        if !(HEADER..=Self::MAX_BYTES).contains(&bytes.len()) {
            return Err(RingError::Length(bytes.len()));
        }
        let mut ring = Self { bytes, events: 0 };
        if ring.number(8) != pool {
            return Ok(None);
        }
        let mut rest = ring.bytes.get(HEADER..).unwrap_or_default();
        let mut events = 0;
        while !rest.is_empty() {
            (_, rest) = first_event(rest).ok_or(RingError::Event)?;
            events += 1;
        }
        ring.events = events;
        Ok(Some(ring))
    }

    /// Appends events; the oldest give way.
    pub fn append(&mut self, events: &PrefixEvents) {
        let (added, count) = (events.as_bytes(), u64::from(events.len()));
        let next = self.next().saturating_add(count);
        let room = Self::MAX_BYTES.saturating_sub(added.len());
        let mut rest = self.bytes.get(HEADER..).unwrap_or_default();
        let mut dropped = 0;
        while HEADER + rest.len() > room
            && let Some((_, after)) = first_event(rest)
        {
            rest = after;
            dropped += 1;
        }
        let from = self.bytes.len() - rest.len();
        self.bytes.drain(HEADER..from);
        self.bytes.extend_from_slice(added);
        self.events = self.events.saturating_sub(dropped).saturating_add(count);
        if let Some(place) = self.bytes.get_mut(24..HEADER) {
            place.copy_from_slice(&next.to_le_bytes());
        }
    }

    /// Shows `note` the events that `cursor` has not passed, oldest first, and moves it behind them. Answers with how
    /// many have given way to others before they could be read.
    pub fn read_on(&self, cursor: &mut RingCursor, mut note: impl FnMut(&PrefixEvent<'_>)) -> u64 {
        self.read_raw(cursor, |bytes| {
            if let Some((Some(event), _)) = first_event(bytes) {
                note(&event);
            }
            true
        })
    }

    /// The same with the events as they lie here; `note` says whether the cursor is to pass the event.
    pub(crate) fn read_raw(
        &self,
        cursor: &mut RingCursor,
        mut note: impl FnMut(&[u8]) -> bool,
    ) -> u64 {
        let (identity, next) = (self.number(16), self.next());
        let first = next.saturating_sub(self.events);
        // What there is of a ring that is new to the worker is all that it can know.
        let known = cursor.identity == identity && cursor.next <= next;
        let from = if known { cursor.next } else { first };
        *cursor = RingCursor { identity, next };
        let mut rest = self.bytes.get(HEADER..).unwrap_or_default();
        for number in first..next {
            let Some((_, after)) = first_event(rest) else { break };
            let event = rest.get(..rest.len() - after.len()).unwrap_or_default();
            rest = after;
            if number >= from && !note(event) {
                cursor.next = number;
                break;
            }
        }
        first.saturating_sub(from)
    }

    /// The value to store.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }

    fn next(&self) -> u64 {
        self.number(24)
    }

    fn number(&self, at: usize) -> u64 {
        let bytes = self.bytes.get(at..).and_then(<[u8]>::first_chunk);
        bytes.map_or(0, |bytes| u64::from_le_bytes(*bytes))
    }
}
