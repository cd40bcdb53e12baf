//! What a stream keeps between its admission and its end.

use super::limit::{Limit, Measure};
use super::slot::SlotKey;
use super::standing::Standing;
use super::store::Place;
use crate::charge::{Used, Weights};

/// What is reserved of one limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Hold {
    pub(super) place: Place,
    pub(super) key: SlotKey,
    pub(super) limit: Limit,
    pub(super) weights: Weights,
    pub(super) amount: u64,
    pub(super) generation: u32,
}

impl Hold {
    /// Whether there is anything to settle: a request is charged when it is admitted.
    pub(super) fn is_open(&self) -> bool {
        self.limit.measure() != Measure::Requests
    }
}

/// What is reserved for one request, to be given to [`Ledger::settle`](super::Ledger::settle) once.
///
/// Dropped instead, it is charged in full when it expires.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[must_use = "a reservation that is not settled is charged in full"]
pub struct Reservation {
    pub(super) holds: Vec<Hold>,
    pub(super) choices: u64,
    pub(super) extended_ms: u64,
}

impl Reservation {
    /// Whether there is nothing to settle.
    pub fn is_empty(&self) -> bool {
        self.holds.is_empty()
    }

    /// Units that are reserved, by limit.
    pub fn reserved(&self) -> impl Iterator<Item = (&Limit, u64)> {
        self.holds.iter().map(|hold| (&hold.limit, hold.amount))
    }

    /// What `used` will be charged in units, by limit.
    pub fn charges(&self, used: &Used) -> impl Iterator<Item = (&Limit, u64)> {
        self.holds.iter().map(move |hold| (&hold.limit, hold.limit.charge(&hold.weights, used)))
    }
}

/// A request that may go on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Admission {
    /// What it holds.
    pub reservation: Reservation,
    /// How its keys stand now, by ask.
    pub standings: Vec<Standing>,
    /// The asks that would have been refused, had they been enforced. They are charged nothing.
    pub exceeded: Vec<usize>,
    /// How many of its keys share an overflow slot.
    pub overflowed: usize,
}

/// What became of a settlement.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Settlement {
    /// All of it was written.
    Done,
    /// The store was too busy, or failed: settle this again with the same usage, at a tick.
    Pending(Reservation),
}
