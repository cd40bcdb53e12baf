//! The clock of "last use", and replicas that were restarted.

use super::replicas::MAX_REPLICAS;
use super::{Eviction, PrefixIndex, ReplicaId};

/// A tick is 2^14 ns: the 48 bits that an entry has for it then last until 2116.
const TICK_SHIFT: u32 = 14;

impl PrefixIndex {
    /// Lets the clock of "last use" go on to `now_ns`. Workers that share what they learn need a common clock;
    /// without one, each request is a tick.
    pub fn advance(&mut self, now_ns: u64) {
        self.tick = self.tick.max(now_ns >> TICK_SHIFT);
    }

    /// Takes notice of the generations of the replicas with these ids: a replica with another one than before was
    /// restarted, and all that is known of its cache is gone.
    pub(crate) fn note_generations(
        &mut self,
        generations: impl Iterator<Item = (ReplicaId, Option<u32>)>,
    ) {
        for (replica, generation) in generations {
            if generation.is_some_and(|generation| self.replicas.renew(replica, generation)) {
                // What other workers tell next may be newer than the restart: it stays.
                let tick = self.tick;
                self.replicas.expire(replica, tick);
                if self.restarted.len() < usize::from(MAX_REPLICAS) {
                    self.restarted.push(Eviction { replica: replica.key(), tick });
                }
            }
        }
    }

    /// Replicas that were found to be restarted since the last call, for other workers to know.
    pub fn take_restarted(&mut self) -> Vec<Eviction> {
        std::mem::take(&mut self.restarted)
    }
}
