//! What pages of a fleet's limits are told and tell: the intake's side of leases.

use super::lease::Granted;
use super::limit::LimitId;
use super::page::Page;
use super::slot::{Slot, SlotKey};
use super::store::Place;

/// Name of the value in shared data that says how the fleet stands ([`FleetState`]).
pub const FLEET_STATE_KEY: &str = "weir/fleet1/state";

/// Clocks of workers are apart by less than this, in ms.
const SKEW_MS: u64 = 5_000;

/// How the fleet stands, as the last push said.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FleetState {
    /// When that push came, in ms since 1970.
    pub told_ms: u64,
    /// Until when it holds.
    pub until_ms: u64,
    /// How many gateways there are.
    pub gateways: u32,
    /// Whether the sidecar reaches what the gateways share.
    pub reachable: bool,
    /// What keys are digested with.
    pub key: [u8; 32],
}

impl FleetState {
    /// Whether the fleet can be asked at `now_ms`.
    pub fn is_reachable(&self, now_ms: u64) -> bool {
        self.reachable && now_ms < self.until_ms && self.told_ms <= now_ms.saturating_add(SKEW_MS)
    }

    /// As bytes: told, until (u64 LE each), gateways and reachable (u32 LE each), key.
    pub fn encode(&self) -> Vec<u8> {
        let counts = u64::from(self.gateways) | u64::from(self.reachable) << 32;
        let numbers = [self.told_ms, self.until_ms, counts];
        numbers.into_iter().flat_map(u64::to_le_bytes).chain(self.key).collect()
    }

    /// From bytes; `None` if they are none.
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        let (numbers, key) = bytes.split_at_checked(24)?;
        let [told_ms, until_ms, counts] = numbers.as_chunks().0 else { return None };
        let counts = u64::from_le_bytes(*counts);
        Some(Self {
            told_ms: u64::from_le_bytes(*told_ms),
            until_ms: u64::from_le_bytes(*until_ms),
            gateways: counts as u32,
            reachable: counts >> 32 != 0,
            key: key.try_into().ok()?,
        })
    }
}

/// Where the slot of a key lies that a fleet's page has told of.
pub fn fleet_place(limit: LimitId, key: SlotKey) -> Place {
    if key == SlotKey::SHARED { Place::FleetOverflow(limit) } else { Place::of_fleet(key) }
}

/// The slot of a grant was given to another key, or begun anew.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SlotGone;

impl Page {
    /// The page with a grant for one of its keys, as bytes; `None` if that changes nothing.
    ///
    /// # Errors
    /// [`SlotGone`], if the slot is not there that the grant is for.
    pub fn applied(
        mut self,
        key: SlotKey,
        grant: &Granted,
        now_ms: u64,
    ) -> Result<Option<Vec<u8>>, SlotGone> {
        let found = self.slots().enumerate().find(|(_, slot)| slot.key() == key);
        let (place, mut slot) = found.ok_or(SlotGone)?;
        let reserved = slot.reserved();
        let lease = slot.lease_mut().filter(|lease| lease.born == grant.born).ok_or(SlotGone)?;
        if !lease.apply(grant, reserved, now_ms) {
            return Ok(None);
        }
        slot.note_lease_worth();
        self.write(place, &slot);
        Ok(Some(self.into_bytes()))
    }

    /// The slots of which the fleet has to be told.
    pub fn due(&self) -> impl Iterator<Item = Slot> {
        let due = |slot: &Slot| slot.lease().is_some_and(|lease| lease.is_due(slot.reserved()));
        self.slots().filter(due)
    }
}
