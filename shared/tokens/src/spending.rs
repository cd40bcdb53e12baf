//! What consumers have spent, by model: counted up for as long as the process lives.
//!
//! The table is one value of shared data. Every change gives its row the table's next number, so a
//! reader that remembers one number asks for what changed since ([`SpendingTable::since`]), and one
//! that lost an answer asks again. Counts only grow, so no answer is ever added twice.

use std::collections::BTreeMap;

use crate::charge::{Used, Weights};

/// Name of the table in shared data. The number is that of its layout.
pub const SPENDING_KEY: &str = "weir/spending1/table";

/// Most rows of a table. Of further consumers and models all is in the row of [`Spender::others`].
pub const MAX_ROWS: usize = 1_024;

/// Longest name of a consumer or a model in bytes. Whoever has a longer one counts among the others.
pub const MAX_NAME_BYTES: usize = 128;

/// What stands for all consumers and models that have no row of their own.
pub const OTHERS: &str = "(others)";

/// `WSP`, format 1.
const MAGIC: [u8; 4] = *b"WSP\x01";

/// Who has spent, and on what.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Spender {
    /// The consumer's name; empty where nobody vouches for one, or the policy does not show it.
    pub consumer: String,
    /// The model by the name that replicas are sent.
    pub model: String,
}

impl Spender {
    /// All that have no row of their own.
    pub fn others() -> Self {
        Self { consumer: OTHERS.to_owned(), model: OTHERS.to_owned() }
    }

    /// Whether its names fit into a row.
    fn fits(&self) -> bool {
        self.consumer.len() <= MAX_NAME_BYTES && self.model.len() <= MAX_NAME_BYTES
    }
}

/// What was spent. Sums stay at their greatest value in place of an overflow.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Spent {
    /// Requests that a replica worked on.
    pub requests: u64,
    /// Tokens of prompts, cached ones included.
    pub prompt: u64,
    /// Those of them that were in a prefix cache.
    pub cached: u64,
    /// Tokens of completions, reasoning included.
    pub completion: u64,
    /// Those of them that were reasoning.
    pub reasoning: u64,
    /// Cost by the policy's prices, in 10⁻¹² of the currency; 0 without prices.
    pub cost: u64,
}

impl Spent {
    /// One request that took `used`, at these prices.
    pub fn of(used: &Used, prices: &Weights) -> Self {
        Self {
            requests: 1,
            prompt: used.prompt,
            cached: used.cached.min(used.prompt),
            completion: used.completion,
            reasoning: used.reasoning.min(used.completion),
            cost: prices.charge(used),
        }
    }

    /// Adds what else was spent.
    pub fn add(&mut self, more: &Self) {
        let mut sums = self.counts();
        for (sum, count) in sums.iter_mut().zip(more.counts()) {
            *sum = sum.saturating_add(count);
        }
        *self = Self::from_counts(sums);
    }

    fn counts(&self) -> [u64; COUNTS] {
        let Self { requests, prompt, cached, completion, reasoning, cost } = *self;
        [requests, prompt, cached, completion, reasoning, cost]
    }

    fn from_counts(counts: [u64; COUNTS]) -> Self {
        let [requests, prompt, cached, completion, reasoning, cost] = counts;
        Self { requests, prompt, cached, completion, reasoning, cost }
    }
}

/// Numbers in [`Spent`].
const COUNTS: usize = 6;

/// A row of the table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// What was spent in all.
    pub spent: Spent,
    /// The number of its last change.
    pub changed: u64,
}

/// What was spent in one process, by consumer and model.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SpendingTable {
    epoch: u64,
    version: u64,
    rows: BTreeMap<Spender, Row>,
}

impl SpendingTable {
    /// An empty table. `epoch` tells it from that of a process before: ms since 1970 at its start.
    pub fn new(epoch: u64) -> Self {
        Self { epoch, version: 0, rows: BTreeMap::new() }
    }

    /// When it was begun, in ms since 1970.
    pub fn epoch(&self) -> u64 {
        self.epoch
    }

    /// The number of the last change; 0 where there was none.
    pub fn version(&self) -> u64 {
        self.version
    }

    /// Adds to the row of `spender`, or to that of the others where there is no room.
    pub fn add(&mut self, spender: &Spender, spent: &Spent) {
        let others = Spender::others();
        let own = self.rows.contains_key(spender);
        // One row is kept for the others.
        let room = self.rows.len() + 1 < MAX_ROWS || self.rows.contains_key(&others);
        let room = room && self.rows.len() < MAX_ROWS && spender.fits();
        let spender = if own || room { spender } else { &others };
        self.version = self.version.saturating_add(1);
        match self.rows.get_mut(spender) {
            Some(row) => {
                row.spent.add(spent);
                row.changed = self.version;
            }
            None => {
                self.rows.insert(spender.clone(), Row { spent: *spent, changed: self.version });
            }
        }
    }

    /// The rows that changed after `version`, the one that changed first before the others.
    pub fn since(&self, version: u64) -> Vec<(&Spender, &Row)> {
        let mut changed: Vec<(&Spender, &Row)> = Vec::new();
        // A few rows, but for a sidecar that has just started: a sort of its own would be 8 KB of the module.
        for (spender, row) in self.rows.iter().filter(|(_, row)| row.changed > version) {
            let place = changed.partition_point(|(_, other)| other.changed < row.changed);
            changed.insert(place, (spender, row));
        }
        changed
    }

    /// The bytes to store: `WSP`, format 1, then little-endian epoch and version, then rows: length
    /// and bytes of the consumer, of the model, six counts and the change.
    pub fn encode(&self) -> Vec<u8> {
        let mut bytes = MAGIC.to_vec();
        bytes.extend(self.epoch.to_le_bytes());
        bytes.extend(self.version.to_le_bytes());
        for (Spender { consumer, model }, row) in &self.rows {
            for name in [consumer, model] {
                bytes.push(u8::try_from(name.len()).unwrap_or(0));
                bytes.extend(name.as_bytes());
            }
            for count in row.spent.counts().into_iter().chain([row.changed]) {
                bytes.extend(count.to_le_bytes());
            }
        }
        bytes
    }

    /// A table from stored bytes; `None` if they are none, or of another format.
    pub fn read(bytes: &[u8]) -> Option<Self> {
        let mut rest = Reader(bytes.strip_prefix(&MAGIC)?);
        let mut table =
            Self { epoch: rest.number()?, version: rest.number()?, rows: BTreeMap::new() };
        while !rest.0.is_empty() {
            if table.rows.len() >= MAX_ROWS {
                return None;
            }
            let spender = Spender { consumer: rest.name()?, model: rest.name()? };
            let mut counts = [0; COUNTS];
            for count in &mut counts {
                *count = rest.number()?;
            }
            let row = Row { spent: Spent::from_counts(counts), changed: rest.number()? };
            table.rows.insert(spender, row);
        }
        Some(table)
    }
}

/// Stored bytes that are left to read.
struct Reader<'b>(&'b [u8]);

impl Reader<'_> {
    fn number(&mut self) -> Option<u64> {
        let (number, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(u64::from_le_bytes(*number))
    }

    fn name(&mut self) -> Option<String> {
        let (len, rest) = self.0.split_first()?;
        let (name, rest) = rest.split_at_checked(usize::from(*len))?;
        self.0 = rest;
        let name = core::str::from_utf8(name).ok()?;
        (name.len() <= MAX_NAME_BYTES).then(|| name.to_owned())
    }
}

#[cfg(test)]
mod tests;
