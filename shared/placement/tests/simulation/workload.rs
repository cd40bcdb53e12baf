//! Conversations: a system prompt that many share, then turns that build on each other. The load of
//! `cargo xtask bench placement`.

use weir_fingerprint::boundaries;
use weir_placement::PickRequest;

use crate::random::Random;

/// Tokens per block of the replicas' caches.
pub(crate) const BLOCK_TOKENS: u64 = 16;
const BYTES_PER_TOKEN: u64 = 4;
const SYSTEM_PROMPTS: u64 = 5;
/// Some 400 words.
const SYSTEM_TOKENS: u64 = 640;
const OUTPUT_TOKENS: u64 = 48;

/// A conversation under way. It draws from its own source, so that every policy meets the same
/// turns.
pub(crate) struct Conversation {
    random: Random,
    id: u64,
    system: u64,
    tokens: u64,
    turns_left: u64,
}

/// One request of a conversation.
pub(crate) struct Turn {
    conversation: u64,
    pub(crate) prompt_tokens: u64,
    pub(crate) output_tokens: u64,
    /// Hash of the prompt up to the end of each block, output included, as the replica will cache
    /// it.
    pub(crate) blocks: Vec<u64>,
    /// What the gateway sees: the hashes at the boundaries of the fingerprints.
    fingerprints: Vec<u64>,
}

impl Conversation {
    pub(crate) fn draw(id: u64, seed: u64) -> Self {
        let mut random = Random::new(Random::new(seed).next() ^ id);
        let system = random.between(0, SYSTEM_PROMPTS);
        let turns_left = random.between(2, 9);
        Self { random, id, system, tokens: SYSTEM_TOKENS, turns_left }
    }

    /// The next turn; `None` after the last.
    pub(crate) fn next_turn(&mut self) -> Option<Turn> {
        self.turns_left = self.turns_left.checked_sub(1)?;
        self.tokens += self.random.between(40, 320);
        let (prompt_tokens, output_tokens) = (self.tokens, OUTPUT_TOKENS);
        self.tokens += output_tokens;
        let blocks: Vec<u64> =
            (1..=self.tokens / BLOCK_TOKENS).map(|block| self.hash(block)).collect();
        let block = |bytes: u64| (bytes / BYTES_PER_TOKEN / BLOCK_TOKENS - 1) as usize;
        let bounds = boundaries(0, prompt_tokens * BYTES_PER_TOKEN);
        let fingerprints = bounds.map(|bytes| blocks[block(bytes)]).collect();
        Some(Turn { conversation: self.id, prompt_tokens, output_tokens, blocks, fingerprints })
    }

    /// How long the user thinks after a turn, in s.
    pub(crate) fn think_s(&mut self, mean: f64) -> f64 {
        self.random.exponential(mean)
    }

    fn hash(&self, block: u64) -> u64 {
        let shared = block * BLOCK_TOKENS <= SYSTEM_TOKENS;
        let text = if shared { self.system } else { (self.id << 8) | 0xFF };
        Random::new(text << 24 | block).next()
    }
}

impl Turn {
    /// Blocks of the prompt alone.
    pub(crate) fn prompt_blocks(&self) -> &[u64] {
        &self.blocks[..(self.prompt_tokens / BLOCK_TOKENS) as usize]
    }

    /// What a policy may know of it.
    pub(crate) fn request(&self) -> PickRequest<'_> {
        PickRequest {
            fingerprints: &self.fingerprints,
            prompt_bytes: self.prompt_tokens * BYTES_PER_TOKEN,
            prompt_tokens: u32::try_from(self.prompt_tokens).unwrap(),
            conversation: Some(self.conversation),
            ..PickRequest::default()
        }
    }
}
