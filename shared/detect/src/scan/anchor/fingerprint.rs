//! Which three bytes make an anchor.

#[cfg(any(target_arch = "wasm32", target_arch = "aarch64", target_feature = "ssse3"))]
use super::shuffle::Tables;
#[cfg(not(any(target_arch = "wasm32", target_arch = "aarch64", target_feature = "ssse3")))]
use super::table::Tables;
use super::{ASSIGN, AT, Block, Bytes, COLON, DIGITS, ESCAPE, LINK, PHRASE, SPECIAL, WIDTH};

/// Bit `k` of `sets[p][b]` says that byte `b` may stand at position `p` of fingerprint `k`.
pub(super) type Sets = [[u8; 256]; WIDTH];

/// The exact byte sets of all fingerprints, and the tables of the block test.
#[derive(Clone)]
pub(crate) struct Fingerprints {
    sets: Sets,
    tables: Tables,
    trigrams: Trigrams,
}

/// A set of trigrams of letters in either case, as a bit map over their low five bits.
#[derive(Clone)]
pub(crate) struct Trigrams(Box<[u64; 512]>);

impl Trigrams {
    pub(crate) fn new<'t>(trigrams: impl Iterator<Item = &'t [u8; WIDTH]>) -> Self {
        let mut bits = Box::new([0; 512]);
        for trigram in trigrams {
            let place = Self::place(*trigram);
            if let Some(word) = bits.get_mut(place >> 6) {
                *word |= 1 << (place & 63);
            }
        }
        Self(bits)
    }

    #[inline(always)]
    pub(crate) fn contains(&self, trigram: [u8; WIDTH]) -> bool {
        let place = Self::place(trigram);
        self.0.get(place >> 6).is_some_and(|word| word >> (place & 63) & 1 == 1)
    }

    #[inline(always)]
    fn place([a, b, c]: [u8; WIDTH]) -> usize {
        usize::from(a & 31) << 10 | usize::from(b & 31) << 5 | usize::from(c & 31)
    }
}

impl Fingerprints {
    /// Builds the tables; `phrases` are lower-case trigrams, matched in either case.
    pub(crate) fn new(phrases: &[Vec<[u8; WIDTH]>; 2]) -> Self {
        let mut sets = [[0_u8; 256]; WIDTH];
        fill_fixed(&mut sets);
        let mut coarse = sets.map(|set| set.map(merge));
        let [first, second] = phrases;
        fill_phrases(&mut coarse, PHRASE, first);
        fill_phrases(&mut coarse, ASSIGN, second);
        fill_phrases(&mut sets, PHRASE, first);
        fill_phrases(&mut sets, PHRASE, second);
        let mut run = [0_u8; 256];
        fill_run(&mut run);
        let trigrams = Trigrams::new(phrases.iter().flatten());
        Self { tables: Tables::new(&coarse, &run), sets, trigrams }
    }

    /// The fingerprints that really stand at three bytes.
    #[inline(always)]
    pub(super) fn exact(&self, bytes: [u8; WIDTH]) -> u8 {
        let [s0, s1, s2] = &self.sets;
        let [b0, b1, b2] = bytes;
        let kinds = lookup(s0, b0) & lookup(s1, b1) & lookup(s2, b2);
        if kinds & PHRASE as u8 != 0 && !self.trigrams.contains(bytes) {
            return kinds & !(PHRASE as u8);
        }
        kinds
    }

    /// What stands at the positions of a block.
    #[inline(always)]
    pub(super) fn block(&self, bytes: &Bytes) -> Block {
        self.tables.block(bytes)
    }
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

/// For the block test, operators share the bit of colons, whose place they nearly have; theirs is
/// free for half of the phrases.
fn merge(bits: u8) -> u8 {
    let (colon, assign) = (COLON as u8, ASSIGN as u8);
    let merged = if bits & assign != 0 { bits | colon } else { bits };
    merged & !assign
}

fn fill_phrases(sets: &mut Sets, kind: u16, trigrams: &[[u8; WIDTH]]) {
    for trigram in trigrams {
        for (set, byte) in sets.iter_mut().zip(trigram) {
            allow(set, kind, |b| b.eq_ignore_ascii_case(byte));
        }
    }
}

fn fill_fixed([first, second, third]: &mut [[u8; 256]; WIDTH]) {
    let digit = |b: u8| b.is_ascii_digit();
    let hex = |b: u8| b.is_ascii_hexdigit();
    // A capital too: identity numbers may have only their check digits in a row.
    allow(first, DIGITS, |b| digit(b) || b.is_ascii_uppercase());
    allow(second, DIGITS, |b| digit(b) || b" -./()".contains(&b));
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
    allow(first, ASSIGN, |b| b"DTNYSELHdtnyselh 	\"'`]:)-".contains(&b));
    allow(second, ASSIGN, |b| b == b'=' || b == b':' || b == b'-');
    allow(third, ASSIGN, |_| true);

    fill_special(first, second, third);

    allow(first, ESCAPE, |b| b"%&\\".contains(&b));
    allow(second, ESCAPE, |b| b.is_ascii_alphanumeric() || b == b'#');
    allow(third, ESCAPE, |_| true);
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
