//! The clock of "last use", and replicas that were restarted.

use super::{PrefixIndex, ReplicaId};

/// A tick is 2^14 ns: the 48 bits that an entry has for it then last until 2116.
pub(crate) const TICK_SHIFT: u32 = 14;

/// Ticks that are so far ahead of a restart were made by a clock that has been set back since: an hour.
const SET_BACK_TICKS: u64 = 3_600_000_000_000 >> TICK_SHIFT;

impl PrefixIndex {
    /// Lets the clock of "last use" go on to `now_ns`. Workers that share what they learn need a common clock;
    /// without one, each request is a tick.
    pub fn advance(&mut self, now_ns: u64) {
        self.tick = self.tick.max(now_ns >> TICK_SHIFT);
    }

    /// Takes notice of the generations of the replicas with these ids, and of how long ago in ms the sidecar saw a
    /// restart, if it did: a replica with another generation than before was restarted, and all that it used last before
    /// is gone. The time is the snapshot's, so workers agree on it whenever they see it.
    pub(crate) fn note_generations(
        &mut self,
        generations: impl Iterator<Item = (ReplicaId, Option<u32>, Option<u32>)>,
        received_ns: u64,
    ) {
        for (replica, generation, age_ms) in generations {
            let seen = age_ms.is_some();
            if generation.is_some_and(|number| self.replicas.renew(replica, number, seen)) {
                let age_ns = u64::from(age_ms.unwrap_or(0)) * 1_000_000;
                let began = received_ns.saturating_sub(age_ns) >> TICK_SHIFT;
                // A clock that was set back makes all that is known older.
                let set_back = self.tick > began.saturating_add(SET_BACK_TICKS);
                self.replicas.expire(replica, if set_back { self.tick } else { began });
            }
        }
        self.debug_check();
    }
}
