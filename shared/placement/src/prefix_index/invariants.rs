//! What holds of the index between any two calls. Looked at where debug assertions are on, so never in a module that is shipped.

use super::PrefixIndex;
use crate::request::PickRequest;

/// Bytes of a table that is looked through after every call: that of 4096 entries, as tests have. One of the default size would
/// take a ms.
const SMALL_BYTES: usize = 4096 * 24;

impl PrefixIndex {
    /// Fails where something does not hold that always must: every replica has one place and every place in use one replica, no
    /// prefix stands twice in a bucket, and nothing was used by a replica that there is not, or later than now. Does nothing
    /// without debug assertions.
    pub fn check_invariants(&self) {
        if cfg!(debug_assertions) {
            self.replicas.check_invariants();
            self.table.check_invariants(self.tick, |group| self.replicas.in_use(group));
        }
    }

    /// The same after a call, where it takes no time to speak of.
    pub(super) fn debug_check(&self) {
        if cfg!(debug_assertions) && self.bytes() <= SMALL_BYTES {
            self.check_invariants();
        }
    }

    /// Whether `replica` is thought to have a longer prefix of the request than its first `kept` fingerprints.
    pub(super) fn has_beyond(
        &self,
        request: &PickRequest<'_>,
        replica: super::ReplicaId,
        kept: usize,
    ) -> bool {
        self.deepest_of(request.fingerprints, replica).is_some_and(|found| found.index >= kept)
    }
}

#[cfg(all(test, debug_assertions, not(target_arch = "wasm32")))]
mod tests {
    use super::*;

    #[test]
    #[should_panic(expected = "used later than now")]
    fn a_clock_that_goes_back_is_noticed_with_the_next_call() {
        let mut prefixes = PrefixIndex::with_capacity(8);
        let ids = prefixes.register(&[7]);
        let request =
            PickRequest { fingerprints: &[1], prompt_tokens: 64, ..PickRequest::default() };
        prefixes.learn(&request, ids[0]);
        prefixes.tick = 1;
        prefixes.register(&[7]);
    }
}
