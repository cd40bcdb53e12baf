//! The fingerprints of a prompt.

use weir_fingerprint::{PrefixChain, Seed};

pub(crate) fn probe(input: &[u8]) -> Option<u64> {
    let mut chain = PrefixChain::new();
    chain.push_turns(input);
    let prefix = chain.finish();
    let seed = Seed::new("llama", None, None, 0);
    let deepest = prefix.fingerprints(seed).last().copied();
    Some(prefix.conversation(seed) ^ deepest.unwrap_or(0))
}
