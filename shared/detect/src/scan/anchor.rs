//! The anchor pass: one SIMD sweep that finds the few places where a detector could match.
//!
//! Every 16-byte block is tested for up to eight three-byte fingerprints at once with nibble
//! tables (two shuffles per byte position), which runs at several GB/s also in V8. A hit is then
//! checked against the exact byte sets, so that every platform sees the same anchors. A ninth
//! kind, [`LONG`], marks unbroken runs of token characters (keys, Base64, addresses).

use wide::u8x16;

/// A digit, something that may stand inside a number, a digit.
pub(crate) const DIGITS: u16 = 1;
/// An `@` between word characters.
pub(crate) const AT: u16 = 1 << 1;
/// The double slash of a URL, absolute or protocol-relative.
pub(crate) const LINK: u16 = 1 << 2;
/// A colon or dash between hexadecimal digits or colons: IPv6, MAC.
pub(crate) const COLON: u16 = 1 << 3;
/// A three-byte piece of a phrase literal.
pub(crate) const PHRASE: u16 = 1 << 4;
/// `=` or `:`, or the start of a PEM header.
pub(crate) const ASSIGN: u16 = 1 << 5;
/// Invisible, full-width, other-script or look-alike characters.
pub(crate) const SPECIAL: u16 = 1 << 6;
/// `%41`, `&#65;`, `\u0041`, `\x41`.
pub(crate) const ESCAPE: u16 = 1 << 7;
/// At least [`LONG_RUN`] token characters in a row.
pub(crate) const LONG: u16 = 1 << 8;

/// Length of an unbroken run of token characters that makes it worth a look: the shortest key
/// with a fixed prefix is an AWS access key id of 20.
pub(crate) const LONG_RUN: u32 = 20;

const BLOCK: usize = 16;
const WIDTH: usize = 3;

/// Exact byte sets per fingerprint position: bit `k` of `sets[p][b]` says that byte `b` may
/// stand at position `p` of fingerprint `k`.
#[derive(Clone)]
pub(crate) struct Fingerprints {
    sets: [[u8; 256]; WIDTH],
    low: [u8x16; WIDTH],
    high: [u8x16; WIDTH],
    run_low: u8x16,
    run_high: u8x16,
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
        let [(l0, h0), (l1, h1), (l2, h2)] = sets.each_ref().map(nibbles);
        let mut run = [0_u8; 256];
        fill_run(&mut run);
        let (run_low, run_high) = nibbles(&run);
        Self { sets, low: [l0, l1, l2], high: [h0, h1, h2], run_low, run_high }
    }

    fn exact(&self, bytes: [u8; WIDTH]) -> u8 {
        let [s0, s1, s2] = &self.sets;
        let [b0, b1, b2] = bytes;
        lookup(s0, b0) & lookup(s1, b1) & lookup(s2, b2)
    }

    /// The candidate kinds at each of the 16 positions, and the mask of token characters.
    #[inline(always)]
    fn block(&self, window: &[u8; BLOCK + WIDTH - 1]) -> (u8x16, u32) {
        let [l0, l1, l2] = self.low;
        let [h0, h1, h2] = self.high;
        let first = at::<0>(window);
        let (low, high) = split(first);
        let token = self.run_low.shuffle(low) & self.run_high.shuffle(high);
        let mut kinds = l0.shuffle(low) & h0.shuffle(high);
        let (low, high) = split(at::<1>(window));
        kinds &= l1.shuffle(low) & h1.shuffle(high);
        let (low, high) = split(at::<2>(window));
        kinds &= l2.shuffle(low) & h2.shuffle(high);
        (kinds, occupied(token))
    }
}

#[inline(always)]
fn at<const SHIFT: usize>(window: &[u8; BLOCK + WIDTH - 1]) -> u8x16 {
    let mut block = [0; BLOCK];
    for (to, from) in block.iter_mut().zip(window.iter().skip(SHIFT)) {
        *to = *from;
    }
    u8x16::new(block)
}

#[inline(always)]
fn split(bytes: u8x16) -> (u8x16, u8x16) {
    (bytes & u8x16::splat(0x0F), bytes >> 4_u32)
}

/// One bit per non-zero lane.
#[inline(always)]
fn occupied(lanes: u8x16) -> u32 {
    !lanes.simd_eq(u8x16::ZERO).to_bitmask() & 0xFFFF
}

fn lookup(table: &[u8; 256], byte: u8) -> u8 {
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

/// The low- and high-nibble tables whose conjunction covers `set`.
fn nibbles(set: &[u8; 256]) -> (u8x16, u8x16) {
    let (mut low, mut high) = ([0_u8; 16], [0_u8; 16]);
    for (byte, bits) in set.iter().enumerate() {
        if let (Some(l), Some(h)) = (low.get_mut(byte & 15), high.get_mut(byte >> 4)) {
            *l |= bits;
            *h |= bits;
        }
    }
    (u8x16::new(low), u8x16::new(high))
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

/// One place worth a look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Anchor {
    /// Byte offset in the text.
    pub(crate) at: usize,
    /// Which fingerprints match there.
    pub(crate) kinds: u16,
}

/// Iterates over the anchors of a text, in order.
pub(crate) struct Anchors<'t> {
    prints: &'t Fingerprints,
    text: &'t [u8],
    /// Start of the block the remaining hits belong to, and of the one after it.
    base: usize,
    next: usize,
    hits: u32,
    /// Position in the block where a run became long, as a bit.
    long: u32,
    run: u32,
    /// Runs are counted from here on.
    count_from: usize,
}

impl<'t> Anchors<'t> {
    /// Starts at byte `from` of `text`, and counts long runs from `count_from` on.
    pub(crate) fn new(
        prints: &'t Fingerprints,
        text: &'t [u8],
        from: usize,
        count_from: usize,
    ) -> Self {
        Self { prints, text, base: from, next: from, hits: 0, long: 0, run: 0, count_from }
    }

    /// Loads blocks until one has a hit; `false` at the end of the text.
    fn advance(&mut self) -> bool {
        while let Some(window) = self.text.get(self.next..).filter(|rest| !rest.is_empty()) {
            let (kinds, tokens) = match window.first_chunk() {
                Some(full) => self.prints.block(full),
                None => self.prints.block(&padded(window)),
            };
            let hits = occupied(kinds);
            self.base = self.next;
            self.next += BLOCK;
            let skipped = self.count_from.saturating_sub(self.base).min(BLOCK);
            self.long = self.long_run(tokens >> skipped << skipped);
            if (hits | self.long) != 0 {
                self.hits = hits | self.long;
                return true;
            }
        }
        false
    }

    /// The bit at which a run of token characters reaches [`LONG_RUN`], or zero.
    #[inline(always)]
    fn long_run(&mut self, tokens: u32) -> u32 {
        let before = self.run;
        if tokens == 0 {
            self.run = 0;
            return 0;
        }
        let head = (!tokens).trailing_zeros().min(BLOCK as u32);
        if head == BLOCK as u32 {
            self.run = before.saturating_add(head);
        } else {
            self.run = (tokens << 16).leading_ones();
        }
        let reached = before < LONG_RUN && before.saturating_add(head) >= LONG_RUN;
        if reached { 1 << (LONG_RUN - 1 - before).min(15) } else { 0 }
    }
}

impl Iterator for Anchors<'_> {
    type Item = Anchor;

    fn next(&mut self) -> Option<Anchor> {
        loop {
            if self.hits == 0 && !self.advance() {
                return None;
            }
            let bit = self.hits.trailing_zeros();
            self.hits &= self.hits.wrapping_sub(1);
            let at = self.base + bit as usize;
            let mut kinds = u16::from(self.prints.exact(triple(self.text, at)));
            if self.long >> bit & 1 == 1 {
                kinds |= LONG;
            }
            if kinds != 0 && at < self.text.len() {
                return Some(Anchor { at, kinds });
            }
        }
    }
}

fn padded(rest: &[u8]) -> [u8; BLOCK + WIDTH - 1] {
    let mut window = [0; BLOCK + WIDTH - 1];
    for (to, from) in window.iter_mut().zip(rest) {
        *to = *from;
    }
    window
}

fn triple(text: &[u8], at: usize) -> [u8; WIDTH] {
    let byte = |offset: usize| text.get(at + offset).copied().unwrap_or(0);
    [byte(0), byte(1), byte(2)]
}
