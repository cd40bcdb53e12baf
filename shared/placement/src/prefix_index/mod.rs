//! Which replica served which prefix, as far as this VM has seen.
//!
//! # Structure
//! One entry stands for one fingerprint and one group of 64 replicas: a bit per replica and the
//! tick of its last use. A lookup finds the deepest prefix that any replica of the group has by
//! binary search over the chain (who has a prefix has the shorter ones too), then continues above
//! it with the replicas that are still without a match.
//!
//! # Memory
//! [`PrefixIndex::bytes`] after construction, for ever: 24 bytes per entry (1.5 MiB by default),
//! plus at most 0.5 MiB for 4096 replicas, and up to 64 ticks of 8 bytes for each replica that has requests
//! without an answer.
//!
//! # Self-correction
//! What a request leaves in the index is taken back when it fails or goes elsewhere, and says nothing about
//! evictions before it was served.
//!
//! A replica evicts by last use. When it reports fewer cached tokens than expected of prefixes used last at
//! ticks *t* and *u*, twice in a row, everything that it used last before both is gone as well: one
//! number per replica forgets it all at once. A single report can have other causes, such as a request that
//! the replica keeps out of its cache; the prefix itself has just been computed anew.

mod clock;
mod invariants;
mod merge;
mod replicas;
mod table;

pub(crate) use clock::TICK_SHIFT;
pub(crate) use replicas::GROUP_SIZE;
pub use replicas::ReplicaId;

use crate::request::PickRequest;
use replicas::Replicas;
use table::{Entry, Key, Table};

/// What a replica reports of one prompt, in its own tokens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CachedTokens {
    /// Tokens that it had cached (`usage.prompt_tokens_details.cached_tokens`).
    pub cached: u32,
    /// Tokens of the whole prompt (`usage.prompt_tokens`).
    pub prompt: u32,
}

/// What was expected of a replica when a request was sent to it; goes back to
/// [`PrefixIndex::correct`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Expectation {
    replica: ReplicaId,
    prompt_tokens: u32,
    matched_tokens: u32,
    /// Fingerprints that matched.
    matched_marks: usize,
    /// Last use of the deepest prefix that matched.
    matched_tick: u64,
    /// Tick of this request.
    tick: u64,
    /// Whether the replica had served the request that left the match, so that it must be in its cache.
    settled: bool,
}

/// A replica that has evicted everything which it used last at `tick` or before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Eviction {
    /// Key of the replica.
    pub replica: u64,
    /// Of the index's clock.
    pub tick: u64,
}

impl Expectation {
    /// Prompt tokens that the replica was thought to have cached.
    #[must_use]
    pub fn matched_tokens(&self) -> u32 {
        self.matched_tokens
    }

    /// Key of the replica.
    pub(crate) fn replica(&self) -> u64 {
        self.replica.key()
    }

    /// Fingerprints that matched, the shortest ones.
    pub(crate) fn matched_marks(&self) -> usize {
        self.matched_marks
    }

    /// When the request was placed, by the index's clock.
    pub(crate) fn tick(&self) -> u64 {
        self.tick
    }
}

/// Prefix → replicas, bounded in memory.
#[derive(Debug, Clone)]
pub struct PrefixIndex {
    table: Table,
    replicas: Replicas,
    /// The clock of "last use": the host's in steps of 16 µs, and one step for each request at least.
    tick: u64,
}

impl Default for PrefixIndex {
    fn default() -> Self {
        Self::with_capacity(Self::DEFAULT_ENTRIES)
    }
}

impl PrefixIndex {
    /// Entries of [`PrefixIndex::default`]: 1.5 MiB.
    pub const DEFAULT_ENTRIES: usize = 1 << 16;

    /// An index of `entries` entries of 24 bytes, rounded up to a power of two.
    #[must_use]
    pub fn with_capacity(entries: usize) -> Self {
        // Tick 0 means "never", so that a forgotten replica needs no special case.
        Self { table: Table::new(entries), replicas: Replicas::default(), tick: 1 }
    }

    /// Memory of the table in bytes; it never grows.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.table.bytes()
    }

    /// Gives replicas their places; the same key keeps its place across calls.
    pub(crate) fn register(&mut self, keys: &[u64]) -> Vec<ReplicaId> {
        let ids = self.replicas.register(keys, self.tick);
        self.debug_check();
        ids
    }

    /// Tokens of the request's prompt that one replica has cached, as far as is known.
    #[must_use]
    pub fn matched_tokens(&self, request: &PickRequest<'_>, replica: ReplicaId) -> u32 {
        let deepest = self.deepest_of(request.fingerprints, replica);
        deepest.map_or(0, |found| request.covered_tokens(found.index))
    }

    /// Notes that a request goes to `replica`, which will have its whole prompt cached.
    pub fn learn(&mut self, request: &PickRequest<'_>, replica: ReplicaId) -> Expectation {
        let before = self.tick;
        let expectation = self.expect(request, replica);
        debug_assert!(expectation.tick > before, "each request has a tick of its own");
        debug_assert!(
            !(expectation.settled && expectation.tick <= expectation.matched_tick),
            "nothing settled is of now"
        );
        self.replicas.begin(replica, expectation.tick);
        if let Some(group) = replica.group().filter(|_| self.replicas.holds(replica)) {
            let replicas = &self.replicas;
            let live = |entry: &Entry| replicas.live(group, entry.replicas, entry.tick());
            for key in Key::of_all(request.fingerprints) {
                self.table.update(key, group, self.tick, replica.bit(), live);
            }
        }
        self.debug_check();
        expectation
    }

    fn expect(&mut self, request: &PickRequest<'_>, replica: ReplicaId) -> Expectation {
        let deepest = self.deepest_of(request.fingerprints, replica);
        let (matched_tokens, matched_marks, matched_tick) = deepest.map_or((0, 0, 0), |found| {
            (request.covered_tokens(found.index), found.index.saturating_add(1), found.tick)
        });
        self.tick += 1;
        Expectation {
            replica,
            prompt_tokens: request.prompt_tokens,
            matched_tokens: matched_tokens.min(request.prompt_tokens),
            matched_marks,
            matched_tick,
            tick: self.tick,
            settled: self.replicas.is_confirmed(replica, matched_tick),
        }
    }

    /// Notes that the replica has begun to answer with success: its prefill is done and can be reused.
    pub fn confirm(&mut self, expectation: &Expectation) {
        self.replicas.confirm(expectation.replica, expectation.tick);
    }

    /// Takes back what a request has left that failed at its replica, or was not served there: the prefixes that were
    /// not thought to be there before.
    pub fn take_back(&mut self, request: &PickRequest<'_>, expectation: &Expectation) {
        self.replicas.end(expectation.replica, expectation.tick);
        self.remove(request, expectation.replica, expectation.matched_marks);
        debug_assert!(
            !self.has_beyond(request, expectation.replica, expectation.matched_marks),
            "what a failed request left is gone"
        );
        self.debug_check();
    }

    /// Compares what a replica had cached with what was expected, and forgets what it must have
    /// evicted.
    ///
    /// A shortfall of less than a quarter (at least 64 tokens) is put down to the token estimate. A
    /// match that was still being computed when the request left is no evidence, and is ignored. Answers with
    /// what it has forgotten, for others to forget it too.
    pub fn correct(
        &mut self,
        expectation: &Expectation,
        reported: CachedTokens,
    ) -> Option<Eviction> {
        self.confirm(expectation);
        if !expectation.settled || expectation.matched_tokens == 0 {
            return None;
        }
        let expected = expectation.matched_tokens;
        let tolerance = (expected / 4).max(64);
        let cached = reported.in_tokens_of(expectation.prompt_tokens);
        let replica = expectation.replica;
        if cached.saturating_add(tolerance) >= expected {
            self.replicas.met(replica);
            return None;
        }
        let tick = self.replicas.fell_short(replica, expectation.matched_tick)?;
        debug_assert!(
            tick <= expectation.matched_tick,
            "no more goes than was used before the match"
        );
        debug_assert!(tick < expectation.tick, "what this request has left stays");
        self.replicas.expire(replica, tick);
        self.debug_check();
        Some(Eviction { replica: replica.key(), tick })
    }

    /// Takes `replica` off the prefixes of a request, but for the first `kept`.
    fn remove(&mut self, request: &PickRequest<'_>, replica: ReplicaId, kept: usize) {
        let Some(group) = replica.group().filter(|_| self.replicas.holds(replica)) else { return };
        for key in Key::of_all(request.fingerprints).skip(kept) {
            self.table.remove(key, group, replica.bit());
        }
    }

    /// Forgets everything about a replica, for instance when it was restarted.
    pub fn forget(&mut self, replica: ReplicaId) {
        self.replicas.expire(replica, self.tick);
        self.debug_check();
    }

    /// Whether the place in the index still belongs to this replica.
    pub(crate) fn holds(&self, replica: ReplicaId) -> bool {
        self.replicas.holds(replica)
    }

    /// The deepest fingerprint that `replica` has.
    fn deepest_of(&self, fingerprints: &[u64], replica: ReplicaId) -> Option<Deepest> {
        let group = replica.group().filter(|_| self.replicas.holds(replica))?;
        self.deepest(fingerprints, group, replica.bit(), false)
    }

    /// The deepest fingerprint that any of the `wanted` replicas of `group` has; with `from_first`,
    /// any of those that have the first one.
    pub(crate) fn deepest(
        &self,
        fingerprints: &[u64],
        group: u16,
        mut wanted: u64,
        from_first: bool,
    ) -> Option<Deepest> {
        let mut found = Deepest { index: 0, replicas: 0, tick: 0 };
        let (mut index, mut left) = (0, fingerprints.len());
        // Binary search that looks at the first one too, so that there is one place that looks.
        while let Some(key) = Key::at(fingerprints, index) {
            if let Some(entry) = self.table.find(key, group) {
                let tick = entry.tick();
                let replicas = self.replicas.live(group, entry.replicas, tick) & wanted;
                if replicas != 0 {
                    found = Deepest { index, replicas, tick };
                }
            }
            if from_first && index == 0 {
                wanted = found.replicas;
            }
            if left <= 1 || wanted == 0 {
                break;
            }
            let half = left / 2;
            index = found.index + half;
            left -= half;
        }
        Some(found).filter(|found| found.replicas != 0)
    }
}

/// The deepest fingerprint of a request that some replicas have.
pub(crate) struct Deepest {
    /// Which one.
    pub(crate) index: usize,
    /// Who has it, as bits of the group.
    pub(crate) replicas: u64,
    /// When it was used last.
    tick: u64,
}

impl CachedTokens {
    /// The cached share of the prompt, in tokens of a prompt that was estimated at `estimate`
    /// tokens.
    fn in_tokens_of(self, estimate: u32) -> u32 {
        let scaled = u64::from(self.cached) * u64::from(estimate) / u64::from(self.prompt.max(1));
        u32::try_from(scaled).unwrap_or(u32::MAX)
    }
}
