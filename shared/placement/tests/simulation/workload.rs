//! Conversations: a system prompt that many share, then turns that build on each other.

use weir_fingerprint::boundaries;

use crate::random::Random;

/// Tokens per block of the replicas' caches, and of the finest fingerprints.
pub(crate) const BLOCK_TOKENS: u64 = 64;
const BYTES_PER_TOKEN: u64 = 4;
const SYSTEM_PROMPTS: u64 = 12;

/// A conversation under way. It draws from its own source, so that every policy meets the same
/// turns.
pub(crate) struct Conversation {
    random: Random,
    id: u64,
    system: u64,
    system_tokens: u64,
    tokens: u64,
    turns_left: u64,
}

/// One request of a conversation.
pub(crate) struct Turn {
    pub(crate) conversation: u64,
    pub(crate) prompt_tokens: u64,
    pub(crate) output_tokens: u64,
    /// Hash of the prompt up to the end of each block, output included, as the replica will cache
    /// it.
    pub(crate) blocks: Vec<u64>,
}

impl Conversation {
    /// The next one: popular system prompts are drawn more often, and each has its own length.
    pub(crate) fn draw(id: u64, seed: u64) -> Self {
        let mut random = Random::new(Random::new(seed).next() ^ id);
        let system = random.between(0, SYSTEM_PROMPTS).min(random.between(0, SYSTEM_PROMPTS));
        let system_tokens = 256 + 384 * (system % 6);
        let turns_left = random.between(1, 9);
        Self { random, id, system, system_tokens, tokens: system_tokens, turns_left }
    }

    /// The next turn; `None` after the last.
    pub(crate) fn next_turn(&mut self) -> Option<Turn> {
        let random = &mut self.random;
        self.turns_left = self.turns_left.checked_sub(1)?;
        let long = random.between(0, 10) == 0;
        self.tokens += if long { random.between(1000, 6000) } else { random.between(30, 400) };
        let prompt_tokens = self.tokens;
        let output_tokens = random.between(20, 250);
        self.tokens += output_tokens;
        let blocks = (1..=self.tokens / BLOCK_TOKENS).map(|block| self.hash(block)).collect();
        Some(Turn { conversation: self.id, prompt_tokens, output_tokens, blocks })
    }

    /// How long the user thinks after a turn, in s.
    pub(crate) fn think_s(&mut self, mean: f64) -> f64 {
        self.random.exponential(mean)
    }

    fn hash(&self, block: u64) -> u64 {
        let shared = block * BLOCK_TOKENS <= self.system_tokens;
        let text = if shared { self.system } else { (self.id << 8) | 0xFF };
        Random::new(text << 24 | block).next()
    }
}

impl Turn {
    /// Blocks of the prompt alone.
    pub(crate) fn prompt_blocks(&self) -> &[u64] {
        &self.blocks[..(self.prompt_tokens / BLOCK_TOKENS) as usize]
    }

    pub(crate) fn prompt_bytes(&self) -> u64 {
        self.prompt_tokens * BYTES_PER_TOKEN
    }

    /// What the gateway sees: the hashes at the boundaries of the fingerprints.
    pub(crate) fn fingerprints(&self) -> Vec<u64> {
        let blocks = self.prompt_blocks();
        let block = |bytes: u64| (bytes / BYTES_PER_TOKEN / BLOCK_TOKENS - 1) as usize;
        boundaries(0, self.prompt_bytes()).map(|bytes| blocks[block(bytes)]).collect()
    }
}
