//! Slots that lie together in one value of shared data.
//!
//! `WTL`, format 1, then whole slots ([`SLOT_BYTES`]); or `WTF`, format 1, then whole slots with leases
//! ([`FLEET_SLOT_BYTES`]). A page starts empty and grows to [`PAGE_SLOTS`] slots at most. It is changed in
//! place: to decode all of it would cost more than the decision.

use super::limit::Limit;
use super::slot::{FLEET_SLOT_BYTES, SLOT_BYTES, Slot, SlotKey};

const MAGIC: [u8; 4] = *b"WTL\x01";
const FLEET_MAGIC: [u8; 4] = *b"WTF\x01";

/// Most slots of a page: 5 KB, which a host copies about as fast as 1 KB.
pub const PAGE_SLOTS: usize = 64;

/// Slots that lie together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page {
    bytes: Vec<u8>,
    /// Bytes of a slot.
    size: usize,
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
    /// A page without slots, for limits of the fleet or of this Envoy.
    pub(super) fn empty(of_fleet: bool) -> Self {
        let (magic, size) =
            if of_fleet { (FLEET_MAGIC, FLEET_SLOT_BYTES) } else { (MAGIC, SLOT_BYTES) };
        Self { bytes: magic.to_vec(), size }
    }

    /// A page from stored bytes; `None` if they are of another format, or of none.
    pub fn read(bytes: Vec<u8>) -> Option<Self> {
        let size = match *bytes.first_chunk()? {
            MAGIC => SLOT_BYTES,
            FLEET_MAGIC => FLEET_SLOT_BYTES,
            _ => return None,
        };
        let page = Self { bytes, size };
        let slots = page.chunks();
        (slots.remainder().is_empty() && slots.len() <= PAGE_SLOTS).then_some(page)
    }

    /// The bytes to store.
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }

    pub(super) fn into_bytes(self) -> Vec<u8> {
        self.bytes
    }

    /// Its slots as they were last changed.
    pub fn slots(&self) -> impl Iterator<Item = Slot> {
        self.chunks().filter_map(decode)
    }

    /// Where the slot of `key` is or may be put. A slot is free for others once it is worth nothing.
    pub(super) fn find(&self, key: SlotKey, now_ms: u64, slots: usize) -> Found {
        let mut chunks = self.chunks();
        let count = chunks.len();
        if let Some(place) = chunks.position(|slot| slot.starts_with(&key.0)) {
            return Found::At(place);
        }
        if count < slots.min(PAGE_SLOTS) {
            return Found::Free(count);
        }
        let free = self.slots().position(|slot| slot.free_at_ms() <= now_ms);
        free.map_or(Found::Full, Found::Free)
    }

    /// The slot at a place, as of now: a new one if the place is free.
    pub(super) fn slot(&self, found: Found, key: SlotKey, limit: &Limit, now_ms: u64) -> Slot {
        let stored = match found {
            Found::At(place) => self.chunks().nth(place).and_then(decode),
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

    /// Writes the slot to its place, and takes note of when it will be worth nothing.
    pub(super) fn put(&mut self, found: Found, slot: &mut Slot, limit: &Limit) {
        let (Found::At(place) | Found::Free(place)) = found else { return };
        slot.note_worth(limit);
        self.write(place, slot);
    }

    /// Writes the slot to a place, or behind all others.
    pub(super) fn write(&mut self, place: usize, slot: &Slot) {
        let at = MAGIC.len().saturating_add(place.saturating_mul(self.size));
        if at >= self.bytes.len() {
            self.bytes.resize(self.bytes.len().saturating_add(self.size), 0);
        }
        let Some(stored) = self.bytes.get_mut(at..) else { return };
        let Some((base, rest)) = stored.split_first_chunk_mut::<SLOT_BYTES>() else { return };
        *base = slot.encode();
        if let (true, Some(lease)) = (self.size > SLOT_BYTES, slot.lease()) {
            lease.encode(rest);
        }
        self.check_put(place, slot);
    }

    fn chunks(&self) -> core::slice::ChunksExact<'_, u8> {
        self.bytes.get(MAGIC.len()..).unwrap_or_default().chunks_exact(self.size)
    }
}

fn decode(bytes: &[u8]) -> Option<Slot> {
    let (base, rest) = bytes.split_first_chunk()?;
    let slot = Slot::decode(base);
    Some(rest.first_chunk().map_or(slot, |lease| slot.with_lease(lease)))
}
