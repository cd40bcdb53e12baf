//! The prefix cache: KV blocks shared by requests that begin with the same tokens.
//!
//! As in vLLM, only whole blocks are cached, each identified by its own tokens and all before it;
//! blocks of running requests are held, the others are kept until their room is needed, the least
//! recently used first and of one request the last block first.

use std::collections::{BTreeMap, HashMap};

use xxhash_rust::xxh3::xxh3_64_with_seed;

/// Tokens in one block of the KV cache (vLLM's default).
pub const BLOCK_TOKENS: usize = 16;

/// Bytes of prompt that stand for one token; close to the average of English text.
pub const TOKEN_BYTES: usize = 4;

const BLOCK_BYTES: usize = BLOCK_TOKENS * TOKEN_BYTES;

/// The number of tokens that `text` stands for.
pub(crate) fn token_count(text: &str) -> usize {
    text.len().div_ceil(TOKEN_BYTES)
}

/// Identities of the whole blocks of `text`, in order; `seed` keeps models, adapters and cache salts
/// apart.
pub(crate) fn block_chain(seed: u64, text: &str) -> Vec<u64> {
    let extend = |previous: &mut u64, block: &[u8]| {
        *previous = xxh3_64_with_seed(block, *previous);
        Some(*previous)
    };
    text.as_bytes().chunks_exact(BLOCK_BYTES).scan(seed, extend).collect()
}

/// A bounded set of blocks.
#[derive(Debug)]
pub(crate) struct PrefixCache {
    capacity: usize,
    clock: u64,
    blocks: HashMap<u64, Holding>,
    /// Blocks that nobody holds, by the time of their release.
    idle: BTreeMap<u64, u64>,
}

#[derive(Debug)]
struct Holding {
    holders: usize,
    released: u64,
}

impl PrefixCache {
    /// An empty cache of `capacity` blocks.
    pub(crate) fn new(capacity: usize) -> Self {
        Self { capacity, clock: 0, blocks: HashMap::new(), idle: BTreeMap::new() }
    }

    /// How many blocks at the start of `chain` are cached.
    pub(crate) fn matched(&self, chain: &[u64]) -> usize {
        chain.iter().take_while(|block| self.blocks.contains_key(block)).count()
    }

    /// Holds the blocks of `chain`, adding those that are missing; returns how many could be held
    /// before the cache was full of held blocks.
    pub(crate) fn hold(&mut self, chain: &[u64]) -> usize {
        chain.iter().take_while(|block| self.hold_block(**block)).count()
    }

    /// Gives back blocks that [`PrefixCache::hold`] held.
    pub(crate) fn release(&mut self, held: &[u64]) {
        for block in held.iter().rev() {
            self.release_block(*block);
        }
    }

    /// The share of the capacity that running requests hold, 0 to 1.
    pub(crate) fn held_share(&self) -> f64 {
        let held = self.blocks.len().saturating_sub(self.idle.len());
        if self.capacity == 0 { 0.0 } else { held as f64 / self.capacity as f64 }
    }

    /// Forgets the blocks that nobody holds.
    pub(crate) fn clear(&mut self) {
        for block in std::mem::take(&mut self.idle).into_values() {
            self.blocks.remove(&block);
        }
    }

    fn hold_block(&mut self, block: u64) -> bool {
        if let Some(holding) = self.blocks.get_mut(&block) {
            if holding.holders == 0 {
                self.idle.remove(&holding.released);
            }
            holding.holders = holding.holders.saturating_add(1);
            return true;
        }
        if self.blocks.len() >= self.capacity && !self.evict() {
            return false;
        }
        self.blocks.insert(block, Holding { holders: 1, released: 0 });
        true
    }

    fn evict(&mut self) -> bool {
        let oldest = self.idle.pop_first();
        oldest.is_some_and(|(_, block)| self.blocks.remove(&block).is_some())
    }

    fn release_block(&mut self, block: u64) {
        let Some(holding) = self.blocks.get_mut(&block) else { return };
        holding.holders = holding.holders.saturating_sub(1);
        if holding.holders == 0 {
            self.clock = self.clock.saturating_add(1);
            holding.released = self.clock;
            self.idle.insert(self.clock, block);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn used(cache: &mut PrefixCache, chain: &[u64]) {
        let held = cache.hold(chain);
        cache.release(&chain[..held]);
    }

    #[test]
    fn only_whole_blocks_are_identified() {
        let cases = [(0, 0), (63, 0), (64, 1), (127, 1), (128, 2)];
        for (bytes, blocks) in cases {
            assert_eq!(block_chain(0, &"x".repeat(bytes)).len(), blocks, "{bytes} bytes");
        }
    }

    #[test]
    fn a_block_is_identified_by_everything_before_it() {
        let text = |first: &str| format!("{first}{}", "tail".repeat(16));
        let one = block_chain(1, &text(&"a".repeat(64)));
        let other = block_chain(1, &text(&"b".repeat(64)));
        assert_ne!(one[1], other[1]);
        assert_ne!(one[0], block_chain(2, &text(&"a".repeat(64)))[0], "another seed");
        assert_eq!(one, block_chain(1, &text(&"a".repeat(64))));
    }

    #[test]
    fn a_shared_prefix_matches_up_to_the_first_difference() {
        let mut cache = PrefixCache::new(8);
        used(&mut cache, &[1, 2, 3]);
        assert_eq!(cache.matched(&[1, 2, 9, 3]), 2);
        assert_eq!(cache.matched(&[9, 1]), 0);
    }

    #[test]
    fn the_least_recently_used_tail_goes_first() {
        let mut cache = PrefixCache::new(4);
        used(&mut cache, &[1, 2]);
        used(&mut cache, &[3, 4]);
        used(&mut cache, &[5]);
        assert_eq!(cache.matched(&[1, 2]), 1, "the older chain lost its last block");
        assert_eq!(cache.matched(&[3, 4]), 2);
    }

    #[test]
    fn held_blocks_stay_and_limit_what_fits() {
        let mut cache = PrefixCache::new(3);
        assert_eq!(cache.hold(&[1, 2]), 2);
        assert_eq!(cache.hold(&[7, 8]), 1);
        assert!((cache.held_share() - 1.0).abs() < f64::EPSILON);
        cache.release(&[1, 2]);
        cache.clear();
        assert_eq!((cache.matched(&[1]), cache.matched(&[7])), (0, 1));
    }

    proptest! {
        #[test]
        fn never_holds_more_than_its_capacity(
            capacity in 0_usize..6,
            chains in prop::collection::vec((prop::collection::vec(0_u64..9, 0..6), any::<bool>()), 0..40),
        ) {
            let mut cache = PrefixCache::new(capacity);
            for (chain, keep) in chains {
                let held = cache.hold(&chain);
                prop_assert!(cache.blocks.len() <= capacity);
                prop_assert_eq!(cache.matched(&chain[..held]), held);
                if !keep {
                    cache.release(&chain[..held]);
                }
            }
        }
    }
}
