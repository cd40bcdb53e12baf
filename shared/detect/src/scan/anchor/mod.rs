//! The anchor pass: one SIMD sweep that finds the few places where a detector could match.
//!
//! Every 32-byte block is tested for up to eight three-byte fingerprints and for eight groups of
//! phrases at once with nibble tables (two shuffles per byte position), which runs at several
//! GB/s also in V8. A hit is then checked against the exact byte sets. A further kind, [`LONG`],
//! marks unbroken runs of token characters (keys, Base64, addresses).

mod block;
mod fingerprint;
#[cfg(any(target_arch = "wasm32", target_arch = "aarch64", target_feature = "ssse3"))]
mod shuffle;
#[cfg(any(
    test,
    not(any(target_arch = "wasm32", target_arch = "aarch64", target_feature = "ssse3"))
))]
mod table;

pub(crate) use block::{
    ASCII_GROUPS, ASSIGN, AT, COLON, DIGITS, ESCAPE, LINK, LONG, LONG_RUN, PHRASE, PHRASE_GROUPS,
    SPECIAL,
};
pub(crate) use fingerprint::{Fingerprints, Print, TRIGRAM_PLACES, trigram_place};

use block::{BLOCK, Block, Bytes, PHRASE_WIDTH, is_letter};

/// One place worth a look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Anchor {
    /// Byte offset in the text.
    pub(crate) at: usize,
    /// Which fingerprints match there.
    pub(crate) kinds: u16,
}

/// Iterates over the anchors of a text, in order.
///
/// Blocks are tested in a loop of their own and what they have is kept in `ready`: taking turns
/// with the detectors at every block would cost more than the test.
pub(crate) struct Anchors<'t> {
    prints: &'t Fingerprints,
    text: &'t [u8],
    ready: [Anchor; READY],
    /// The anchors in `ready` that were not taken yet.
    taken: usize,
    filled: usize,
    /// Start of the next block.
    next: usize,
    run: u32,
    /// Whether the byte before the next block is a digit, and a letter.
    digit_before: u32,
    letter_before: u32,
    /// Runs are counted from here on.
    count_from: usize,
}

/// Room for anchors that wait: those of a block.
const READY: usize = BLOCK;

impl<'t> Anchors<'t> {
    /// Starts at byte `from` of `text`, and counts long runs from `count_from` on.
    pub(crate) fn new(
        prints: &'t Fingerprints,
        text: &'t [u8],
        from: usize,
        count_from: usize,
    ) -> Self {
        Self {
            prints,
            text,
            ready: [Anchor { at: 0, kinds: 0 }; READY],
            taken: 0,
            filled: 0,
            next: from,
            run: 0,
            digit_before: 0,
            letter_before: u32::from(from > 0 && text.get(from - 1).is_some_and(is_letter)),
            count_from,
        }
    }

    /// The digits inside runs of digits: one anchor at the beginning of a run is enough, and one
    /// at its end, where a separator may follow.
    #[inline(always)]
    fn inner_digits(&mut self, digits: u32) -> u32 {
        let inner = digits & (digits << 1 | self.digit_before) & digits >> 1;
        self.digit_before = digits >> (BLOCK - 1) & 1;
        inner
    }

    /// Where a word of ASCII letters begins.
    #[inline(always)]
    fn word_starts(&mut self, letters: u32) -> u32 {
        let starts = letters & !(letters << 1 | self.letter_before);
        self.letter_before = letters >> (BLOCK - 1) & 1;
        starts
    }

    /// Tests blocks until there is no room for the anchors of another.
    fn refill(&mut self) {
        (self.taken, self.filled) = (0, 0);
        while self.filled + BLOCK <= READY {
            let text = self.text;
            let Some(bytes) = text.get(self.next..).and_then(|rest| rest.first_chunk()) else {
                return self.refill_from_end();
            };
            self.test(bytes, self.prints.block(bytes));
        }
    }

    /// The same behind the last full block: all there is of most words of a stream. Apart, because
    /// the loop over full blocks is a tenth slower with it.
    #[inline(never)]
    fn refill_from_end(&mut self) {
        while self.filled + BLOCK <= READY {
            let Some(rest) = self.text.get(self.next..).filter(|rest| !rest.is_empty()) else {
                return;
            };
            let bytes = padded(rest);
            self.test(&bytes, self.prints.last_block(&bytes, rest.len()));
        }
    }

    /// Takes the anchors of the next block.
    #[inline(always)]
    fn test(&mut self, bytes: &Bytes, block: Block) {
        let base = self.next;
        self.next += BLOCK;
        let skipped = self.count_from.saturating_sub(base).min(BLOCK) as u32;
        let counted = u32::MAX.checked_shl(skipped).unwrap_or(0);
        let long = self.long_runs(block.tokens & counted);
        let hits = block.hits & !self.inner_digits(block.digits & counted);
        let words = block.phrases & self.word_starts(block.letters);
        let phrases = self.prints.phrases(bytes, words | block.foreign);
        self.take(base, bytes, hits, long, phrases);
    }

    /// Keeps the anchors of a block that stand up to the exact test.
    #[inline(always)]
    fn take(&mut self, base: usize, bytes: &Bytes, hits: u32, long: u32, phrases: u32) {
        let mut rest = hits | long | phrases;
        while rest != 0 {
            let bit = rest.trailing_zeros();
            rest &= rest - 1;
            let of = |bits: u32, kind: u16| if bits >> bit & 1 == 1 { kind } else { 0 };
            let kinds =
                of(long, LONG) | of(phrases, PHRASE) | self.prints.exact(bytes, bit as usize);
            if let Some(slot) = self.ready.get_mut(self.filled) {
                *slot = Anchor { at: base + bit as usize, kinds };
            }
            self.filled += usize::from(kinds != 0);
        }
    }

    /// The bits at which runs of token characters reach [`LONG_RUN`].
    #[inline(always)]
    fn long_runs(&mut self, tokens: u32) -> u32 {
        let (before, head, tail) = (self.run, tokens.trailing_ones(), tokens.leading_ones());
        self.run = if tokens == u32::MAX { before.saturating_add(tail) } else { tail };
        let reached = before < LONG_RUN && before.saturating_add(head) >= LONG_RUN;
        let first = if reached { 1 << (LONG_RUN - 1 - before) } else { 0 };
        first | twentieths(tokens & tokens.wrapping_add(1))
    }
}

/// The bit that makes a run of [`LONG_RUN`].
#[inline(always)]
fn twentieths(bits: u32) -> u32 {
    let two = bits & bits << 1;
    let four = two & two << 2;
    let eight = four & four << 4;
    let sixteen = eight & eight << 8;
    let all = sixteen & sixteen << (LONG_RUN - 16);
    all & all.wrapping_neg()
}

impl Iterator for Anchors<'_> {
    type Item = Anchor;

    #[inline(always)]
    fn next(&mut self) -> Option<Anchor> {
        if self.taken == self.filled {
            self.refill();
        }
        let anchor = *self.ready.get(..self.filled)?.get(self.taken)?;
        self.taken += 1;
        Some(anchor)
    }
}

fn padded(rest: &[u8]) -> Bytes {
    let mut window = [0; BLOCK + PHRASE_WIDTH - 1];
    for (to, from) in window.iter_mut().zip(rest) {
        *to = *from;
    }
    window
}

#[cfg(test)]
mod tests {
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    use super::fingerprint::is_token;
    use super::*;

    #[test]
    fn every_long_run_has_one_anchor_wherever_blocks_begin() {
        let lengths = [0, 19, 20, 1, 20, 21, 11, 45, 19, 64, 3, 20, 150, 20, 2];
        let text: Vec<u8> =
            lengths.iter().flat_map(|length| [&b"x".repeat(*length)[..], b" "].concat()).collect();
        let prints = Fingerprints::new(&[]);
        for from in 0..70 {
            for count_from in from..from + 40 {
                let anchors = Anchors::new(&prints, &text, from, count_from);
                let found: Vec<usize> =
                    anchors.filter(|a| a.kinds & LONG != 0).map(|a| a.at).collect();
                let mut run = 0;
                let expected = (count_from..text.len()).filter(|at| {
                    run = if is_token(text[*at]) { run + 1 } else { 0 };
                    run == LONG_RUN
                });
                assert_eq!(found, expected.collect::<Vec<_>>(), "{from} {count_from}");
            }
        }
    }
}
