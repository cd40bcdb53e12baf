//! Slots that lie together in one value of shared data.
//!
//! `WTL`, format 1, then whole slots ([`SLOT_BYTES`]). A page starts empty and grows to
//! [`PAGE_SLOTS`] slots at most. It is changed in place: to decode all of it would cost more than
//! the decision.

use super::limit::Limit;
use super::slot::{SLOT_BYTES, Slot, SlotKey};

const MAGIC: [u8; 4] = *b"WTL\x01";

/// Most slots of a page: 5 KB, which a host copies about as fast as 1 KB.
pub const PAGE_SLOTS: usize = 64;

type SlotBytes = [u8; SLOT_BYTES];

/// Slots that lie together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page(Vec<u8>);

impl Default for Page {
    fn default() -> Self {
        Self(MAGIC.to_vec())
    }
}

/// Where in a page the slot of a key is, or may be put.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Found {
    /// There it is.
    At(usize),
    /// It has none yet; this place is free.
    Free(usize),
    /// It has none, and all slots are owed.
    Full,
}

impl Page {
    /// A page from stored bytes; `None` if they are of another format, or of none.
    pub fn read(bytes: Vec<u8>) -> Option<Self> {
        let slots = bytes.strip_prefix(&MAGIC)?;
        let (whole, rest) = slots.as_chunks::<SLOT_BYTES>();
        let known = rest.is_empty() && whole.len() <= PAGE_SLOTS;
        known.then_some(Self(bytes))
    }

    /// The bytes to store.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// Its slots as they were last changed.
    pub fn slots(&self) -> impl Iterator<Item = Slot> {
        self.chunks().iter().map(Slot::decode)
    }

    /// Where the slot of `key` is or may be put. A slot is free for others once it is worth nothing.
    pub(super) fn find(&self, key: SlotKey, now_ms: u64, slots: usize) -> Found {
        let chunks = self.chunks();
        if let Some(place) = chunks.iter().position(|slot| slot.starts_with(&key.0)) {
            return Found::At(place);
        }
        if chunks.len() < slots.min(PAGE_SLOTS) {
            return Found::Free(chunks.len());
        }
        let free = chunks.iter().position(|slot| Slot::decode(slot).free_at_ms() <= now_ms);
        free.map_or(Found::Full, Found::Free)
    }

    /// The slot at a place, as of now: a new one if the place is free.
    pub(super) fn slot(&self, found: Found, key: SlotKey, limit: &Limit, now_ms: u64) -> Slot {
        let stored = match found {
            Found::At(place) => self.chunks().get(place).map(Slot::decode),
            _ => None,
        };
        match stored {
            Some(mut slot) => {
                slot.advance(limit, now_ms);
                slot
            }
            None => Slot::new(key, limit, now_ms),
        }
    }

    /// Writes the slot to its place.
    pub(super) fn put(&mut self, found: Found, slot: &mut Slot, limit: &Limit) {
        let (Found::At(place) | Found::Free(place)) = found else { return };
        let bytes = slot.encode(limit);
        match self.chunks_mut().get_mut(place) {
            Some(stored) => *stored = bytes,
            None => self.0.extend_from_slice(&bytes),
        }
        self.check_put(found, slot);
    }

    fn chunks(&self) -> &[SlotBytes] {
        self.0.get(MAGIC.len()..).unwrap_or_default().as_chunks().0
    }

    fn chunks_mut(&mut self) -> &mut [SlotBytes] {
        self.0.get_mut(MAGIC.len()..).unwrap_or_default().as_chunks_mut().0
    }
}
