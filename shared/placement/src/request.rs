//! What a policy may know of a request.

use crate::depth::covered_tokens;
use crate::hash::mix;

/// The facts of one request that matter for placing it. Holds no text of the prompt.
#[derive(Debug, Clone, Copy, Default)]
pub struct PickRequest<'a> {
    /// Fingerprints of the prompt's prefixes, shortest first.
    pub fingerprints: &'a [u64],
    /// Estimated tokens of the whole prompt.
    pub prompt_tokens: u32,
    /// Identity of the conversation that is the same at every turn (a session id, or a hash of the first user
    /// message), if there is one.
    pub conversation: Option<u64>,
    /// LoRA adapter that the request needs.
    pub adapter: Option<&'a [u8]>,
    /// Value of `x-gateway-destination-endpoint-subset`: the only addresses allowed, comma-separated.
    pub subset: Option<&'a [u8]>,
}

impl PickRequest<'_> {
    /// What rendezvous hashing goes by: the conversation, else a prefix that is the same at every turn.
    ///
    /// The prefix should be long enough to tell conversations with one system prompt apart, and short enough to be
    /// complete at the first turn.
    pub(crate) fn rendezvous_seed(&self) -> u64 {
        const TELLING_TOKENS: u32 = 2048;
        let telling = |index: &usize| covered_tokens(*index) <= TELLING_TOKENS;
        let index = (0..self.fingerprints.len()).take_while(telling).last();
        let prefix = index.and_then(|index| self.fingerprints.get(index)).copied();
        // A request too short for a fingerprint goes anywhere: it costs the same everywhere.
        self.conversation.or(prefix).map_or(0, |seed| mix(seed, 0))
    }
}
