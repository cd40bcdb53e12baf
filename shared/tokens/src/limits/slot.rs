//! What one key has spent of one limit, and its bytes.

mod codec;

use super::bucket::{Bucket, SKEW_MS};
use super::lease::{LEASE_BYTES, Lease};
use super::limit::{Away, Limit, LimitId, Measure};

/// How long a reservation lives that nobody extends: this at least, twice this at most.
pub const EXPIRY_MS: u64 = 300_000;

/// Bytes of a slot: key 16, then little-endian debt, drained up to, generation begun at, reserved in
/// this generation, reserved in the one before, free at (u64 each), part, generation, 90th
/// percentile, limit (u32 each).
pub const SLOT_BYTES: usize = 80;

/// Bytes of a slot of a fleet's limit: as [`SLOT_BYTES`], then the lease.
pub const FLEET_SLOT_BYTES: usize = SLOT_BYTES + LEASE_BYTES;

/// What stands for whoever a slot is of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SlotKey(pub [u8; 16]);

impl SlotKey {
    /// The key of the only slot in an overflow page.
    pub const SHARED: Self = Self([0xFF; 16]);

    /// Of a key that stands for whose slot it is, whatever the limit: the one for a limit. All of them lie in one page, so
    /// that it is read and written once for all limits that go by the same values.
    #[must_use]
    pub fn of_limit(self, limit: LimitId) -> Self {
        // The first four bytes say which page.
        let mut key = self.0;
        for (byte, other) in key.iter_mut().skip(4).zip(limit.0.to_le_bytes()) {
            *byte ^= other;
        }
        Self(key)
    }
}

/// What one key has spent of one limit.
///
/// What is reserved is kept by generation, of which a new one begins every [`EXPIRY_MS`]: a
/// reservation is in this one, in the one before, or has expired.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Slot {
    key: SlotKey,
    limit: LimitId,
    bucket: Bucket,
    generation: u32,
    begun_ms: u64,
    reserved: u64,
    reserved_before: u64,
    percentile: u32,
    free_at_ms: u64,
    /// Of a fleet's limit. Its bucket is this gateway's own account, for when the fleet cannot be
    /// asked.
    lease: Option<Lease>,
}

impl Slot {
    /// The slot of a key that has spent nothing. The generation follows from the time, so that a
    /// reservation in an earlier slot of the same key is never taken for one in this.
    pub(super) fn new(key: SlotKey, limit: &Limit, now_ms: u64) -> Self {
        Self {
            key,
            limit: limit.id(),
            bucket: Bucket { at_ms: now_ms, ..Bucket::default() },
            generation: (now_ms / EXPIRY_MS) as u32,
            begun_ms: now_ms - now_ms % EXPIRY_MS,
            free_at_ms: now_ms,
            lease: limit.fleet().map(|terms| Lease::new(terms, now_ms)),
            ..Self::default()
        }
    }

    /// Whose it is.
    pub fn key(&self) -> SlotKey {
        self.key
    }

    /// Of which limit.
    pub fn limit(&self) -> LimitId {
        self.limit
    }

    /// Units that were used and have not drained, as of the last change.
    pub fn debt(&self) -> u64 {
        self.bucket.debt
    }

    /// The same of a slot of this Envoy alone; of a fleet's limit, all that this gateway has used since
    /// the slot was made.
    pub fn spent(&self) -> u64 {
        self.lease.map_or(self.bucket.debt, |lease| lease.used)
    }

    /// What the fleet has granted; `None` if it is no limit of a fleet.
    pub fn lease(&self) -> Option<&Lease> {
        self.lease.as_ref()
    }

    pub(super) fn lease_mut(&mut self) -> Option<&mut Lease> {
        self.lease.as_mut()
    }

    /// Units that are reserved, as of the last change.
    pub fn reserved(&self) -> u64 {
        self.reserved.saturating_add(self.reserved_before)
    }

    /// What nine of ten completions of this key stay below, in tokens; 0 if none was seen.
    pub fn percentile(&self) -> u64 {
        self.percentile.into()
    }

    /// The same at `now_ms`, as a request of `limit` would find it.
    #[must_use]
    pub fn as_of(mut self, limit: &Limit, now_ms: u64) -> Self {
        self.advance(limit, now_ms);
        self
    }

    /// The generation that a reservation made now belongs to.
    pub(super) fn generation(&self) -> u32 {
        self.generation
    }

    /// When the slot will be worth nothing, whatever becomes of its reservations.
    pub(super) fn free_at_ms(&self) -> u64 {
        self.free_at_ms
    }

    pub(super) fn begun_ms(&self) -> u64 {
        self.begun_ms
    }

    pub(super) fn bucket(&self) -> &Bucket {
        &self.bucket
    }

    /// Lets time pass: generations end, what is left in the one that expires is charged at that
    /// very time, and debt drains.
    pub(super) fn advance(&mut self, limit: &Limit, now_ms: u64) {
        if self.begun_ms > now_ms.saturating_add(SKEW_MS) {
            // The clock was set back: the generation begins anew, and its reservations live longer.
            self.begun_ms = now_ms;
        }
        for _ in 0..2 {
            let end = self.begun_ms.saturating_add(EXPIRY_MS);
            if end > now_ms {
                break;
            }
            self.end_generation(limit, end);
        }
        // Of further generations nothing is left that could expire.
        let over = now_ms.saturating_sub(self.begun_ms) / EXPIRY_MS;
        self.generation = self.generation.wrapping_add(over as u32);
        self.begun_ms = self.begun_ms.saturating_add(over.saturating_mul(EXPIRY_MS));
        self.bucket.advance(limit, now_ms);
        if let (Some(lease), Some(terms)) = (&mut self.lease, limit.fleet()) {
            lease.advance(terms, now_ms);
        }
        self.check_advanced(now_ms);
    }

    fn end_generation(&mut self, limit: &Limit, end_ms: u64) {
        if self.reserved_before > 0 && limit.measure() != Measure::Concurrent {
            self.bucket.advance(limit, end_ms);
            self.owe(self.reserved_before);
        }
        (self.reserved_before, self.reserved) = (self.reserved, 0);
        self.generation = self.generation.wrapping_add(1);
        self.begun_ms = end_ms;
    }

    /// Units by which `amount` exceeds what is left; 0 if it fits.
    pub(super) fn excess(&self, limit: &Limit, amount: u64) -> u64 {
        let own = self.own_excess(limit, amount);
        let (Some(lease), Some(terms)) = (&self.lease, limit.fleet()) else { return own };
        let asked = self.reserved().saturating_add(amount).saturating_add(lease.withheld(limit));
        let beyond = lease.used.saturating_add(asked).saturating_sub(lease.room(limit, terms));
        match (terms.reachable, terms.away) {
            (true, _) | (false, Away::Deny) => beyond,
            (false, Away::Local) => beyond.min(own),
            (false, Away::Allow) => 0,
        }
    }

    /// The same by this gateway's own account alone.
    pub(super) fn own_excess(&self, limit: &Limit, amount: u64) -> u64 {
        let asked = self.reserved().saturating_add(amount);
        self.bucket.debt.saturating_add(asked).saturating_sub(limit.share().0)
    }

    /// Units that the fleet is to be asked for, after a request exceeded what is left by `excess`; 0 where it
    /// was already. One where all that is lacking is withheld: then the fleet says what it has left.
    pub(super) fn lacking(&self, limit: &Limit, excess: u64) -> u64 {
        let Some(lease) = self.lease.filter(|_| excess > 0) else { return 0 };
        // What may be used before it is granted is no grant: a request that is larger has to have all of it.
        let ahead = match limit.fleet() {
            Some(terms) if lease.sequence > 0 => {
                lease.room(limit, terms).saturating_sub(lease.granted)
            }
            _ => 0,
        };
        let excess = excess.saturating_add(ahead);
        let lacking = excess.saturating_sub(lease.withheld(limit)).max(1);
        if lease.wanted < lacking { lacking } else { 0 }
    }

    fn owe(&mut self, units: u64) {
        self.bucket.owe(units);
        if let Some(lease) = &mut self.lease {
            lease.used = lease.used.saturating_add(units);
        }
    }

    /// Takes `amount`: requests are owed at once, everything else is reserved.
    pub(super) fn take(&mut self, limit: &Limit, amount: u64) {
        match limit.measure() {
            Measure::Requests => self.owe(amount),
            _ => self.reserved = self.reserved.saturating_add(amount),
        }
    }

    /// Undoes [`Self::take`] of a request that was not admitted after all.
    pub(super) fn give_back(&mut self, limit: &Limit, amount: u64, generation: u32) {
        match limit.measure() {
            Measure::Requests => {
                self.bucket.debt = self.bucket.debt.saturating_sub(amount);
                if let Some(lease) = &mut self.lease {
                    lease.used = lease.used.saturating_sub(amount);
                }
            }
            _ => self.settle(amount, generation, 0),
        }
    }

    /// Turns `amount`, reserved in `generation`, into `charge`. Where it has expired it was charged
    /// already; then what was used beyond it is owed in addition, and nothing is given back.
    pub(super) fn settle(&mut self, amount: u64, generation: u32, charge: u64) {
        let owed = match self.reserved_in(generation) {
            Some(reserved) => {
                *reserved = reserved.saturating_sub(amount);
                charge
            }
            None => charge.saturating_sub(amount),
        };
        self.owe(owed);
    }

    /// Moves `amount` from `generation` to this one; false if it has expired.
    pub(super) fn extend(&mut self, amount: u64, generation: u32) -> bool {
        let Some(reserved) = self.reserved_in(generation) else { return false };
        *reserved = reserved.saturating_sub(amount);
        self.reserved = self.reserved.saturating_add(amount);
        true
    }

    fn reserved_in(&mut self, generation: u32) -> Option<&mut u64> {
        match self.generation.wrapping_sub(generation) {
            0 => Some(&mut self.reserved),
            1 => Some(&mut self.reserved_before),
            _ => None,
        }
    }

    /// Learns from the length of a completion. Steps up are nine times as long as steps down, so they
    /// balance where nine of ten completions are shorter; a step is a sixteenth of the value at most, so
    /// that no single completion moves it far.
    pub(super) fn learn(&mut self, tokens: u64) {
        let tokens = u32::try_from(tokens).unwrap_or(u32::MAX).max(1);
        let step = (self.percentile / 144).max(1);
        self.percentile = match self.percentile {
            0 => tokens,
            value if tokens > value => value.saturating_add(step.saturating_mul(9)).min(tokens),
            value => value.saturating_sub(step).max(tokens),
        };
    }

    /// Takes note of when it will be worth nothing.
    pub(super) fn note_worth(&mut self, limit: &Limit) {
        let expired = self.begun_ms.saturating_add(2 * EXPIRY_MS);
        self.free_at_ms = match (self.reserved(), limit.measure()) {
            (0, _) => self.bucket.free_at_ms(limit, 0, 0),
            (_, Measure::Concurrent) => expired,
            (reserved, _) => self.bucket.free_at_ms(limit, reserved, expired),
        };
        self.note_lease_worth();
    }

    /// The same for a fleet's limit, which goes by what the fleet knows of it.
    pub(super) fn note_lease_worth(&mut self) {
        if let Some(lease) = &self.lease {
            self.free_at_ms = lease.free_at_ms(self.bucket.at_ms, self.reserved());
        }
    }
}
