//! What consumers have spent at one gateway, as it tells in its replies.
//!
//! A gateway tells sums since its Envoy started, and when that was. So an answer that is lost, or that comes
//! twice, changes nothing, and a sidecar that is started anew is told all of it again. Of an Envoy that has
//! ended, what it told last is kept for as long as the sidecar runs.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use weir_snapshot::{Spending as Told, SpendingRow, SpendingSeen};

/// Most rows that are kept of one gateway: those of eight Envoys, one after the other, whose consumers
/// are all different. What has no row of its own is in that of [`OTHERS`].
const MAX_ROWS: usize = 8_192;

/// Envoys of one gateway whose rows are kept apart. Only the last of them still counts; more than one is
/// there only where several answer at one address, which is a mistake, but must not count anything twice.
const MAX_PROCESSES: usize = 8;

/// Most gateways that are kept apart. Where pods come and go, each is another gateway.
const MAX_KEPT: usize = 256;

/// Under which name what was spent at gateways is kept that are gone and not kept apart any more.
const GONE: &str = "(gone)";

/// As gateways call those who have no row of their own.
const OTHERS: &str = "(others)";

/// Who has spent: consumer and model.
pub(crate) type Spender = (String, String);

/// What was spent.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Spent {
    pub(crate) requests: u64,
    pub(crate) prompt_tokens: u64,
    pub(crate) cached_tokens: u64,
    pub(crate) completion_tokens: u64,
    pub(crate) reasoning_tokens: u64,
    /// In 10⁻¹² of the currency.
    pub(crate) cost: u128,
}

/// What was spent at one gateway.
#[derive(Debug)]
pub(crate) struct Spending {
    gateway: String,
    known: Mutex<Known>,
}

/// What was spent at every gateway that there was.
#[derive(Debug, Default)]
pub(crate) struct Ledger(Mutex<Vec<Arc<Spending>>>);

impl Ledger {
    /// What was spent at the gateway of that name.
    pub(crate) fn of(&self, gateway: &str) -> Arc<Spending> {
        let mut all = self.entries();
        if let Some(known) = all.iter().find(|known| known.gateway() == gateway) {
            return Arc::clone(known);
        }
        if all.len() >= MAX_KEPT {
            make_room(&mut all);
        }
        let spending = Arc::new(Spending::new(gateway.to_owned()));
        all.push(Arc::clone(&spending));
        spending
    }

    /// Every gateway, in the order in which they came.
    pub(crate) fn all(&self) -> Vec<Arc<Spending>> {
        self.entries().clone()
    }

    /// Nothing panics while it holds the lock, so a poisoned one is as good as any.
    fn entries(&self) -> MutexGuard<'_, Vec<Arc<Spending>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Adds the oldest gateway that nobody pushes to any more to those that are gone.
fn make_room(all: &mut Vec<Arc<Spending>>) {
    if !all.iter().any(|one| one.gateway() == GONE) {
        all.insert(0, Arc::new(Spending::new(GONE.to_owned())));
    }
    let oldest = all.iter().position(|one| one.gateway() != GONE && Arc::strong_count(one) == 1);
    let Some(oldest) = oldest.map(|place| all.remove(place)) else { return };
    let gone = all.iter().find(|one| one.gateway() == GONE);
    gone.into_iter().for_each(|gone| oldest.add_to(&mut gone.known().before));
}

#[derive(Debug, Default)]
struct Known {
    /// The newest last.
    processes: Vec<Process>,
    /// What processes have spent that are not kept apart any more.
    before: BTreeMap<Spender, Spent>,
}

/// One Envoy.
#[derive(Debug, Default)]
struct Process {
    epoch: u64,
    version: u64,
    /// Each with the number of its change.
    rows: BTreeMap<Spender, (u64, Spent)>,
}

impl Spending {
    /// Nothing was told by `gateway` yet.
    pub(crate) fn new(gateway: String) -> Self {
        Self { gateway, known: Mutex::default() }
    }

    /// The gateway as written in the configuration.
    pub(crate) fn gateway(&self) -> &str {
        &self.gateway
    }

    /// What is to be told with the next push.
    pub(crate) fn seen(&self) -> SpendingSeen {
        let known = self.known();
        let last = known.processes.last();
        last.map_or_else(SpendingSeen::default, |process| SpendingSeen {
            epoch: process.epoch,
            version: process.version,
        })
    }

    /// Takes what a reply tells.
    pub(crate) fn record(&self, told: Told) {
        let mut known = self.known();
        let mut process = known.take(told.epoch);
        process.version = process.version.max(told.version);
        told.rows.into_iter().for_each(|row| process.take(row));
        known.processes.push(process);
    }

    /// When the Envoy that answers now began to count, in ms since 1970; `None` if none has told.
    pub(crate) fn since_ms(&self) -> Option<u64> {
        self.known().processes.last().map(|process| process.epoch)
    }

    /// Adds all of it to `sums`.
    pub(crate) fn add_to(&self, sums: &mut BTreeMap<Spender, Spent>) {
        let known = self.known();
        let current = known.processes.iter().flat_map(|process| &process.rows);
        let current = current.map(|(spender, (_, spent))| (spender, spent));
        for (spender, spent) in known.before.iter().chain(current) {
            add(sums, spender, spent);
        }
    }

    /// Nothing panics while it holds the lock, so a poisoned one is as good as any.
    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Known {
    /// Takes out the process that began to count at `epoch`, and leaves room for it.
    fn take(&mut self, epoch: u64) -> Process {
        let place = self.processes.iter().position(|process| process.epoch == epoch);
        if let Some(place) = place {
            return self.processes.remove(place);
        }
        if self.processes.len() >= MAX_PROCESSES {
            let oldest = self.processes.remove(0);
            for (spender, (_, spent)) in &oldest.rows {
                add(&mut self.before, spender, spent);
            }
        }
        Process { epoch, ..Process::default() }
    }
}

impl Process {
    /// Takes a row, unless a newer state of it is known: replies to pushes of several pools overtake each
    /// other.
    fn take(&mut self, row: SpendingRow) {
        let full = self.rows.len() >= MAX_ROWS;
        let spent = Spent::of(&row);
        let spender = (row.consumer, row.model);
        match self.rows.get_mut(&spender) {
            Some((changed, known)) if *changed < row.changed => {
                (*changed, *known) = (row.changed, spent);
            }
            Some(_) => {}
            // More than any gateway has.
            None if full => {}
            None => {
                self.rows.insert(spender, (row.changed, spent));
            }
        }
    }
}

impl Spent {
    fn of(row: &SpendingRow) -> Self {
        Self {
            requests: row.requests,
            prompt_tokens: row.prompt_tokens,
            cached_tokens: row.cached_tokens,
            completion_tokens: row.completion_tokens,
            reasoning_tokens: row.reasoning_tokens,
            cost: row.cost.into(),
        }
    }

    fn add(&mut self, more: &Self) {
        let sum = |a: &mut u64, b: u64| *a = a.saturating_add(b);
        sum(&mut self.requests, more.requests);
        sum(&mut self.prompt_tokens, more.prompt_tokens);
        sum(&mut self.cached_tokens, more.cached_tokens);
        sum(&mut self.completion_tokens, more.completion_tokens);
        sum(&mut self.reasoning_tokens, more.reasoning_tokens);
        self.cost = self.cost.saturating_add(more.cost);
    }
}

/// Adds to one's sum, or to that of the others where there is no room.
fn add(sums: &mut BTreeMap<Spender, Spent>, spender: &Spender, spent: &Spent) {
    if sums.len() < MAX_ROWS - 1 || sums.contains_key(spender) {
        return sums.entry(spender.clone()).or_default().add(spent);
    }
    sums.entry((OTHERS.to_owned(), OTHERS.to_owned())).or_default().add(spent);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(consumer: &str, changed: u64, prompt_tokens: u64) -> SpendingRow {
        let (consumer, model) = (consumer.to_owned(), "m".to_owned());
        SpendingRow { consumer, model, changed, prompt_tokens, ..SpendingRow::default() }
    }

    fn told(epoch: u64, version: u64, rows: Vec<SpendingRow>) -> Told {
        Told { epoch, version, rows }
    }

    fn tokens(spending: &Spending, consumer: &str) -> Option<u64> {
        let mut sums = BTreeMap::new();
        spending.add_to(&mut sums);
        sums.get(&(consumer.to_owned(), "m".to_owned())).map(|spent| spent.prompt_tokens)
    }

    #[test]
    fn an_answer_that_comes_twice_or_late_changes_nothing() {
        let spending = Spending::new("g".to_owned());
        assert_eq!((spending.seen(), spending.since_ms()), (SpendingSeen::default(), None));
        spending.record(told(100, 2, vec![row("a", 1, 10), row("b", 2, 5)]));
        spending.record(told(100, 4, vec![row("a", 4, 30)]));
        for _ in 0..2 {
            spending.record(told(100, 3, vec![row("a", 3, 20)]));
        }
        assert_eq!((tokens(&spending, "a"), tokens(&spending, "b")), (Some(30), Some(5)));
        assert_eq!(spending.seen(), SpendingSeen { epoch: 100, version: 4 });
    }

    #[test]
    fn what_an_envoy_spent_that_has_ended_is_kept() {
        let spending = Spending::new("g".to_owned());
        for epoch in 1..=3 * MAX_PROCESSES as u64 {
            spending.record(told(epoch, 1, vec![row("a", 1, 10)]));
        }
        assert_eq!(tokens(&spending, "a"), Some(3 * MAX_PROCESSES as u64 * 10));
        assert_eq!(spending.since_ms(), Some(3 * MAX_PROCESSES as u64));
    }

    #[test]
    fn two_envoys_that_answer_in_turn_are_counted_once() {
        let spending = Spending::new("g".to_owned());
        for round in 1..=50 {
            spending.record(told(1, round, vec![row("a", round, round)]));
            spending.record(told(2, round, vec![row("a", round, 100 * round)]));
        }
        assert_eq!(tokens(&spending, "a"), Some(50 + 5_000));
    }

    #[test]
    fn gateways_that_come_and_go_are_bounded_and_what_they_spent_is_kept() {
        let ledger = Ledger::default();
        let stays = ledger.of("stays");
        for at in 0..3 * MAX_KEPT {
            ledger.of(&format!("g{at}")).record(told(1, 1, vec![row("a", 1, 10)]));
        }
        stays.record(told(1, 1, vec![row("a", 1, 5)]));
        let all = ledger.all();
        assert!(all.len() <= MAX_KEPT + 1, "{}", all.len());
        let tokens: u64 = all.iter().filter_map(|one| tokens(one, "a")).sum();
        assert_eq!(tokens, 3 * MAX_KEPT as u64 * 10 + 5);
        assert!(Arc::ptr_eq(&stays, &ledger.of("stays")), "whoever is pushed to stays");
    }

    #[test]
    fn any_number_of_names_is_kept_in_bounded_memory_and_nothing_is_lost() {
        let spending = Spending::new("g".to_owned());
        let each = 1_000;
        let epochs = 4 * MAX_PROCESSES as u64;
        for epoch in 1..=epochs {
            let rows = (0..each).map(|index| row(&format!("{epoch}-{index}"), index + 1, 1));
            spending.record(told(epoch, each, rows.collect()));
        }
        let mut sums = BTreeMap::new();
        spending.add_to(&mut sums);
        assert!(sums.len() <= MAX_ROWS, "{}", sums.len());
        let all: u64 = sums.values().map(|spent| spent.prompt_tokens).sum();
        assert_eq!(all, epochs * each);
        assert!(sums.contains_key(&(OTHERS.to_owned(), OTHERS.to_owned())));
    }
}
