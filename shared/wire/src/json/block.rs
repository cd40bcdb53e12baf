//! Sixty-four bytes of a string at once, or the thirty-two in which a short one ends.

use core::hint::black_box;

use wide::i8x16;

/// Bytes of one vector.
const LANES: usize = 16;
/// Bytes of a block.
pub(super) const BLOCK: usize = 4 * LANES;
/// Bytes in which a short string and its quote lie.
pub(super) const SHORT: usize = 2 * LANES;

/// Quotes, backslashes, control characters and what is not ASCII, one bit a byte.
#[inline(always)]
pub(super) fn marks(block: &[u8; BLOCK], needles: Needles) -> u64 {
    let vectors = load(block);
    let [a, b, c, d] = vectors;
    let least = a.min(b).min(c.min(d));
    let special = vectors.map(|bytes| needles.special(bytes));
    let [e, f, g, h] = special;
    if !needles.marked(e.min(f).min(g.min(h)), least).any() {
        return 0;
    }
    join([(e, a), (f, b), (g, c), (h, d)].map(|(special, bytes)| needles.marked(special, bytes)))
}

/// What is not ASCII, one bit a byte.
#[inline(always)]
pub(super) fn high(block: &[u8; BLOCK]) -> u64 {
    join(load(block))
}

/// The bytes up to the quote if that is the first in `text` that is not plain ASCII.
#[inline(always)]
pub(super) fn short(text: &[u8]) -> Option<&[u8]> {
    let ([a, b], []) = text.first_chunk::<SHORT>()?.as_chunks::<LANES>() else { return None };
    let needles = Needles::constant();
    let marks = [a, b].map(|bytes| {
        let bytes = vector(bytes);
        needles.marked(needles.special(bytes), bytes).to_bitmask()
    });
    let [low, high] = marks;
    let (plain, rest) = text.split_at_checked((low | high << LANES).trailing_zeros() as usize)?;
    (rest.first() == Some(&b'"')).then_some(plain)
}

/// What to compare with. Only the signs of the lanes say something, and what is not ASCII is negative
/// from the start: so nothing is lost when the least of several vectors is taken first, and no
/// comparison is needed.
#[derive(Clone, Copy)]
pub(super) struct Needles {
    quote: i8x16,
    backslash: i8x16,
    space: i8x16,
    one: i8x16,
}

impl Needles {
    /// For loops. V8 makes a constant anew, in three instructions, wherever it is used; what it does
    /// not know to be constant stays in a register.
    #[inline(always)]
    pub(super) fn new() -> Self {
        black_box(Self::constant())
    }

    #[inline(always)]
    fn constant() -> Self {
        let [quote, backslash, space] = [b'"', b'\\', b' '].map(|byte| i8x16::splat(byte as i8));
        Self { quote, backslash, space, one: i8x16::splat(1) }
    }

    /// Zero where quotes and backslashes are.
    #[inline(always)]
    fn special(self, bytes: i8x16) -> i8x16 {
        (bytes ^ self.quote).min(bytes ^ self.backslash)
    }

    /// Negative where `special` is zero and where `bytes` are control characters or not ASCII.
    #[inline(always)]
    fn marked(self, special: i8x16, bytes: i8x16) -> i8x16 {
        (special - self.one).min(bytes.saturating_sub(self.space))
    }
}

#[inline(always)]
fn join(lanes: [i8x16; 4]) -> u64 {
    let [a, b, c, d] = lanes.map(|lanes| u64::from(lanes.to_bitmask()));
    a | b << 16 | c << 32 | d << 48
}

#[inline(always)]
fn vector(bytes: &[u8; LANES]) -> i8x16 {
    i8x16::new(bytes.map(|byte| byte as i8))
}

#[inline(always)]
fn load(block: &[u8; BLOCK]) -> [i8x16; 4] {
    match block.as_chunks::<LANES>() {
        ([a, b, c, d], []) => [a, b, c, d].map(vector),
        _ => [i8x16::splat(0); 4],
    }
}
