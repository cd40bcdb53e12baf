//! What the ledger needs of shared data.

use core::fmt;

use super::limit::{Limit, LimitId};
use super::slot::SlotKey;

/// How many pages there are: 65,536 slots.
pub const PAGES: u32 = 1_024;

/// How many pages there are for limits of the fleet: 16,384 slots.
pub const FLEET_PAGES: u32 = 256;

/// Which value of shared data.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Place {
    /// The page of a number below [`PAGES`].
    Page(u32),
    /// What keys share that found no slot.
    Overflow(LimitId),
    /// The page of a number below [`FLEET_PAGES`], for limits of the fleet.
    Fleet(u32),
    /// As [`Self::Overflow`], for a limit of the fleet.
    FleetOverflow(LimitId),
}

impl Place {
    /// Where the slot of a key belongs.
    pub fn of(key: SlotKey) -> Self {
        Self::Page(number(key) % PAGES)
    }

    /// Where the slot of a fleet's key belongs.
    pub fn of_fleet(key: SlotKey) -> Self {
        Self::Fleet(number(key) % FLEET_PAGES)
    }

    /// Where the slot of a limit's key belongs.
    pub(super) fn own(limit: &Limit, key: SlotKey) -> Self {
        if limit.fleet().is_some() { Self::of_fleet(key) } else { Self::of(key) }
    }

    /// Where a limit's keys are that found no slot.
    pub fn shared(limit: &Limit) -> Self {
        let id = limit.id();
        if limit.fleet().is_some() { Self::FleetOverflow(id) } else { Self::Overflow(id) }
    }

    /// Whether keys share what lies there.
    pub(super) fn is_shared(self) -> bool {
        matches!(self, Self::Overflow(_) | Self::FleetOverflow(_))
    }

    /// Whether slots with leases lie there.
    pub(super) fn is_fleet(self) -> bool {
        matches!(self, Self::Fleet(_) | Self::FleetOverflow(_))
    }
}

fn number(key: SlotKey) -> u32 {
    let [a, b, c, d, ..] = key.0;
    u32::from_le_bytes([a, b, c, d])
}

impl fmt::Display for Place {
    /// The name in shared data. The number after `limits` is that of the layout: another layout has
    /// other names, so that builds of two layouts do not write over each other.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Page(number) => write!(f, "weir/limits1/{number}"),
            Self::Overflow(limit) => write!(f, "weir/limits1/overflow/{:08x}", limit.0),
            Self::Fleet(number) => write!(f, "weir/fleet1/{number}"),
            Self::FleetOverflow(limit) => write!(f, "weir/fleet1/overflow/{:08x}", limit.0),
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
