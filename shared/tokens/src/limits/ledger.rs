//! Reserving, settling, extending: the operations on shared data.

mod reserve;
mod settle;

use super::limit::Limit;
use super::page::{PAGE_SLOTS, Page};
use super::reservation::{Admission, Reservation};
use super::slot::SlotKey;
use super::standing::{Standing, Wait};
use super::store::{Place, Store};
use crate::charge::{Demand, Reserve, Weights};

/// How often a page that others change is tried. A change takes some microseconds, so losing this
/// often means dozens of workers.
const ATTEMPTS: usize = 16;

/// One limit that a request has to pass, and for whom.
#[derive(Clone, Copy, Debug)]
pub struct Ask<'l> {
    /// The limit.
    pub limit: &'l Limit,
    /// What tokens are charged: those of the request's model.
    pub weights: &'l Weights,
    /// What is reserved for the completion.
    pub reserve: &'l Reserve,
    /// Whose slot.
    pub key: SlotKey,
    /// Whether the request is refused where it does not fit. If not, it is admitted without being
    /// charged to this limit, and [`Admission::exceeded`] says so.
    pub enforced: bool,
}

impl Ask<'_> {
    fn amount(&self, demand: &Demand, learned: u64) -> u64 {
        if self.limit.measure().by_tokens() {
            self.reserve.units(self.weights, demand, learned, self.limit.capacity())
        } else {
            1
        }
    }
}

/// Whether a request may go on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It may.
    Admitted(Admission),
    /// A limit refuses it; nothing is charged.
    Refused(Refusal),
    /// The store was too busy for all attempts, or failed: nobody knows. `leftover` is what could not
    /// be taken back; settle it with nothing used, at a tick.
    Unknown {
        /// Mostly empty.
        leftover: Reservation,
    },
}

/// Why a request is refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// The ask that makes it wait longest.
    pub ask: usize,
    /// How long.
    pub wait: Wait,
    /// Every enforced ask that refuses, and for how long.
    pub refusing: Vec<(usize, Wait)>,
    /// How its keys stand, by ask.
    pub standings: Vec<Standing>,
    /// What could not be taken back after another worker was faster; mostly empty. Settle it with
    /// nothing used, at a tick.
    pub leftover: Reservation,
}

/// What went otherwise than usual, to be counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Notes {
    /// Writes that another worker was faster than.
    pub lost_swaps: u32,
    /// Keys that share an overflow slot because all slots of their page are owed.
    pub overflowed: u32,
    /// Values of shared data that could not be read, and were begun anew.
    pub unreadable: u32,
}

/// The operations at one point of time.
#[derive(Debug)]
pub struct Ledger<'s, S> {
    store: &'s mut S,
    now_ms: u64,
    notes: Notes,
}

/// A page that was read.
struct Open {
    place: Place,
    page: Page,
    version: Option<u32>,
}

impl<'s, S: Store> Ledger<'s, S> {
    /// The ledger at `now_ms`, milliseconds of a clock that all workers share (since 1970).
    pub fn new(store: &'s mut S, now_ms: u64) -> Self {
        Self { store, now_ms, notes: Notes::default() }
    }

    /// What went otherwise than usual in the operations so far.
    pub fn notes(&self) -> Notes {
        self.notes
    }

    fn open(&mut self, place: Place) -> Open {
        let Some((bytes, version)) = self.store.load(place) else {
            return Open { place, page: Page::empty(place.is_fleet()), version: None };
        };
        let page = Page::read(bytes).unwrap_or_else(|| {
            self.notes.unreadable = self.notes.unreadable.saturating_add(1);
            Page::empty(place.is_fleet())
        });
        Open { place, page, version: Some(version) }
    }

    fn lost(&mut self) {
        self.notes.lost_swaps = self.notes.lost_swaps.saturating_add(1);
    }
}

/// The key under which a slot lies at a place, and how many slots there are.
fn stored_as(place: Place, key: SlotKey) -> (SlotKey, usize) {
    if place.is_shared() { (SlotKey::SHARED, 1) } else { (key, PAGE_SLOTS) }
}
