//! What other workers have learned.

use weir_fingerprint::MAX_FINGERPRINTS;

use super::PrefixIndex;
use super::table::{Entry, Key};
use crate::prefix_event::{CacheChange, PrefixEvent};

impl PrefixIndex {
    /// Takes over what another worker has learned. What is known to be gone from the replica stays gone, and a
    /// replica that no view has named yet is left out.
    pub fn merge(&mut self, event: &PrefixEvent<'_>) {
        let Some(replica) = self.replicas.find(event.replica) else { return };
        let Some(group) = replica.group() else { return };
        match event.change {
            CacheChange::Evicted => self.replicas.expire(replica, event.tick),
            CacheChange::TakenBack { kept } => {
                let mut marks = [0; MAX_FINGERPRINTS];
                for key in Key::of_all(event.read_fingerprints(&mut marks)).skip(kept.into()) {
                    self.table.remove(key, group, replica.bit());
                }
            }
            CacheChange::Served => {
                if !self.replicas.confirm_elsewhere(replica, event.tick) {
                    return;
                }
                // What is placed here from now on is used later.
                self.tick = self.tick.max(event.tick);
                let replicas = &self.replicas;
                let live = |entry: &Entry| replicas.live(group, entry.replicas, entry.tick());
                let mut marks = [0; MAX_FINGERPRINTS];
                for key in Key::of_all(event.read_fingerprints(&mut marks)) {
                    self.table.update(key, group, event.tick, replica.bit(), live);
                }
            }
        }
        debug_assert!(
            self.replicas.holds(replica),
            "an event gives nobody a place, and takes none"
        );
        self.debug_check();
    }
}
