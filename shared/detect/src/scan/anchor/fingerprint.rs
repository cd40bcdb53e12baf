//! Which three bytes make an anchor.

#[cfg(any(target_arch = "wasm32", target_arch = "aarch64", target_feature = "ssse3"))]
use super::shuffle::Tables;
#[cfg(not(any(target_arch = "wasm32", target_arch = "aarch64", target_feature = "ssse3")))]
use super::table::Tables;
use super::{ASSIGN, AT, Bytes, COLON, DIGITS, ESCAPE, LINK, PHRASE, SPECIAL, WIDTH};

/// Bit `k` of `sets[p][b]` says that byte `b` may stand at position `p` of fingerprint `k`.
pub(super) type Sets = [[u8; 256]; WIDTH];

/// The exact byte sets of all fingerprints, and the tables of the block test.
#[derive(Clone)]
pub(crate) struct Fingerprints {
    sets: Sets,
    tables: Tables,
}

impl Fingerprints {
    /// Builds the tables; `phrases` are lower-case trigrams, matched in either case.
    pub(crate) fn new(phrases: &[[u8; WIDTH]]) -> Self {
        let mut sets = [[0_u8; 256]; WIDTH];
        fill_fixed(&mut sets);
        for trigram in phrases {
            for (set, byte) in sets.iter_mut().zip(trigram) {
                allow(set, PHRASE, |b| b.eq_ignore_ascii_case(byte));
            }
        }
        let mut run = [0_u8; 256];
        fill_run(&mut run);
        Self { tables: Tables::new(&sets, &run), sets }
    }

    /// The fingerprints that really stand at three bytes.
    pub(super) fn exact(&self, bytes: [u8; WIDTH]) -> u8 {
        let [s0, s1, s2] = &self.sets;
        let [b0, b1, b2] = bytes;
        lookup(s0, b0) & lookup(s1, b1) & lookup(s2, b2)
    }

    /// The positions of a block with candidates, and those with token characters, as bits.
    #[inline(always)]
    pub(super) fn block(&self, bytes: &Bytes) -> (u32, u32) {
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

fn fill_fixed([first, second, third]: &mut [[u8; 256]; WIDTH]) {
    let digit = |b: u8| b.is_ascii_digit();
    let hex = |b: u8| b.is_ascii_hexdigit();
    allow(first, DIGITS, digit);
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

    allow(first, ASSIGN, |b| b > b' ' || b == b' ' || b == b'\t');
    allow(second, ASSIGN, |b| b == b'=' || b == b':' || b == b'-');
    allow(third, ASSIGN, |_| true);

    fill_special(first, second, third);

    // The tail of a non-ASCII letter before an ASCII one: scripts mixed inside a word.
    let tail = |b: u8| (0x80..0xC0).contains(&b);
    allow(first, ESCAPE, |b| b"%&\\".contains(&b) || tail(b));
    allow(second, ESCAPE, |b| b.is_ascii_alphanumeric() || b == b'#');
    allow(third, ESCAPE, |_| true);
}

/// Lead and second bytes of the characters that normalising rewrites. What passes is only a
/// candidate: [`super::special::rewritten`] decides.
fn fill_special(first: &mut [u8; 256], second: &mut [u8; 256], third: &mut [u8; 256]) {
    let lead = |b: u8| matches!(b, 0xC2 | 0xD9 | 0xDB | 0xE0 | 0xE2 | 0xEF | 0xF0 | 0xF3);
    let next = |b: u8| matches!(b, 0x80 | 0x81 | 0x9D | 0xA0..=0xBD);
    let greek_or_cyrillic = |b: u8| matches!(b, 0xCE | 0xCF | 0xD0 | 0xD1);
    allow(first, SPECIAL, |b| lead(b) || b.is_ascii_alphanumeric());
    allow(second, SPECIAL, |b| next(b) || greek_or_cyrillic(b));
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
