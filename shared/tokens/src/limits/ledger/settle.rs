//! What a reservation becomes.

use super::{ATTEMPTS, Ledger, Open, stored_as};
use crate::charge::Used;
use crate::limits::EXPIRY_MS;
use crate::limits::page::Found;
use crate::limits::reservation::{Hold, Reservation, Settlement};
use crate::limits::slot::Slot;
use crate::limits::store::{Place, Store, Stored};

/// What happens to the holds of a reservation.
#[derive(Clone, Copy)]
enum Turn<'u> {
    /// They become what was used.
    Settle { used: &'u Used, choices: u64 },
    /// They never were.
    Undo,
    /// They live on.
    Extend,
}

impl<S: Store> Ledger<'_, S> {
    /// Turns a reservation into what was used: by the replica's report, or by what was seen where the
    /// response was cut. A request that never reached a replica has used nothing
    /// (`Used::default()`).
    pub fn settle(&mut self, reservation: Reservation, used: &Used) -> Settlement {
        let choices = reservation.choices.max(1);
        self.turn_all(reservation, Turn::Settle { used, choices })
    }

    /// Keeps a reservation from expiring. Cheap to call often: shared data is touched every
    /// [`EXPIRY_MS`] / 2 at most.
    pub fn extend(&mut self, reservation: &mut Reservation) {
        if self.now_ms.saturating_sub(reservation.extended_ms) < EXPIRY_MS / 2 {
            return;
        }
        reservation.extended_ms = self.now_ms;
        let places = places(&reservation.holds);
        for place in places {
            // Too busy: there is another half of the time to try again in.
            self.turn_page(place, &mut reservation.holds, Turn::Extend);
        }
    }

    /// Takes back what a request held that is not admitted after all.
    pub(super) fn undo(&mut self, reservation: Reservation) -> Settlement {
        self.turn_all(reservation, Turn::Undo)
    }

    fn turn_all(&mut self, mut reservation: Reservation, turn: Turn<'_>) -> Settlement {
        let holds = &mut reservation.holds;
        let mut waiting = places(holds);
        while let Some(place) = waiting.pop() {
            let Some(homeless) = self.turn_page(place, holds, turn) else { continue };
            holds.retain(|hold| hold.place != place);
            // What is owed by a key whose slot was given away, and that finds no other, goes to the
            // overflow slot of its limit.
            for hold in homeless {
                let place = Place::shared(&hold.limit);
                self.notes.overflowed = self.notes.overflowed.saturating_add(1);
                holds.push(Hold { place, ..hold });
                if !waiting.contains(&place) {
                    waiting.push(place);
                }
            }
        }
        if reservation.is_empty() { Settlement::Done } else { Settlement::Pending(reservation) }
    }

    /// Turns all holds at a place, and answers with those that the page has no slot for; `None` if the
    /// store was too busy, or fails: then nothing happened.
    fn turn_page(&mut self, place: Place, holds: &mut [Hold], turn: Turn<'_>) -> Option<Vec<Hold>> {
        for _ in 0..ATTEMPTS {
            let mut open = self.open(place);
            let here = |hold: &&mut Hold| hold.place == place;
            let mut turned: Vec<Hold> = holds.iter_mut().filter(here).map(|hold| *hold).collect();
            let mut homeless = Vec::new();
            for hold in &mut turned {
                if !turn_hold(&mut open, hold, turn, self.now_ms) {
                    homeless.push(*hold);
                }
            }
            match self.store.swap(place, open.page.as_bytes(), open.version) {
                Stored::Done => {
                    holds.iter_mut().filter(here).zip(turned).for_each(|(hold, new)| *hold = new);
                    return Some(homeless);
                }
                Stored::Failed => return None,
                Stored::Lost => self.lost(),
            }
        }
        None
    }
}

/// Turns one hold on an open page; false if the page has no slot for what is owed.
fn turn_hold(open: &mut Open, hold: &mut Hold, turn: Turn<'_>, now_ms: u64) -> bool {
    let (key, slots) = stored_as(open.place, hold.key);
    let found = open.page.find(key, now_ms, slots);
    let mut slot = open.page.slot(found, key, &hold.limit, now_ms);
    let owed = slot.spent();
    turn_slot(&mut slot, hold, turn);
    if !matches!(found, Found::At(_)) && slot.spent() == owed {
        // Its slot was given away when it was worth nothing, and would be worth nothing now.
        return true;
    }
    open.page.put(found, &mut slot, &hold.limit);
    // An overflow page with another key in it is no page that this build wrote.
    found != Found::Full || open.place.is_shared()
}

fn turn_slot(slot: &mut Slot, hold: &mut Hold, turn: Turn<'_>) {
    match turn {
        Turn::Settle { used, choices } => {
            slot.settle(hold.amount, hold.generation, hold.limit.charge(&hold.weights, used));
            if used.complete && used.completion > 0 && hold.limit.measure().by_tokens() {
                slot.learn(used.completion.div_ceil(choices));
            }
        }
        Turn::Undo => slot.give_back(&hold.limit, hold.amount, hold.generation),
        Turn::Extend => {
            if slot.extend(hold.amount, hold.generation) {
                hold.generation = slot.generation();
            }
        }
    }
}

/// The places of some holds, each once.
fn places(holds: &[Hold]) -> Vec<Place> {
    let mut places: Vec<Place> = Vec::with_capacity(holds.len());
    for hold in holds {
        if !places.contains(&hold.place) {
            places.push(hold.place);
        }
    }
    places
}
