//! What consumers have spent, on its way to the table that all workers share.
//!
//! A worker sums up what it settles, and adds it to the table now and then: a table of a thousand rows
//! takes longer to copy than a request may.

use std::collections::BTreeMap;

use weir_host::tick::Tick;
use weir_host::{Host, HostError};
use weir_pools::{ChangeError, change_shared};
use weir_tokens::spending::{MAX_ROWS, SPENDING_KEY, Spender, SpendingTable, Spent};

/// How often what was spent is added to the table, in ms.
const EVERY_MS: u32 = 500;

const NS_PER_MS: u64 = 1_000_000;

/// Envoy counts the versions of values up from 1: with this one a write succeeds only where there is
/// no value yet.
const NONE_YET: u32 = u32::MAX;

/// What waits to be added.
pub(crate) struct Spending {
    waiting: BTreeMap<Spender, Spent>,
    /// When it is added, in ns since 1970.
    due_ns: u64,
    tick: Tick,
}

/// What went wrong when it was added.
#[derive(Debug)]
pub(crate) enum Trouble {
    /// The table cannot be read or written now; what waits is added later.
    Busy(ChangeError<()>),
    /// What was stored is no table. It was begun anew.
    Unreadable,
}

impl std::fmt::Display for Trouble {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Busy(error) => write!(f, "shared data {SPENDING_KEY}: {error:?}; tried again"),
            Self::Unreadable => write!(
                f,
                "shared data {SPENDING_KEY} is no table: what was spent is counted from nothing again"
            ),
        }
    }
}

impl Spending {
    pub(crate) fn new(tick: Tick) -> Self {
        Self { waiting: BTreeMap::new(), due_ns: 0, tick }
    }

    /// Makes the table if there is none: two workers that both made it would lose what one of them adds.
    ///
    /// # Errors
    /// Shared data cannot be read or written.
    pub(crate) fn prepare<H: Host>(host: &H) -> Result<(), HostError> {
        if host.shared(SPENDING_KEY)?.is_some() {
            return Ok(());
        }
        let table = SpendingTable::new(host.now_ns() / NS_PER_MS).encode();
        match host.set_shared(SPENDING_KEY, &table, Some(NONE_YET)) {
            Err(HostError::CasMismatch) => Ok(()),
            made => made,
        }
    }

    /// Takes note of what a request has spent.
    pub(crate) fn add<H: Host>(&mut self, host: &H, spender: Spender, spent: &Spent) {
        if self.waiting.is_empty() {
            self.due_ns = host.now_ns().saturating_add(u64::from(EVERY_MS) * NS_PER_MS);
            self.tick.every(host, EVERY_MS);
        }
        // The table has no room for more either.
        let room = self.waiting.len() < MAX_ROWS || self.waiting.contains_key(&spender);
        let spender = if room { spender } else { Spender::others() };
        self.waiting.entry(spender).or_default().add(spent);
    }

    /// Adds what waits to the table, if it is time.
    pub(crate) fn flush_if_due<H: Host>(&mut self, host: &H) -> Option<Trouble> {
        let now_ns = host.now_ns();
        // A clock that was set back must not keep it for long.
        let set_back = self.due_ns.saturating_sub(now_ns) > 2 * u64::from(EVERY_MS) * NS_PER_MS;
        (!self.waiting.is_empty() && (now_ns >= self.due_ns || set_back))
            .then(|| self.flush(host))
            .flatten()
    }

    /// Adds what waits to the table.
    pub(crate) fn flush<H: Host>(&mut self, host: &H) -> Option<Trouble> {
        if self.waiting.is_empty() {
            return None;
        }
        let mut unreadable = false;
        let changed = change_shared(host, SPENDING_KEY, |stored| {
            let mut table = SpendingTable::read(stored).unwrap_or_else(|| {
                unreadable = true;
                SpendingTable::new(host.now_ns() / NS_PER_MS)
            });
            for (spender, spent) in &self.waiting {
                table.add(spender, spent);
            }
            Ok::<_, ()>(Some(table.encode()))
        });
        match changed {
            Ok(()) => {
                self.waiting.clear();
                self.tick.stop(host);
                unreadable.then_some(Trouble::Unreadable)
            }
            Err(error) => Some(Trouble::Busy(error)),
        }
    }
}
