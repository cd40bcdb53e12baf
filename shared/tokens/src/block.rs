//! Sixty-four bytes at once: one bit per byte and class, then bit counts.

use wide::i8x16;

use crate::counts::{FEATURES, Feature};

/// Bytes of one block.
pub(crate) const BLOCK: usize = 64;

type Vectors = [i8x16; 4];

/// What the block before ended with: its classes, whose highest bits belong to its last bytes.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Before {
    letters: u64,
    upper: u64,
    rare: u64,
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
#[inline(never)]
pub(crate) fn count(block: &[u8; BLOCK], before: &mut Before, counts: &mut [u64; FEATURES]) {
    let bytes = load(block);
    let classes = Classes::of(bytes);
    letters(bytes, classes.letters, before, counts);
    let after_letter = ascii(&classes, before, counts);
    if classes.high != 0 {
        let leads = mask(bytes, |bytes| between(bytes, 0xC2, 0xFF));
        let high = Class { bits: classes.high, before: before.high };
        scripts(block, leads, high.shifted(1) | after_letter, counts);
    }
    before.high = classes.high;
}

/// Of what class each byte is.
struct Classes {
    letters: u64,
    upper: u64,
    digits: u64,
    space: u64,
    breaks: u64,
    punctuation: u64,
    high: u64,
}

impl Classes {
    #[inline(always)]
    fn of(bytes: Vectors) -> Self {
        let letters = mask(bytes, |bytes| between(bytes | i8x16::splat(0x20), b'a', b'z'));
        let upper = mask(bytes, |bytes| between(bytes, b'A', b'Z'));
        let digits = mask(bytes, |bytes| between(bytes, b'0', b'9'));
        let blanks = mask(bytes, |bytes| bytes.simd_eq(i8x16::splat(b' ' as i8)));
        // One more than a byte is negative for DEL, too.
        let [a, b, c, d] = bytes.map(|bytes| bytes + i8x16::splat(1));
        let least = a.min(b).min(c.min(d));
        let other = if least.simd_lt(i8x16::splat(0x21)).any() {
            Unprinted::of(bytes)
        } else {
            Unprinted::default()
        };
        let printed = !(blanks | other.all);
        let punctuation = printed & !(letters | digits);
        let space = blanks | other.space;
        Self { letters, upper, digits, space, breaks: other.breaks, punctuation, high: other.high }
    }
}

/// What is neither printed nor a blank.
#[derive(Clone, Copy, Default)]
struct Unprinted {
    all: u64,
    space: u64,
    breaks: u64,
    high: u64,
}

impl Unprinted {
    #[inline(never)]
    fn of(bytes: Vectors) -> Self {
        let low = mask(bytes, |bytes| (bytes + i8x16::splat(1)).simd_lt(i8x16::splat(0x21)));
        let space = mask(bytes, |bytes| between(bytes, b'\t', b'\r'));
        let breaks = mask(bytes, |bytes| bytes.simd_eq(i8x16::splat(b'\n' as i8)));
        Self { all: low, space, breaks, high: mask(bytes, |bytes| bytes) }
    }
}

/// What a letter is besides its case, as bits of a byte.
const VOWEL: u8 = 0x80;
const RARE: u8 = 0x40;
const JZ: u8 = 0x20;
const K: u8 = 0x10;

/// Of the letters whose high four bits are 6 (a to o), by their low four.
const A_TO_O: [u8; 16] = {
    let mut kinds = [0; 16];
    kinds[1] = VOWEL;
    kinds[2] = RARE;
    kinds[3] = RARE;
    kinds[5] = VOWEL;
    kinds[6] = RARE;
    kinds[7] = RARE;
    kinds[8] = RARE;
    kinds[9] = VOWEL;
    kinds[10] = RARE | JZ;
    kinds[11] = RARE | K;
    kinds[13] = RARE;
    kinds[15] = VOWEL;
    kinds
};

/// Of those whose high four bits are 7 (p to z).
const P_TO_Z: [u8; 16] = {
    let mut kinds = [0; 16];
    kinds[0] = RARE;
    kinds[1] = RARE;
    kinds[5] = VOWEL;
    kinds[6] = RARE;
    kinds[7] = RARE;
    kinds[8] = RARE;
    kinds[9] = RARE;
    kinds[10] = RARE | JZ;
    kinds
};

/// The features of single letters. A vocabulary splits a word of rare letters into more tokens.
#[inline(always)]
fn letters(bytes: Vectors, letters: u64, before: &mut Before, counts: &mut [u64; FEATURES]) {
    let (first, second) = (vector(&A_TO_O), vector(&P_TO_Z));
    let kinds = bytes.map(|bytes| {
        let low = (bytes & i8x16::splat(0x0F)).cast_unsigned();
        let late = i8x16::splat(0x10);
        let late = (bytes & late).simd_eq(late);
        late & second.shuffle(low) | !late & first.shuffle(low)
    });
    // The highest bit of each byte is looked at; adding shifts the next one there.
    let twice = kinds.map(|kinds| kinds + kinds);
    let four = twice.map(|kinds| kinds + kinds);
    let eight = four.map(|kinds| kinds + kinds);
    let of = |kinds| mask(kinds, |kinds| kinds) & letters;
    let letter = Class { bits: letters, before: before.letters };
    let rare = Class { bits: of(twice), before: before.rare };
    add(counts, Feature::InnerVowels, of(kinds) & letter.shifted(1));
    add(counts, Feature::RareClusters, rare.after(1).bits);
    add(counts, Feature::LettersJz, of(four));
    add(counts, Feature::LettersK, of(eight));
    before.rare = rare.bits;
}

/// The features of ASCII; returns which bytes come right after a letter.
#[inline(always)]
fn ascii(classes: &Classes, before: &mut Before, counts: &mut [u64; FEATURES]) -> u64 {
    let &Classes { letters, upper, digits, space, breaks, punctuation, .. } = classes;
    let class = |bits, before| Class { bits, before };
    let letter = class(letters, before.letters);
    let digit = class(digits, before.digits);
    let mark = class(punctuation, before.punctuation);
    let blank = class(space, before.space);
    let capital = class(upper, before.upper);
    let spaces = blank.after(1);
    let lower_before = letter.shifted(1) & !capital.shifted(1);

    let mut add = |feature, bits: u64| add(counts, feature, bits);
    let (words, marked) = (letter.starts(), mark.shifted(1));
    add(Feature::Words, words & !marked);
    add(Feature::Titles, words & upper);
    if upper != 0 || before.upper != 0 {
        add(Feature::CaseFlips, upper & lower_before);
        add(Feature::CapitalRunEnds, letters & !upper & capital.after(1).shifted(1));
    }
    if digits != 0 {
        add(Feature::Numbers, digit.starts());
        add(Feature::SpacedNumbers, digit.starts() & blank.shifted(1));
        add(Feature::DigitsBeyond1, digit.after(1).bits);
    }
    add(Feature::PunctuationRuns, mark.starts());
    add(Feature::PunctuationBeyond1, mark.after(1).bits);
    add(Feature::MarkedWords, words & marked);
    if breaks != 0 {
        add(Feature::LineBreaks, class(breaks, before.breaks).starts() & !marked);
    }
    add(Feature::SpaceBeyond1, spaces.bits);
    add(Feature::SpaceRuns, spaces.starts());

    (before.upper, before.digits, before.space) = (upper, digits, space);
    (before.punctuation, before.breaks) = (punctuation, breaks);
    before.letters = letters;
    letter.shifted(1)
}

/// Characters outside ASCII, by their first byte, of which the bits are set in `leads`; in `within`
/// those are set that stand in a word. One after the other: a block has 21 of three bytes.
fn scripts(block: &[u8; BLOCK], mut leads: u64, within: u64, counts: &mut [u64; FEATURES]) {
    while leads != 0 {
        let place = leads.trailing_zeros();
        let byte = block.get(place as usize).copied().unwrap_or_default();
        add(counts, script(byte), 1);
        let starts = !within >> place & 1;
        match byte {
            0xC2..0xE0 => add(counts, Feature::ForeignWords, starts),
            0xEA..0xEE => add(counts, Feature::HangulWords, starts),
            _ => {}
        }
        leads &= leads - 1;
    }
}

/// The script of the characters that start with `lead`.
fn script(lead: u8) -> Feature {
    match lead {
        0x00..0xCC => Feature::Latin,
        0xCC..0xD0 => Feature::Greek,
        0xD0..0xD4 => Feature::Cyrillic,
        0xD4..0xE0 => Feature::Semitic,
        0xE0 => Feature::Indic,
        0xE1 => Feature::Other3,
        0xE2 => Feature::Symbols,
        0xE3 => Feature::Kana,
        0xE4..0xEA => Feature::Han,
        0xEA..0xEE => Feature::Hangul,
        0xEE..0xF0 => Feature::Wide,
        0xF0.. => Feature::Astral,
    }
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
        ([a, b, c, d], []) => [vector(a), vector(b), vector(c), vector(d)],
        _ => [i8x16::splat(0); 4],
    }
}

#[inline(always)]
fn vector(bytes: &[u8; 16]) -> i8x16 {
    i8x16::new(bytes.map(|byte| byte as i8))
}

/// One bit per byte: the highest of what `class` makes of it.
#[inline(always)]
fn mask(bytes: Vectors, class: impl Fn(i8x16) -> i8x16) -> u64 {
    let [a, b, c, d] = bytes.map(|bytes| u64::from(class(bytes).to_bitmask()));
    a | b << 16 | c << 32 | d << 48
}

/// All bits set in the lanes from `first` to `last`: they are the least that there are when `first`
/// becomes the least. Comparing with signs takes one instruction, without them four.
#[inline(always)]
fn between(bytes: i8x16, first: u8, last: u8) -> i8x16 {
    let offset = i8::MIN.wrapping_sub(first as i8);
    let end = i8::MIN.wrapping_add((last - first) as i8).wrapping_add(1);
    (bytes + i8x16::splat(offset)).simd_lt(i8x16::splat(end))
}
