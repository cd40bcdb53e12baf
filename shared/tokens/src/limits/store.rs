//! What the ledger needs of shared data.

use core::fmt;

use super::limit::LimitId;
use super::slot::SlotKey;

/// How many pages there are: 65,536 slots.
pub const PAGES: u32 = 1_024;

/// Which value of shared data.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Place {
    /// The page of a number below [`PAGES`].
    Page(u32),
    /// What keys share that found no slot.
    Overflow(LimitId),
}

impl Place {
    /// Where the slot of a key belongs.
    pub fn of(key: SlotKey) -> Self {
        let [a, b, c, d, ..] = key.0;
        Self::Page(u32::from_le_bytes([a, b, c, d]) % PAGES)
    }
}

impl fmt::Display for Place {
    /// The name in shared data. The number after `limits` is that of the layout: another layout has
    /// other names, so that builds of two layouts do not write over each other.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Page(number) => write!(f, "weir/limits1/{number}"),
            Self::Overflow(limit) => write!(f, "weir/limits1/overflow/{:08x}", limit.0),
        }
    }
}

/// What became of a write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stored {
    /// It was made.
    Done,
    /// Somebody else wrote first: read again.
    Lost,
    /// The store cannot write.
    Failed,
}

/// Values that all workers share, changed by compare-and-swap.
///
/// A filter implements it over the host's shared data, a fleet-wide limit over something else.
pub trait Store {
    /// The bytes at a place and the version to give to [`Store::swap`]; `None` if there are none.
    fn load(&mut self, place: Place) -> Option<(Vec<u8>, u32)>;

    /// Writes the bytes if the value still has that version. With `None` it must still not exist:
    /// where a host takes a missing number for «write anyway», as Envoy does, give it one that it
    /// never hands out (`u32::MAX`).
    fn swap(&mut self, place: Place, bytes: &[u8], version: Option<u32>) -> Stored;
}
