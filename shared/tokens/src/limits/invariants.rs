//! What holds of a page of slots after every change. Looked at where debug assertions are on, so never in a module that is shipped.

use super::page::{PAGE_SLOTS, Page};
use super::slot::{EXPIRY_MS, Slot};

impl Page {
    /// Fails where something does not hold that always must: not too many slots. Does nothing without debug assertions.
    pub fn check_invariants(&self) {
        let slots = self.slots().count();
        debug_assert!(slots <= PAGE_SLOTS, "{slots} slots");
    }

    /// The same once `slot` was put to `place`, where it must be found again.
    pub(super) fn check_put(&self, place: usize, slot: &Slot) {
        if cfg!(debug_assertions) {
            self.check_invariants();
            let found = self.slots().position(|other| other.key() == slot.key());
            debug_assert_eq!(found, Some(place), "a key has no slot, or another");
        }
    }
}

impl Slot {
    /// Fails where a slot that time has passed for is not as of `now_ms`.
    pub(super) fn check_advanced(&self, now_ms: u64) {
        let lasts = now_ms.saturating_sub(self.begun_ms());
        debug_assert!(lasts < EXPIRY_MS, "a generation that has ended goes on");
        let ahead = self.begun_ms().saturating_sub(now_ms);
        debug_assert!(
            ahead <= super::bucket::SKEW_MS,
            "a generation of a time that is yet to come"
        );
    }
}
