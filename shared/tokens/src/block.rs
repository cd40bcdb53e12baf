//! Sixty-four bytes at once: one bit per byte and class, then bit counts.

use wide::u8x16;

use crate::counts::{FEATURES, Feature};

/// Bytes of one block.
pub(crate) const BLOCK: usize = 64;

type Vectors = [u8x16; 4];

/// What the block before ended with: its classes, whose highest bits belong to its last bytes.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Before {
    letters: u64,
    upper: u64,
    digits: u64,
    punctuation: u64,
    space: u64,
    breaks: u64,
    high: u64,
}

/// A class of one block together with the end of the block before.
#[derive(Clone, Copy)]
struct Class {
    bits: u64,
    before: u64,
}

impl Class {
    /// The bytes whose `distance`th byte before is of the class.
    #[inline(always)]
    fn shifted(self, distance: u32) -> u64 {
        self.bits << distance | self.before >> (u64::BITS - distance)
    }

    /// The first of each run.
    #[inline(always)]
    fn starts(self) -> u64 {
        self.bits & !self.shifted(1)
    }

    /// The class of bytes that come after at least `distance` others of this class, where `self`
    /// has those that come after at least `distance - 1`.
    #[inline(always)]
    fn after(self, distance: u32) -> Self {
        let before = self.before & (self.before << distance);
        Self { bits: self.bits & self.shifted(distance), before }
    }
}

/// Adds the features of `block` to `counts`.
#[inline]
pub(crate) fn count(block: &[u8; BLOCK], before: &mut Before, counts: &mut [u64; FEATURES]) {
    let bytes = load(block);
    let high = mask(bytes, |bytes| bytes);
    let after_letter = ascii(bytes, high, before, counts);
    if high != 0 {
        scripts(bytes, Class { bits: high, before: before.high }, after_letter, counts);
    }
    before.high = high;
}

/// The features of ASCII; returns which bytes come right after a letter.
#[inline(always)]
fn ascii(bytes: Vectors, high: u64, before: &mut Before, counts: &mut [u64; FEATURES]) -> u64 {
    let letters = mask(bytes, |bytes| between(bytes | u8x16::splat(0x20), b'a', b'z'));
    let upper = mask(bytes, |bytes| between(bytes, b'A', b'Z'));
    let digits = mask(bytes, |bytes| between(bytes, b'0', b'9'));
    let space =
        mask(bytes, |bytes| bytes.simd_eq(u8x16::splat(b' ')) | between(bytes, b'\t', b'\r'));
    let breaks = mask(bytes, |bytes| bytes.simd_eq(u8x16::splat(b'\n')));
    let printed = mask(bytes, |bytes| between(bytes, b'!', b'~'));
    let punctuation = printed & !(letters | digits | high);

    let class = |bits, before| Class { bits, before };
    let letter = class(letters, before.letters);
    let beyond1 = letter.after(1);
    let beyond3 = beyond1.after(2);
    let digit = class(digits, before.digits);
    let mark = class(punctuation, before.punctuation);
    let blank = class(space, before.space);
    let capital = class(upper, before.upper);
    let lower_before = letter.shifted(1) & !capital.shifted(1);

    let mut add = |feature, bits: u64| add(counts, feature, bits);
    add(Feature::Words, letter.starts());
    add(Feature::LettersBeyond3, beyond3.bits);
    add(Feature::Titles, letter.starts() & upper);
    add(Feature::CaseFlips, upper & lower_before);
    add(Feature::Numbers, digit.starts());
    add(Feature::SpacedNumbers, digit.starts() & blank.shifted(1));
    add(Feature::DigitsBeyond1, digit.after(1).bits);
    add(Feature::PunctuationRuns, mark.starts());
    add(Feature::PunctuationBeyond1, mark.after(1).bits);
    add(Feature::LineBreaks, class(breaks, before.breaks).starts());
    add(Feature::SpaceBeyond1, blank.after(1).bits);

    (before.upper, before.digits, before.space) = (upper, digits, space);
    (before.punctuation, before.breaks) = (punctuation, breaks);
    before.letters = letters;
    letter.shifted(1)
}

/// Characters outside ASCII, by their first byte.
#[inline(never)]
fn scripts(bytes: Vectors, high: Class, after_letter: u64, counts: &mut [u64; FEATURES]) {
    let from = |byte| mask(bytes, |bytes| bytes.simd_ge(u8x16::splat(byte)));
    let (latin, greek, cyrillic, semitic) = (from(0xC2), from(0xCC), from(0xD0), from(0xD4));
    let (indic, other, symbols, kana) = (from(0xE0), from(0xE1), from(0xE2), from(0xE3));
    let (han, hangul, wide, astral) = (from(0xE4), from(0xEA), from(0xEE), from(0xF0));

    let mut add = |feature, bits: u64| add(counts, feature, bits);
    add(Feature::Latin, latin & !greek);
    add(Feature::Greek, greek & !cyrillic);
    add(Feature::Cyrillic, cyrillic & !semitic);
    add(Feature::Semitic, semitic & !indic);
    add(Feature::Indic, indic & !other);
    add(Feature::Other3, other & !symbols);
    add(Feature::Symbols, symbols & !kana);
    add(Feature::Kana, kana & !han);
    add(Feature::Han, han & !hangul);
    add(Feature::Hangul, hangul & !wide);
    add(Feature::Wide, wide & !astral);
    add(Feature::Astral, astral);

    let within = high.shifted(1) | after_letter;
    add(Feature::ForeignWords, latin & !indic & !within);
    add(Feature::HangulWords, hangul & !wide & !within);
}

#[inline(always)]
fn add(counts: &mut [u64; FEATURES], feature: Feature, bits: u64) {
    if let Some(count) = counts.get_mut(feature as usize) {
        *count += u64::from(bits.count_ones());
    }
}

#[inline(always)]
fn load(block: &[u8; BLOCK]) -> Vectors {
    match block.as_chunks::<16>() {
        ([a, b, c, d], []) => [*a, *b, *c, *d].map(u8x16::new),
        _ => [u8x16::splat(0); 4],
    }
}

/// One bit per byte: the highest of what `class` makes of it.
#[inline(always)]
fn mask(bytes: Vectors, class: impl Fn(u8x16) -> u8x16) -> u64 {
    let [a, b, c, d] = bytes.map(|bytes| u64::from(class(bytes).to_bitmask()));
    a | b << 16 | c << 32 | d << 48
}

/// All bits set in the lanes from `first` to `last`.
#[inline(always)]
fn between(bytes: u8x16, first: u8, last: u8) -> u8x16 {
    let offset = bytes - u8x16::splat(first);
    offset.simd_le(u8x16::splat(last - first))
}
