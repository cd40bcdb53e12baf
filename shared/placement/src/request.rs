//! What a policy may know of a request.

use weir_fingerprint::{BYTES_PER_TOKEN, MAX_COVERED_BYTES, boundary_at};

use crate::hash::mix;

/// Without a conversation, rendezvous hashing goes by the deepest of this many fingerprints (2048
/// tokens): long enough to tell conversations with one system prompt apart, short enough to be
/// complete at the first turn.
const TELLING_FINGERPRINTS: usize = 32;

/// The facts of one request that matter for placing it. Holds no text of the prompt.
#[derive(Debug, Clone, Copy, Default)]
pub struct PickRequest<'a> {
    /// Fingerprints of the prompt's prefixes, shortest first, as
    /// [`Prefix::fingerprints`](weir_fingerprint::Prefix::fingerprints) gives them.
    pub fingerprints: &'a [u64],
    /// Bytes of the prompt's preamble
    /// ([`Prefix::preamble_bytes`](weir_fingerprint::Prefix::preamble_bytes)).
    pub preamble_bytes: u64,
    /// Bytes of the whole prompt ([`Prefix::bytes`](weir_fingerprint::Prefix::bytes)); 0 if
    /// unknown: then four bytes count as a token.
    pub prompt_bytes: u64,
    /// Estimated tokens of the whole prompt.
    pub prompt_tokens: u32,
    /// Identity of the conversation that is the same at every turn (a hash of the session id, or
    /// [`Prefix::conversation`](weir_fingerprint::Prefix::conversation)), if there is one.
    pub conversation: Option<u64>,
    /// LoRA adapter that the request needs.
    pub adapter: Option<&'a [u8]>,
    /// Value of `x-gateway-destination-endpoint-subset`: the only addresses allowed,
    /// comma-separated.
    pub subset: Option<&'a [u8]>,
}

/// What rendezvous hashing of a request goes by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct RendezvousSeed {
    pub(crate) value: u64,
    /// Whether later turns of the conversation have the same one.
    pub(crate) stable: bool,
}

impl PickRequest<'_> {
    /// The conversation, else the prefix that is most likely the same at every turn.
    pub(crate) fn rendezvous_seed(&self) -> RendezvousSeed {
        let mut start = self.fingerprints.iter().take(TELLING_FINGERPRINTS);
        let complete = start.len() == TELLING_FINGERPRINTS;
        // A request too short for a fingerprint costs the same everywhere, so it may always go the
        // same way.
        let value = self.conversation.or(start.next_back().copied()).unwrap_or(0);
        RendezvousSeed { value: mix(value, 0), stable: self.conversation.is_some() || complete }
    }

    /// Tokens covered by the fingerprint at `index`; 0 if the prompt has no such boundary.
    pub(crate) fn covered_tokens(&self, index: usize) -> u32 {
        // Where the length is unknown, every boundary is assumed to be there.
        let (bytes, tokens) = match self.prompt_bytes {
            0 => (MAX_COVERED_BYTES, MAX_COVERED_BYTES / BYTES_PER_TOKEN),
            bytes => (bytes, u64::from(self.prompt_tokens)),
        };
        let boundary = boundary_at(index, self.preamble_bytes, bytes).unwrap_or(0);
        // A boundary lies within the prompt and the first 512 KiB, so neither step can overflow.
        u32::try_from(boundary * tokens / bytes).unwrap_or(u32::MAX)
    }
}
