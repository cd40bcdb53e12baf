//! All limits of a request as one step.

use super::{ATTEMPTS, Ask, Ledger, Open, Outcome, Refusal, stored_as};
use crate::charge::Demand;
use crate::limits::page::Found;
use crate::limits::reservation::{Admission, Hold, Reservation, Settlement};
use crate::limits::standing::{Standing, Wait};
use crate::limits::store::{Place, Store, Stored};

/// How often a request is begun anew because a slot that it was to take is gone.
const RESTARTS: usize = 4;

/// What one ask came to.
#[derive(Clone, Copy)]
struct Weighed {
    standing: Standing,
    /// What it takes, or how long it would have to wait.
    verdict: Result<Hold, Wait>,
    /// Units that the fleet has to grant first, if it is not waiting for them already.
    lacking: u64,
}

/// What a request came to so far. All of it is in memory until its pages are written.
struct Draft {
    opens: Vec<Open>,
    /// By ask.
    weighed: Vec<Weighed>,
    /// Where each ask lies, by ask.
    places: Vec<Place>,
}

/// How writing a draft ended, if not well.
enum Setback {
    /// A limit refuses after all.
    Refused,
    /// A slot is gone.
    Gone,
    /// The store is too busy, or fails.
    Stuck,
}

impl<S: Store> Ledger<'_, S> {
    /// Admits a request if every enforced ask fits, and reserves what it asks for; else nothing is
    /// charged.
    ///
    /// Limits that lie in different pages are written one after the other. If another worker was
    /// faster, the page is weighed again; if it then refuses, what was written is taken back. In
    /// between, others see what this request held: they may be refused, and are never admitted
    /// wrongly.
    pub fn reserve(&mut self, demand: &Demand, asks: &[Ask<'_>]) -> Outcome {
        let mut leftover = Reservation::default();
        for _ in 0..RESTARTS {
            let Some(mut draft) = self.draft(demand, asks) else { break };
            self.want(asks, &draft);
            if refuses(asks, &draft.weighed) {
                return refused(asks, draft, leftover);
            }
            let Err((setback, written)) = self.write(demand, asks, &mut draft) else {
                if leftover.is_empty() {
                    return self.admitted(demand, draft);
                }
                // Something of an earlier attempt is still held: the request would be charged twice.
                let (holds, _) = holds(&draft.weighed);
                leftover.holds.extend(holds);
                break;
            };
            leftover.holds.extend(self.take_back(written).holds);
            match setback {
                Setback::Refused => return refused(asks, draft, leftover),
                Setback::Gone => {}
                Setback::Stuck => break,
            }
        }
        Outcome::Unknown { leftover }
    }

    /// Weighs all asks on what the pages say now; `None` if one has no place at all.
    fn draft(&mut self, demand: &Demand, asks: &[Ask<'_>]) -> Option<Draft> {
        let mut draft = Draft {
            opens: Vec::with_capacity(asks.len()),
            weighed: Vec::with_capacity(asks.len()),
            places: Vec::with_capacity(asks.len()),
        };
        for ask in asks {
            let own = Place::own(ask.limit, ask.key);
            let found = self.weigh_at(&mut draft, own, demand, ask);
            let (place, weighed) = match found {
                Some(weighed) => (own, weighed),
                None => {
                    let shared = Place::shared(ask.limit);
                    self.notes.overflowed = self.notes.overflowed.saturating_add(1);
                    (shared, self.weigh_at(&mut draft, shared, demand, ask)?)
                }
            };
            draft.places.push(place);
            draft.weighed.push(weighed);
        }
        Some(draft)
    }

    /// Notes what requests lacked of limits of the fleet: it is what the fleet is asked for. Written once
    /// until a grant comes, unless more is lacking; if another worker is faster, the next request notes it.
    fn want(&mut self, asks: &[Ask<'_>], draft: &Draft) {
        for ((ask, place), weighed) in asks.iter().zip(&draft.places).zip(&draft.weighed) {
            if weighed.lacking == 0 {
                continue;
            }
            let mut open = self.open(*place);
            let (key, slots) = stored_as(*place, ask.key);
            let found = open.page.find(key, self.now_ms, slots);
            let mut slot = open.page.slot(found, key, ask.limit, self.now_ms);
            let Some(lease) = slot.lease_mut().filter(|lease| lease.wanted < weighed.lacking)
            else {
                continue;
            };
            lease.wanted = weighed.lacking;
            open.page.put(found, &mut slot, ask.limit);
            if self.store.swap(*place, open.page.as_bytes(), open.version) == Stored::Lost {
                self.lost();
            }
        }
    }

    fn weigh_at(
        &mut self,
        draft: &mut Draft,
        place: Place,
        demand: &Demand,
        ask: &Ask<'_>,
    ) -> Option<Weighed> {
        if !draft.opens.iter().any(|open| open.place == place) {
            draft.opens.push(self.open(place));
        }
        let open = draft.opens.iter_mut().find(|open| open.place == place)?;
        weigh(open, demand, ask, self.now_ms)
    }

    /// Writes the pages one by one; on a setback answers with what it had written.
    fn write(
        &mut self,
        demand: &Demand,
        asks: &[Ask<'_>],
        draft: &mut Draft,
    ) -> Result<(), (Setback, Vec<Hold>)> {
        let mut written = Vec::new();
        for mut open in core::mem::take(&mut draft.opens) {
            if let Err(setback) = self.write_page(demand, asks, draft, &mut open) {
                return Err((setback, written));
            }
            written.extend(taken_at(draft, open.place));
        }
        Ok(())
    }

    fn write_page(
        &mut self,
        demand: &Demand,
        asks: &[Ask<'_>],
        draft: &mut Draft,
        open: &mut Open,
    ) -> Result<(), Setback> {
        for _ in 0..ATTEMPTS {
            if taken_at(draft, open.place).next().is_none() {
                return Ok(());
            }
            match self.store.swap(open.place, open.page.as_bytes(), open.version) {
                Stored::Done => return Ok(()),
                Stored::Failed => return Err(Setback::Stuck),
                Stored::Lost => self.lost(),
            }
            let place = open.place;
            *open = self.open(place);
            for ((at, weighed), ask) in draft.places.iter().zip(&mut draft.weighed).zip(asks) {
                if *at == place {
                    *weighed = weigh(open, demand, ask, self.now_ms).ok_or(Setback::Gone)?;
                }
            }
            if refuses(asks, &draft.weighed) {
                return Err(Setback::Refused);
            }
        }
        Err(Setback::Stuck)
    }

    /// Takes back what was written of a request that is not admitted; answers with what it could not.
    fn take_back(&mut self, written: Vec<Hold>) -> Reservation {
        let reservation = Reservation { holds: written, choices: 0, extended_ms: self.now_ms };
        match self.undo(reservation) {
            Settlement::Done => Reservation::default(),
            Settlement::Pending(rest) => rest,
        }
    }

    fn admitted(&self, demand: &Demand, draft: Draft) -> Outcome {
        let (holds, exceeded) = holds(&draft.weighed);
        let overflow = |place: &&Place| place.is_shared();
        Outcome::Admitted(Admission {
            reservation: Reservation {
                holds,
                choices: demand.choices.max(1),
                extended_ms: self.now_ms,
            },
            standings: draft.weighed.iter().map(|weighed| weighed.standing).collect(),
            exceeded,
            overflowed: draft.places.iter().filter(overflow).count(),
        })
    }
}

/// Weighs one ask on an open page, and takes what it asks for if it fits; `None` if the page has no
/// slot for it.
fn weigh(open: &mut Open, demand: &Demand, ask: &Ask<'_>, now_ms: u64) -> Option<Weighed> {
    let (key, slots) = stored_as(open.place, ask.key);
    let found = open.page.find(key, now_ms, slots);
    if found == Found::Full {
        return None;
    }
    let mut slot = open.page.slot(found, key, ask.limit, now_ms);
    let amount = ask.amount(demand, slot.percentile());
    let excess = slot.excess(ask.limit, amount);
    let verdict = if excess > 0 {
        Err(Wait::of(&slot, ask.limit, now_ms, amount))
    } else {
        let generation = slot.generation();
        slot.take(ask.limit, amount);
        open.page.put(found, &mut slot, ask.limit);
        let (limit, weights) = (*ask.limit, *ask.weights);
        Ok(Hold { place: open.place, key, limit, weights, amount, generation })
    };
    let lacking = slot.lacking(ask.limit, excess);
    Some(Weighed { standing: Standing::of(&slot, ask.limit, now_ms), verdict, lacking })
}

fn refuses(asks: &[Ask<'_>], weighed: &[Weighed]) -> bool {
    asks.iter().zip(weighed).any(|(ask, weighed)| ask.enforced && weighed.verdict.is_err())
}

fn refused(asks: &[Ask<'_>], draft: Draft, leftover: Reservation) -> Outcome {
    let waits = asks.iter().zip(&draft.weighed).enumerate();
    let waits = waits.filter(|(_, (ask, _))| ask.enforced);
    let waits: Vec<_> =
        waits.filter_map(|(at, (_, weighed))| Some((at, weighed.verdict.err()?))).collect();
    let longest = waits.iter().max_by_key(|(_, wait)| wait.ms().unwrap_or(u64::MAX));
    let (ask, wait) = longest.copied().unwrap_or((0, Wait::Never));
    Outcome::Refused(Refusal {
        ask,
        wait,
        refusing: waits,
        standings: draft.weighed.iter().map(|weighed| weighed.standing).collect(),
        leftover,
    })
}

/// What is taken at a place.
fn taken_at(draft: &Draft, place: Place) -> impl Iterator<Item = Hold> {
    let holds = draft.weighed.iter().filter_map(|weighed| weighed.verdict.ok());
    holds.filter(move |hold| hold.place == place)
}

/// What is left to settle, and the asks that did not fit.
fn holds(weighed: &[Weighed]) -> (Vec<Hold>, Vec<usize>) {
    let taken = weighed.iter().filter_map(|weighed| weighed.verdict.ok());
    let exceeded = weighed.iter().enumerate().filter(|(_, weighed)| weighed.verdict.is_err());
    (taken.filter(Hold::is_open).collect(), exceeded.map(|(at, _)| at).collect())
}
