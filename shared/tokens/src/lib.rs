//! Token estimates without a vocabulary, from character-class counts.
//!
//! A [`TextCounter`] takes text in pieces and keeps a few numbers ([`TextCounts`]); [`estimate`]
//! turns them into tokens with a linear model.

mod counts;

pub use counts::{TextCounter, TextCounts};

/// Estimated tokens of the text counted.
pub fn estimate(counts: &TextCounts) -> u32 {
    u32::try_from(counts.bytes.div_ceil(4)).unwrap_or(u32::MAX)
}
