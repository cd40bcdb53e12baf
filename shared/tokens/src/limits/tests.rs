//! Behaviour of the ledger on a virtual clock, against a store whose writes can be lost.

mod fates;
mod fleet;
mod layout;
#[cfg(not(target_arch = "wasm32"))]
mod model;
mod several;
mod slots;
#[cfg(not(target_arch = "wasm32"))]
mod threads;
mod waits;

use std::collections::BTreeMap;

use super::*;
use crate::charge::{Demand, Reserve, Share, Used, Weights};

/// Shared data of one process.
#[derive(Debug, Default)]
pub(super) struct Shared {
    values: BTreeMap<Place, (Vec<u8>, u32)>,
    next: u32,
    /// Writes that are to be lost, from the next on.
    pub(super) lose: u32,
    /// Whether writes fail.
    pub(super) fails: bool,
    /// What another worker does before the next write.
    pub(super) meanwhile: Option<fn(&mut Shared)>,
    pub(super) writes: u32,
}

impl Store for Shared {
    fn load(&mut self, place: Place) -> Option<(Vec<u8>, u32)> {
        self.values.get(&place).cloned()
    }

    fn swap(&mut self, place: Place, bytes: &[u8], version: Option<u32>) -> Stored {
        if let Some(meanwhile) = self.meanwhile.take() {
            meanwhile(self);
        }
        if self.fails {
            return Stored::Failed;
        }
        if self.lose > 0 {
            self.lose -= 1;
            return Stored::Lost;
        }
        if self.values.get(&place).map(|(_, version)| *version) != version {
            return Stored::Lost;
        }
        self.next += 1;
        self.writes += 1;
        self.values.insert(place, (bytes.to_vec(), self.next));
        Stored::Done
    }
}

impl Shared {
    /// The slot of a key as it stands now.
    pub(super) fn slot(&self, key: SlotKey, limit: &Limit, now_ms: u64) -> Option<Slot> {
        let mut slot = self.stored(key)?;
        slot.advance(limit, now_ms);
        Some(slot)
    }

    /// The slot of a key as it was written.
    pub(super) fn stored(&self, key: SlotKey) -> Option<Slot> {
        let page = Page::read(self.values.get(&Place::of(key))?.0.clone())?;
        page.slots().find(|slot| slot.key() == key)
    }

    pub(super) fn overflow(&self, limit: &Limit, now_ms: u64) -> Option<Slot> {
        let page = Page::read(self.values.get(&Place::Overflow(limit.id()))?.0.clone())?;
        let mut slot = page.slots().next()?;
        slot.advance(limit, now_ms);
        Some(slot)
    }

    pub(super) fn bytes(&self) -> usize {
        self.values.values().map(|(bytes, _)| bytes.len()).sum()
    }
}

/// When the tests begin: at the start of a generation.
pub(super) const START: u64 = 5_000_000 * EXPIRY_MS;

/// Units of tokens without fractions, so that a token is a unit.
pub(super) const PLAIN: Weights = Weights::all(1);

/// `amount` tokens a minute.
pub(super) fn minute(id: u32, amount: u64) -> Limit {
    Limit::new(LimitId(id), Measure::Tokens, amount, 60_000, amount).unwrap()
}

pub(super) const FULL: Reserve = Reserve { share: Share::Full, guess: 100 };
pub(super) const LEARNED: Reserve = Reserve { share: Share::Learned, guess: 100 };

/// The key of a number, in a page of its own.
pub(super) fn key(number: u32) -> SlotKey {
    in_page(number, 0)
}

/// The key of a number in a page.
pub(super) fn in_page(page: u32, number: u32) -> SlotKey {
    let mut bytes = [0; 16];
    bytes[..4].copy_from_slice(&page.to_le_bytes());
    bytes[4..8].copy_from_slice(&number.to_le_bytes());
    SlotKey(bytes)
}

pub(super) fn ask(limit: &Limit, key: SlotKey) -> Ask<'_> {
    Ask { limit, weights: &PLAIN, reserve: &FULL, key, enforced: true }
}

pub(super) fn demand(prompt: u64, max_tokens: u64) -> Demand {
    Demand { prompt, max_tokens: Some(max_tokens), choices: 1 }
}

pub(super) fn used(prompt: u64, completion: u64) -> Used {
    Used { prompt, completion, complete: true, ..Used::default() }
}

/// Reserves; the test fails if it is not admitted.
pub(super) fn admit(
    shared: &mut Shared,
    now_ms: u64,
    demand: Demand,
    asks: &[Ask<'_>],
) -> Admission {
    match Ledger::new(shared, now_ms).reserve(&demand, asks) {
        Outcome::Admitted(admission) => admission,
        other => panic!("{other:?}"),
    }
}

/// Reserves; the test fails if it is admitted.
pub(super) fn refuse(
    shared: &mut Shared,
    now_ms: u64,
    demand: Demand,
    asks: &[Ask<'_>],
) -> Refusal {
    match Ledger::new(shared, now_ms).reserve(&demand, asks) {
        Outcome::Refused(refusal) => refusal,
        other => panic!("{other:?}"),
    }
}

pub(super) fn settle(shared: &mut Shared, now_ms: u64, held: Reservation, used: Used) {
    assert_eq!(Ledger::new(shared, now_ms).settle(held, &used), Settlement::Done);
}
