//! What a policy may know of a request.

use crate::fingerprint::{BYTES_PER_TOKEN, MAX_COVERED_BYTES, next_boundary, spacing};
use crate::hash::mix;

/// Without a conversation, rendezvous hashing goes by the deepest of this many fingerprints (2048
/// tokens): long enough to tell conversations with one system prompt apart, short enough to be
/// complete at the first turn.
const TELLING_FINGERPRINTS: usize = 32;

/// The facts of one request that matter for placing it. Holds no text of the prompt.
#[derive(Debug, Clone, Copy, Default)]
pub struct PickRequest<'a> {
    /// Fingerprints of the prompt's prefixes, shortest first, as
    /// [`Prefix::fingerprints`](crate::fingerprint::Prefix::fingerprints) gives them.
    pub fingerprints: &'a [u64],
    /// Bytes of the prompt's preamble
    /// ([`Prefix::preamble_bytes`](crate::fingerprint::Prefix::preamble_bytes)).
    pub preamble_bytes: u64,
    /// Bytes of the whole prompt ([`Prefix::bytes`](crate::fingerprint::Prefix::bytes)); 0 if
    /// unknown: then four bytes count as a token.
    pub prompt_bytes: u64,
    /// Estimated tokens of the whole prompt.
    pub prompt_tokens: u32,
    /// Identity of the conversation that is the same at every turn (a hash of the session id, or
    /// [`Prefix::conversation`](crate::fingerprint::Prefix::conversation)), if there is one.
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

/// The boundary at `index` of those that [`boundaries`](crate::fingerprint::boundaries) gives.
fn boundary_at(index: usize, preamble_bytes: u64, bytes: u64) -> Option<u64> {
    if preamble_bytes > 0 {
        return boundary_of_two(index, preamble_bytes, bytes);
    }
    // One grid, so every boundary is kept: no need to walk there.
    let count = u64::try_from(index).ok()?.saturating_add(1);
    let position = match count {
        0..=64 => count * 256,
        65..=112 => count * 1024 - 48 * 1024,
        _ => count.saturating_mul(4096) - 384 * 1024,
    };
    Some(position).filter(|position| *position <= bytes.min(MAX_COVERED_BYTES))
}

/// The same for a prompt with a preamble.
#[inline(never)]
fn boundary_of_two(mut index: usize, preamble_bytes: u64, bytes: u64) -> Option<u64> {
    let turns_bytes = bytes.saturating_sub(preamble_bytes);
    let mut last = 0;
    for (start, len) in [(0, preamble_bytes), (preamble_bytes, turns_bytes)] {
        let mut place = 0;
        while let Some(next) = next_boundary(place).filter(|next| *next <= len) {
            place = next;
            let position = start.saturating_add(next);
            if position.saturating_sub(last) >= spacing(position) && position <= MAX_COVERED_BYTES {
                if index == 0 {
                    return Some(position);
                }
                index -= 1;
                last = position;
            }
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fingerprint::{MAX_FINGERPRINTS, boundaries};
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    #[test]
    fn each_boundary_is_found_by_its_index() {
        let lengths = [0, 1, 255, 256, 300, 1000, 16_384, 17_000, 70_000, 600_000, u64::MAX];
        for (preamble, bytes) in lengths.iter().flat_map(|a| lengths.map(|b| (*a, b))) {
            let all: Vec<u64> = boundaries(preamble, bytes).collect();
            let found = (0..=2 * MAX_FINGERPRINTS).map_while(|at| boundary_at(at, preamble, bytes));
            assert_eq!(found.collect::<Vec<_>>(), all, "{preamble} of {bytes}");
        }
    }
}
