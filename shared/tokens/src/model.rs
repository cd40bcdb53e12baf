//! From counts to tokens.

use crate::counts::{FEATURES, TextCounts};

/// Ten-thousandths of a token per count, in the order of [`crate::Feature`].
///
/// Fitted with `fit/` to o200k over 14,000 pieces of prose in 13 languages, code, data and aphorisms
/// (`fit/corpus.py` says which). Documentation uses fewer and more frequent words than other prose:
/// by a tenth in Chinese, Japanese, Korean and German. The fitted values of `Han`, `Kana`, `Hangul`,
/// `Latin`, `ForeignWords` and `LettersBeyond3` are therefore raised by 3 to 28 % of themselves, so that
/// both are off by about the same. `Greek`, `Indic`, `Other3` and `Astral`, of which the corpus has next
/// to nothing, are those of an earlier fit; `Other3` stands between Vietnamese (0.0) and Georgian (0.5),
/// which share their bytes.
///
/// Errors over the corpus in pieces of 300, 1,500 and 8,000 characters, then those of own texts that
/// nothing was fitted to (`testdata/tokens/groups.jsonl`; 3 to 5 texts of 50 to 500 tokens a group):
///
/// | group | mean | p95 | own texts, mean |
/// |---|---|---|---|
/// | English | 4.2 % | 11.4 % | 3.9 % |
/// | code (seven languages, with tables of data) | 7.2 % | 20.4 % | 6.0 % |
/// | German | 7.3 % | 19.0 % | 5.6 % |
/// | French | 6.2 % | 14.5 % | 3.8 % |
/// | Spanish | 5.4 % | 13.8 % | 3.7 % |
/// | Chinese | 5.9 % | 14.5 % | 8.2 % |
/// | Japanese | 5.1 % | 12.4 % | 7.3 % |
/// | Korean | 6.2 % | 14.0 % | 7.3 % |
/// | base64 | 4.9 % | 9.3 % | 3.2 % |
/// | JSON | 5.4 % | 13.8 % | 8.9 % |
///
/// Of other languages in the corpus, Arabic, Persian, Portuguese and Russian are within 8 %; Italian (16 %) and
/// Polish (23 %) are estimated too low, Vietnamese (30 %) too high.
const WEIGHTS: [u64; FEATURES] = [
    8843, 706, 2906, 16518, 11976, 6429, 2062, 9468, 842, 5629, 4914, 82, 5644, 2500, 6200, 3934,
    2276, 3030, 3593, 1000, 7018, 7500, 7350, 7000, 0, 10547, 18460,
];

const ONE: u64 = 10_000;

/// Estimated tokens of the text counted, at least one for any text.
pub fn estimate(counts: &TextCounts) -> u32 {
    /// What any weight makes more tokens of than a result can be, and all together no overflow.
    const MOST: u64 = 1 << 44;
    let weighted = counts.features.iter().zip(WEIGHTS);
    let sum: u64 = weighted.map(|(count, weight)| (*count).min(MOST) * weight).sum();
    let text = sum.div_ceil(ONE).max(u64::from(counts.bytes > 0));
    u32::try_from(text.saturating_add(counts.token_ids)).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests;
