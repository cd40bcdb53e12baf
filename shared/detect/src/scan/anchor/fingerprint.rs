//! Which three bytes make an anchor.

use super::block::{
    ASSIGN, AT, BLOCK, Block, Bytes, COLON, DIGITS, ESCAPE, LINK, MARK, PHRASE_WIDTH, PhraseSets,
    SPECIAL, Sets, WIDTH,
};
#[cfg(any(target_arch = "wasm32", target_arch = "aarch64", target_feature = "ssse3"))]
use super::shuffle::Tables;
#[cfg(not(any(target_arch = "wasm32", target_arch = "aarch64", target_feature = "ssse3")))]
use super::table::Tables;

/// The bytes that stand for a phrase: lower case, matched in either. A short one leaves the last
/// bytes open.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Print {
    pub(crate) bytes: [Option<u8>; PHRASE_WIDTH],
    /// Below [`PHRASE_GROUPS`].
    pub(crate) group: usize,
}

impl Print {
    /// The first three bytes, which every one has.
    pub(crate) fn trigram(&self) -> [u8; WIDTH] {
        self.bytes.first_chunk().map_or([0; WIDTH], |bytes| bytes.map(Option::unwrap_or_default))
    }
}

/// The exact byte sets of all fingerprints, and the tables of the block test.
#[derive(Clone)]
pub(crate) struct Fingerprints {
    sets: Sets,
    tables: Tables,
    beginnings: Beginnings,
}

/// Where a trigram of letters in either case stands in a table of all of them, by their low five
/// bits; others may stand there too.
#[inline(always)]
pub(crate) fn trigram_place([a, b, c]: [u8; WIDTH]) -> usize {
    usize::from(a & 31) << 10 | usize::from(b & 31) << 5 | usize::from(c & 31)
}

/// Number of places of trigrams.
pub(crate) const TRIGRAM_PLACES: usize = 1 << 15;

/// A set of beginnings of phrases, by a hash of the low five bits of their first four bytes.
#[derive(Clone)]
struct Beginnings(Box<[u64; 512]>);

impl Beginnings {
    fn new(prints: &[Print]) -> Self {
        let mut bits = Box::new([0_u64; 512]);
        for print in prints {
            let [a, b, c] = print.trigram();
            let fourth = print.bytes.get(WIDTH).copied().flatten();
            for d in fourth.map_or(0..=31, |byte| byte..=byte) {
                let place = Self::place([a, b, c, d]);
                if let Some(word) = bits.get_mut(place >> 6) {
                    *word |= 1 << (place & 63);
                }
            }
        }
        Self(bits)
    }

    #[inline(always)]
    fn contains(&self, bytes: [u8; WIDTH + 1]) -> bool {
        let place = Self::place(bytes);
        self.0.get(place >> 6).is_some_and(|word| word >> (place & 63) & 1 == 1)
    }

    #[inline(always)]
    fn place(bytes: [u8; WIDTH + 1]) -> usize {
        let letters = u32::from_le_bytes(bytes) & 0x1F1F_1F1F;
        (letters.wrapping_mul(0x9E37_79B1) >> 17) as usize
    }
}

impl Fingerprints {
    /// Builds the tables.
    pub(crate) fn new(phrases: &[Print]) -> Self {
        let mut sets = [[0_u8; 256]; WIDTH];
        fill_fixed(&mut sets);
        let mut run = [0_u8; 256];
        fill_run(&mut run);
        let tables = Tables::new(&sets, &phrase_sets(phrases), &run);
        Self { tables, sets, beginnings: Beginnings::new(phrases) }
    }

    /// The fingerprints that really stand at a position of a block, but for phrases.
    #[inline(always)]
    pub(super) fn exact(&self, bytes: &Bytes, place: usize) -> u16 {
        let [s0, s1, s2] = &self.sets;
        let [b0, b1, b2, _] = quadruple(bytes, place);
        let fixed = u16::from(lookup(s0, b0) & lookup(s1, b1) & lookup(s2, b2));
        let marked = if fixed & MARK != 0 { ASSIGN | ESCAPE } else { 0 };
        fixed & !MARK | marked
    }

    /// The `places` of a block, one bit each, without those where no phrase begins.
    #[inline(always)]
    pub(super) fn phrases(&self, bytes: &Bytes, places: u32) -> u32 {
        let (mut rest, mut kept) = (places, 0);
        while rest != 0 {
            let bit = rest.trailing_zeros();
            rest &= rest - 1;
            kept |= u32::from(self.beginnings.contains(quadruple(bytes, bit as usize))) << bit;
        }
        kept
    }

    /// What stands at the positions of a block.
    #[inline(always)]
    pub(super) fn block(&self, bytes: &Bytes) -> Block {
        self.tables.block(bytes)
    }

    /// The same for the last one, of which so many are of the text.
    #[inline(always)]
    pub(super) fn last_block(&self, bytes: &Bytes, length: usize) -> Block {
        self.tables.last_block(bytes, length)
    }
}

/// The bytes at a position below [`BLOCK`].
#[inline(always)]
fn quadruple(bytes: &Bytes, place: usize) -> [u8; PHRASE_WIDTH] {
    let rest = bytes.get(place % BLOCK..).unwrap_or_default();
    rest.first_chunk().copied().unwrap_or_default()
}

#[inline(always)]
pub(super) fn lookup(table: &[u8; 256], byte: u8) -> u8 {
    table.get(usize::from(byte)).copied().unwrap_or(0)
}

fn allow(set: &mut [u8; 256], kind: u16, test: impl Fn(u8) -> bool) {
    let bit = (kind & 0xFF) as u8;
    for (byte, slot) in (0..=u8::MAX).zip(set.iter_mut()) {
        if test(byte) {
            *slot |= bit;
        }
    }
}

fn phrase_sets(phrases: &[Print]) -> PhraseSets {
    let mut sets = [[0_u8; 256]; PHRASE_WIDTH];
    for print in phrases {
        for (set, byte) in sets.iter_mut().zip(print.bytes) {
            allow(set, 1 << print.group, |b| byte.is_none_or(|byte| b.eq_ignore_ascii_case(&byte)));
        }
    }
    sets
}

fn fill_fixed([first, second, third]: &mut [[u8; 256]; WIDTH]) {
    let digit = |b: u8| b.is_ascii_digit();
    let hex = |b: u8| b.is_ascii_hexdigit();
    // A capital too: identity numbers may have only their check digits in a row.
    allow(first, DIGITS, |b| digit(b) || b.is_ascii_uppercase());
    allow(second, DIGITS, |b| digit(b) || b" -./()\n\t".contains(&b));
    allow(third, DIGITS, digit);

    allow(first, AT, |b| b > b' ');
    allow(second, AT, |b| b == b'@');
    allow(third, AT, |b| b.is_ascii_alphanumeric() || b == b'[' || b >= 0x80);

    allow(first, LINK, |b| b":(\"'=<".contains(&b));
    allow(second, LINK, |b| b == b'/' || b == b'\\');
    allow(third, LINK, |b| b == b'/' || b == b'\\');

    allow(first, COLON, |b| hex(b) || b == b':');
    allow(second, COLON, |b| b == b':' || b == b'-');
    allow(third, COLON, |b| hex(b) || b == b':');

    // The letters that end a secret's name, and what may stand between it and the operator.
    allow(first, ASSIGN, |b| b"ADTNYSELHWadtnyselhw 	\"'`]:)".contains(&b));
    allow(second, ASSIGN, |b| b == b'=' || b == b':');
    allow(third, ASSIGN, |_| true);

    fill_special(first, second, third);

    allow(first, ESCAPE, |b| b == b'%');
    allow(second, ESCAPE, hex);
    allow(third, ESCAPE, hex);

    allow(first, MARK, |b| b"-&\\".contains(&b));
    allow(second, MARK, |b| b"-#uxX".contains(&b));
    allow(third, MARK, |b| hex(b) || b"xX".contains(&b));
}

/// Lead and second bytes of the characters that normalising rewrites. What passes is only a
/// candidate: [`super::special::rewritten`] decides.
fn fill_special(first: &mut [u8; 256], second: &mut [u8; 256], third: &mut [u8; 256]) {
    let lead = |b: u8| matches!(b, 0xC2 | 0xD9 | 0xDB | 0xE0 | 0xE2 | 0xEF | 0xF0 | 0xF3);
    let tail = |b: u8| (0x80..0xC0).contains(&b);
    let greek_or_cyrillic = |b: u8| matches!(b, 0xCE..=0xD1);
    allow(first, SPECIAL, |b| lead(b) || greek_or_cyrillic(b) || b.is_ascii_alphanumeric());
    allow(second, SPECIAL, |b| tail(b) || greek_or_cyrillic(b));
    allow(third, SPECIAL, |_| true);
}

/// The token alphabet as one bit per high nibble, which makes the nibble test exact: all its
/// characters are ASCII, so there are eight.
fn fill_run(set: &mut [u8; 256]) {
    for (byte, slot) in (0..=u8::MAX).zip(set.iter_mut()) {
        *slot = if is_token(byte) { 1 << (byte >> 4) } else { 0 };
    }
}

/// Whether `byte` belongs to the alphabet of an unbroken token.
pub(crate) fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"+/=_-.~%".contains(&byte)
}
