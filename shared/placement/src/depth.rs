//! How many tokens the fingerprint at an index of a chain covers.

/// Tokens covered by the fingerprint at `index`, all before it included.
pub(crate) fn covered_tokens(index: usize) -> u32 {
    const BLOCK_TOKENS: u32 = 64;
    u32::try_from(index).unwrap_or(u32::MAX).saturating_add(1).saturating_mul(BLOCK_TOKENS)
}
