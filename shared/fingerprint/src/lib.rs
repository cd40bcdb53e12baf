//! Prefix fingerprints: one hash chain over the canonical prompt, read out at growing boundaries.
//!
//! Two prompts that share their first `n` bytes share every fingerprint whose boundary is at most
//! `n`, so the longest shared prefix of a request and of what a replica has seen is the last
//! fingerprint they have in common. A boundary lies every 256 bytes (64 tokens at 4 bytes a
//! token) up to 16 KiB, every 1 KiB up to 64 KiB, and every 4 KiB up to 512 KiB: at most
//! [`MAX_FINGERPRINTS`], and a prefix of 4 KiB or more is understated by at most 1/16.
//!
//! The chain is not cryptographic. A client that makes two prompts collide only misplaces its own
//! requests: what separates tenants (the cache salt) is in the [`Seed`].

mod boundary;
mod chain;

pub use boundary::{MAX_COVERED_BYTES, MAX_FINGERPRINTS, boundaries, boundary_at, covered_tokens};
pub use chain::{Chain, text_hash};

use boundary::candidates;
use chain::mix;

/// Bytes of text in one token, as used when nothing better is known about a prompt.
pub const BYTES_PER_TOKEN: u64 = 4;

/// How many bytes of a prompt without turns make up its conversation fingerprint.
const CONVERSATION_BYTES: u64 = 1024;

/// The identity of one prompt prefix for one model, adapter, cache salt and set of tools.
pub type Fingerprint = u64;

/// Everything besides the text that decides whether two requests can share a KV cache.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Seed(u64);

impl Seed {
    /// Mixes the served model, its LoRA adapter, the [`text_hash`] of the cache salt and the hash
    /// of the tool definitions (0 when there are none).
    pub fn new(model: &str, adapter: Option<&str>, cache_salt: Option<u64>, tools: u64) -> Self {
        let adapter = adapter.map_or(0, |name| mix(text_hash(name.as_bytes()), 1));
        let salt = cache_salt.map_or(0, |salt| mix(salt, 2));
        let model = text_hash(model.as_bytes());
        Self(mix(mix(mix(model, adapter), salt), tools))
    }

    fn apply(self, mark: u64) -> Fingerprint {
        mix(mark, self.0)
    }
}

/// Builds the chain of one prompt.
///
/// A prompt has two parts: the *preamble* (a system prompt that is a field of its own, which some
/// clients write after the messages) and the *turns*. Both may be pushed in any order and in any
/// pieces; in the fingerprints the preamble always comes first.
#[derive(Clone, Debug, Default)]
pub struct PrefixChain {
    preamble: Chain,
    turns: Chain,
    conversation: Option<u64>,
}

impl PrefixChain {
    /// An empty prompt.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds text of the preamble.
    pub fn push_preamble(&mut self, text: &[u8]) {
        self.preamble.push(text);
    }

    /// Adds text of the turns.
    pub fn push_turns(&mut self, text: &[u8]) {
        self.turns.push(text);
    }

    /// The chain of the preamble, to push to.
    pub fn preamble(&mut self) -> &mut Chain {
        &mut self.preamble
    }

    /// The chain of the turns, to push to.
    pub fn turns(&mut self) -> &mut Chain {
        &mut self.turns
    }

    /// Marks the end of the first user message; later calls change nothing. `pending` is text of
    /// the turns that belongs to the message but has not been pushed yet.
    pub fn end_first_user_message(&mut self, pending: &[u8]) {
        let turns = &self.turns;
        self.conversation.get_or_insert_with(|| {
            let mut until_here = turns.position();
            until_here.push(pending);
            until_here.digest()
        });
    }

    /// Whether the end of the first user message was marked.
    pub fn has_conversation(&self) -> bool {
        self.conversation.is_some()
    }

    /// Ends the prompt.
    pub fn finish(self) -> Prefix {
        let start = || self.turns.mark_at(CONVERSATION_BYTES);
        let conversation = self.conversation.or_else(start).unwrap_or_else(|| self.turns.digest());
        Prefix {
            preamble_bytes: self.preamble.len(),
            preamble_digest: self.preamble.digest(),
            bytes: self.preamble.len().saturating_add(self.turns.len()),
            preamble: self.preamble.into_marks(),
            turns: self.turns.into_marks(),
            conversation,
        }
    }
}

/// The finished chain of one prompt, before the [`Seed`] is known.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Prefix {
    preamble_bytes: u64,
    preamble_digest: u64,
    bytes: u64,
    preamble: Vec<u64>,
    turns: Vec<u64>,
    conversation: u64,
}

impl Prefix {
    /// Bytes of the canonical prompt.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Bytes of the preamble, the part of [`Self::bytes`] that comes first.
    pub fn preamble_bytes(&self) -> u64 {
        self.preamble_bytes
    }

    /// The fingerprints for one seed, shortest prefix first, one per boundary of
    /// [`Self::boundaries`].
    pub fn fingerprints(&self, seed: Seed) -> Vec<Fingerprint> {
        if self.preamble_bytes == 0 {
            // One grid, so every boundary is kept.
            return self.turns.iter().map(|mark| seed.apply(*mark)).collect();
        }
        let preamble = self.preamble.iter().map(|mark| seed.apply(*mark));
        let after = Seed(seed.apply(self.preamble_digest));
        let turns = self.turns.iter().map(|mark| after.apply(*mark));
        let places = candidates(self.preamble_bytes, self.bytes);
        places
            .zip(preamble.chain(turns))
            .filter_map(|((_, kept), mark)| kept.then_some(mark))
            .collect()
    }

    /// Where the fingerprints end, in bytes of the canonical prompt.
    pub fn boundaries(&self) -> impl Iterator<Item = u64> {
        boundaries(self.preamble_bytes, self.bytes)
    }

    /// The fingerprint of the conversation: the prompt up to the end of the first user message
    /// (of its first 1 KiB where there are no turns). It stays the same while the conversation
    /// grows.
    pub fn conversation(&self, seed: Seed) -> Fingerprint {
        let start = mix(self.conversation, self.preamble_digest);
        seed.apply(start)
    }
}

#[cfg(test)]
mod tests;
