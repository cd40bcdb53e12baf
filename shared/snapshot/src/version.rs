//! Which view is the newer one.

use crate::message::SnapshotMessage;

/// Identity and age of a stored view; 24 bytes, little-endian, in shared data.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Hash)]
pub struct VersionStamp {
    /// Start of the sidecar that pushed it, ms since 1970.
    pub epoch: u64,
    /// Number of the snapshot within its epoch.
    pub sequence: u64,
    /// When the intake filter accepted it, in ns of the host's clock.
    pub received_at_ns: u64,
}

impl VersionStamp {
    /// Size of the encoded stamp.
    pub const BYTES: usize = 24;

    /// The stamp as three little-endian u64.
    #[must_use]
    pub fn encode(&self) -> [u8; Self::BYTES] {
        let mut bytes = [0; Self::BYTES];
        let words = [self.epoch, self.sequence, self.received_at_ns];
        for (slot, word) in bytes.chunks_exact_mut(8).zip(words) {
            slot.copy_from_slice(&word.to_le_bytes());
        }
        bytes
    }

    /// Reads a stamp; `None` unless there are exactly [`Self::BYTES`] bytes.
    #[must_use]
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        let (epoch, rest) = bytes.split_first_chunk()?;
        let (sequence, rest) = rest.split_first_chunk()?;
        let received_at_ns = rest.try_into().ok()?;
        Some(Self {
            epoch: u64::from_le_bytes(*epoch),
            sequence: u64::from_le_bytes(*sequence),
            received_at_ns: u64::from_le_bytes(received_at_ns),
        })
    }

    /// The stamp of a push that is received at `received_at_ns`.
    #[must_use]
    pub fn of(message: &SnapshotMessage, received_at_ns: u64) -> Self {
        Self { epoch: message.epoch, sequence: message.sequence, received_at_ns }
    }

    /// Whether a push with this `(epoch, sequence)` may replace the view with stamp `stored`.
    #[must_use]
    pub fn follows(&self, stored: &Self) -> bool {
        (self.epoch, self.sequence) > (stored.epoch, stored.sequence)
    }

    /// Whether both stamps belong to the same view.
    #[must_use]
    pub fn same_view(&self, other: &Self) -> bool {
        (self.epoch, self.sequence) == (other.epoch, other.sequence)
    }

    /// Time since the view was received, in ns; 0 when the clock went back.
    #[must_use]
    pub fn age_ns(&self, now_ns: u64) -> u64 {
        now_ns.saturating_sub(self.received_at_ns)
    }
}
