//! Which view is the newer one.

use crate::keys::pool_key;
use crate::message::SnapshotMessage;

/// Identity and age of a stored view; 40 bytes, little-endian, in shared data.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Hash)]
pub struct VersionStamp {
    /// Epoch of the sidecar that pushed it.
    pub epoch: u64,
    /// Number of the snapshot within its epoch.
    pub sequence: u64,
    /// When the intake filter accepted it, in ns of the host's clock.
    pub received_at_ns: u64,
    /// Which sidecar pushed it.
    pub sender: u64,
    /// Which pool it is of ([`pool_key`]): a slot of shared data may be given to another.
    pub pool: u64,
}

/// How a push stands to the view that is stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order {
    /// It takes the view's place.
    Newer,
    /// The same sender has pushed as new a one, or a newer one.
    Older,
    /// Another sender holds the pool with this epoch or a greater one.
    HeldByAnother,
}

impl VersionStamp {
    /// Size of the encoded stamp.
    pub const BYTES: usize = 40;

    /// The stamp as five little-endian u64.
    #[must_use]
    pub fn encode(&self) -> [u8; Self::BYTES] {
        let mut bytes = [0; Self::BYTES];
        let words = [self.epoch, self.sequence, self.received_at_ns, self.sender, self.pool];
        for (slot, word) in bytes.chunks_exact_mut(8).zip(words) {
            slot.copy_from_slice(&word.to_le_bytes());
        }
        bytes
    }

    /// Reads a stamp; `None` unless there are exactly [`Self::BYTES`] bytes.
    #[must_use]
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        let bytes: &[u8; Self::BYTES] = bytes.try_into().ok()?;
        match bytes.as_chunks().0 {
            [epoch, sequence, received, sender, pool] => Some(Self {
                epoch: u64::from_le_bytes(*epoch),
                sequence: u64::from_le_bytes(*sequence),
                received_at_ns: u64::from_le_bytes(*received),
                sender: u64::from_le_bytes(*sender),
                pool: u64::from_le_bytes(*pool),
            }),
            _ => None,
        }
    }

    /// The stamp of a push that is received at `received_at_ns`.
    #[must_use]
    pub fn of(message: &SnapshotMessage, received_at_ns: u64) -> Self {
        let SnapshotMessage { epoch, sequence, sender, .. } = *message;
        Self { epoch, sequence, received_at_ns, sender, pool: pool_key(&message.pool) }
    }

    /// How a push with this stamp stands to the view with stamp `stored`.
    #[must_use]
    pub fn order(&self, stored: &Self) -> Order {
        if self.pool != stored.pool || self.epoch > stored.epoch {
            return Order::Newer;
        }
        match (self.sender == stored.sender, self.epoch == stored.epoch) {
            (false, _) => Order::HeldByAnother,
            (true, true) if self.sequence > stored.sequence => Order::Newer,
            (true, _) => Order::Older,
        }
    }

    /// Whether both stamps belong to the same view.
    #[must_use]
    pub fn same_view(&self, other: &Self) -> bool {
        Self { received_at_ns: 0, ..*self } == Self { received_at_ns: 0, ..*other }
    }

    /// Time since the view was received, in ns; 0 when the clock went back.
    #[must_use]
    pub fn age_ns(&self, now_ns: u64) -> u64 {
        now_ns.saturating_sub(self.received_at_ns)
    }
}
