//! What one gateway has of a fleet's limit for one key: all that was granted, all that was used.
//!
//! Both are totals since the slot was made, so that a message about them can be lost, come twice or come
//! late without counting anything twice. What was granted and not used is the lease.

use super::limit::{FleetTerms, Limit};

/// Bytes of a lease: little-endian used, granted, charged, wanted, left, retry at, whether it fell (u64
/// each), sequence, born (u32 each).
pub const LEASE_BYTES: usize = 64;

/// How long a slot that nothing is owed of is kept, in ms: a key that comes back sooner needs no first
/// grant.
const KEPT_MS: u64 = 10_000;

/// How long one is kept of which the fleet was not told yet, in ms: a day.
const KEPT_UNTOLD_MS: u64 = 86_400_000;

/// What [`Lease::born`] says of a slot that goes by this Envoy's own digest, because no sidecar has told the fleet's.
const UNNAMED: u32 = 0;

/// Of what the fleet had left, the part that may be used before it is granted: an eighth, so that the last of a limit is not
/// spent by several gateways at once.
const LEFT_PART: u64 = 8;

/// What one gateway has of one key of a fleet's limit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Lease {
    /// Units used since the slot was made.
    pub used: u64,
    /// Units granted since then.
    pub granted: u64,
    /// Of those used, how many the fleet is known to have charged.
    pub charged: u64,
    /// Units that a request lacked which was refused since the last grant.
    pub wanted: u64,
    /// Units that the fleet had left after the last grant.
    pub left: u64,
    /// When a grant of what was wanted may be expected, in ms since 1970.
    pub retry_at_ms: u64,
    /// Whether the last grant took something back: the fleet has it only once it is told that.
    pub fell: bool,
    /// Number of the last grant; 0 before the first.
    pub sequence: u32,
    /// Tells this slot from an earlier one of the same key; [`UNNAMED`] for one that the fleet knows nothing of.
    pub born: u32,
}

/// What the fleet grants.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Granted {
    /// Of which slot of the key: [`Lease::born`].
    pub born: u32,
    /// Number of the grant. Only a greater one than the last counts.
    pub sequence: u32,
    /// Units granted since the slot was made. Fewer than before take back what is not used.
    pub total: u64,
    /// Of the units used, how many are charged.
    pub charged: u64,
    /// Units that are left for all gateways.
    pub left: u64,
    /// ms until what was wanted may be granted; 0 if it was.
    pub retry_ms: u64,
}

impl Lease {
    /// The lease of a key that was granted nothing.
    pub(super) fn new(terms: &FleetTerms, now_ms: u64) -> Self {
        let mut lease = Self::default();
        lease.advance(terms, now_ms);
        lease
    }

    /// Tells the fleet of a slot that it can know: one that was found by the fleet's digest, or the one that keys without a
    /// slot share, which is called the same everywhere.
    pub(super) fn advance(&mut self, terms: &FleetTerms, now_ms: u64) {
        if terms.named && self.born == UNNAMED {
            self.born = (now_ms as u32).max(UNNAMED + 1);
        }
    }

    /// How much may be used in all: what was granted, and a little that the fleet hears of afterwards. Otherwise a key
    /// that rests, whose grants have gone back, would be refused with each request that comes after a pause.
    ///
    /// What is beyond grants counts as granted once the fleet has charged it, so that it is never more than `first`.
    pub(super) fn room(&self, limit: &Limit, terms: &FleetTerms) -> u64 {
        let left = self.left.saturating_sub(limit.withheld());
        let ahead = match (terms.reachable, self.sequence) {
            (false, _) => 0,
            (true, 0) => terms.first,
            (true, _) => terms.first.min(left / LEFT_PART),
        };
        self.granted.saturating_add(ahead)
    }

    /// What is left for all gateways as far as this one knows, after it has used and reserved `used` in all.
    pub(super) fn remaining(&self, limit: &Limit, terms: &FleetTerms, used: u64) -> u64 {
        // What may be used beyond grants is of what the fleet has left, but before the first grant nobody has said that.
        let own = if self.sequence == 0 { self.room(limit, terms) } else { self.granted };
        own.saturating_add(self.left).saturating_sub(used).saturating_sub(limit.withheld())
    }

    /// Of what a saturated pool withholds, what the fleet has not left: this gateway holds it back of its own.
    pub(super) fn withheld(&self, limit: &Limit) -> u64 {
        // Before the first grant nobody knows what is left.
        let left = if self.sequence == 0 { u64::MAX } else { self.left };
        limit.withheld().saturating_sub(left)
    }

    /// When the slot may be given to another key: not before the fleet has charged all that was used,
    /// and has back what was not.
    pub(super) fn free_at_ms(&self, changed_ms: u64, reserved: u64) -> u64 {
        let owed = self.born != UNNAMED && (self.is_untold() || self.fell) || reserved > 0;
        let kept = if owed { KEPT_UNTOLD_MS } else { KEPT_MS };
        changed_ms.saturating_add(kept).max(self.retry_at_ms)
    }

    /// Whether the fleet has to be told of it.
    pub(super) fn is_due(&self, reserved: u64) -> bool {
        let told = self.is_untold() || self.fell || self.wanted > 0 || reserved > 0;
        told && self.born != UNNAMED
    }

    /// Whether something was used that is not charged, or granted that is not used.
    fn is_untold(&self) -> bool {
        differ(self.used, self.charged) || differ(self.granted, self.used)
    }

    /// Takes over a grant; false if it changes nothing.
    ///
    /// What is used or reserved cannot be taken back, so the total in force may be greater than the one
    /// that was told. The number says which grant that is.
    pub(super) fn apply(&mut self, grant: &Granted, reserved: u64, now_ms: u64) -> bool {
        let before = *self;
        let ahead = grant.sequence.wrapping_sub(self.sequence);
        if ahead != 0 && ahead <= u32::MAX / 2 {
            let needed = self.used.saturating_add(reserved);
            let lowered = grant.total.max(needed).min(self.granted);
            self.granted = grant.total.max(lowered);
            self.fell = self.granted < before.granted;
            self.sequence = grant.sequence;
            self.wanted = 0;
            // Where something is taken back, what was said of more still holds.
            if grant.retry_ms > 0 {
                self.retry_at_ms = now_ms.saturating_add(grant.retry_ms);
            } else if grant.total > before.granted {
                self.retry_at_ms = 0;
            }
        }
        if self.sequence == grant.sequence {
            self.charged = self.charged.max(grant.charged.min(self.used));
            self.left = grant.left;
        }
        *self != before
    }

    /// Writes it to the beginning of `bytes`.
    pub(super) fn encode(&self, bytes: &mut [u8]) {
        let longs =
            [self.used, self.granted, self.charged, self.wanted, self.left, self.retry_at_ms];
        let ints = u64::from(self.sequence) | u64::from(self.born) << 32;
        let all = longs.into_iter().chain([self.fell.into(), ints]);
        for (place, value) in bytes.as_chunks_mut().0.iter_mut().zip(all) {
            *place = value.to_le_bytes();
        }
    }

    /// A lease from any bytes.
    pub(super) fn decode(bytes: &[u8; LEASE_BYTES]) -> Self {
        let mut longs = [0; LEASE_BYTES / 8];
        for (value, place) in longs.iter_mut().zip(bytes.as_chunks().0) {
            *value = u64::from_le_bytes(*place);
        }
        let [used, granted, charged, wanted, left, retry_at_ms, fell, ints] = longs;
        let (fell, sequence, born) = (fell != 0, ints as u32, (ints >> 32) as u32);
        Self { used, granted, charged, wanted, left, retry_at_ms, fell, sequence, born }
    }
}

/// Whether two totals differ by more than what Redis, which reckons in doubles, rounds away: nothing below
/// 2^50 units.
fn differ(a: u64, b: u64) -> bool {
    a.abs_diff(b) > a.max(b) >> 50
}
