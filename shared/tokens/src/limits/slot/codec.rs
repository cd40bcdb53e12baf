//! A slot as bytes.

use super::{SLOT_BYTES, Slot, SlotKey};
use crate::limits::bucket::Bucket;
use crate::limits::lease::{LEASE_BYTES, Lease};
use crate::limits::limit::LimitId;

impl Slot {
    /// The slot as bytes.
    pub(in crate::limits) fn encode(&self) -> [u8; SLOT_BYTES] {
        let Bucket { debt, part, at_ms } = self.bucket;
        let longs =
            [debt, at_ms, self.begun_ms, self.reserved, self.reserved_before, self.free_at_ms];
        let ints = [part, self.generation, self.percentile, self.limit.0];
        let mut bytes = [0; SLOT_BYTES];
        let (key, rest) = bytes.split_at_mut(16);
        key.copy_from_slice(&self.key.0);
        let (wide, narrow) = rest.split_at_mut(48);
        for (place, value) in wide.as_chunks_mut().0.iter_mut().zip(longs) {
            *place = value.to_le_bytes();
        }
        for (place, value) in narrow.as_chunks_mut().0.iter_mut().zip(ints) {
            *place = value.to_le_bytes();
        }
        bytes
    }

    /// A slot from any bytes.
    pub fn decode(bytes: &[u8; SLOT_BYTES]) -> Self {
        let (key, rest) = bytes.split_at(16);
        let (wide, narrow) = rest.split_at(48);
        let mut longs = [0; 6];
        for (value, place) in longs.iter_mut().zip(wide.as_chunks().0) {
            *value = u64::from_le_bytes(*place);
        }
        let mut ints = [0; 4];
        for (value, place) in ints.iter_mut().zip(narrow.as_chunks().0) {
            *value = u32::from_le_bytes(*place);
        }
        let [debt, at_ms, begun_ms, reserved, reserved_before, free_at_ms] = longs;
        let [part, generation, percentile, limit] = ints;
        Self {
            key: SlotKey(key.first_chunk().copied().unwrap_or_default()),
            limit: LimitId(limit),
            bucket: Bucket { debt, part, at_ms },
            generation,
            begun_ms,
            reserved,
            reserved_before,
            percentile,
            free_at_ms,
            lease: None,
        }
    }

    /// The same with the lease that comes after them.
    pub(in crate::limits) fn with_lease(mut self, bytes: &[u8; LEASE_BYTES]) -> Self {
        self.lease = Some(Lease::decode(bytes));
        self
    }
}
