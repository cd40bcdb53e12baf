//! The clock of "last use", and replicas that were restarted.

use super::{PrefixIndex, ReplicaId};

/// A tick is 2^14 ns: the 48 bits that an entry has for it then last until 2116.
const TICK_SHIFT: u32 = 14;

/// The host's clock is that of the wall: where ticks are so far ahead of it, it was set back. One minute in ticks.
const SET_BACK_TICKS: u64 = 60_000_000_000 >> TICK_SHIFT;

impl PrefixIndex {
    /// Lets the clock of "last use" go on to `now_ns`. Workers that share what they learn need a common clock;
    /// without one, each request is a tick.
    pub fn advance(&mut self, now_ns: u64) {
        self.tick = self.tick.max(now_ns >> TICK_SHIFT);
    }

    /// Takes notice of the generations of the replicas with these ids, as a view shows them that was received at
    /// `received_ns`: a replica with another one than before was restarted, and has an empty cache.
    pub(crate) fn note_generations(
        &mut self,
        generations: impl Iterator<Item = (ReplicaId, Option<u32>)>,
        received_ns: u64,
    ) {
        let received = received_ns >> TICK_SHIFT;
        // Workers that see the view later agree on what is older than it.
        let set_back = self.tick > received.saturating_add(SET_BACK_TICKS);
        let restarted_at = if set_back { self.tick } else { received };
        for (replica, generation) in generations {
            if generation.is_some_and(|generation| self.replicas.renew(replica, generation)) {
                self.replicas.expire(replica, restarted_at);
            }
        }
    }
}
