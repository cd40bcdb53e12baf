//! The block test with byte shuffles: two nibble look-ups a position.

use wide::u8x16;

use super::block::{ASCII_GROUPS, BLOCK, Block, Bytes, PHRASE_WIDTH, PhraseSets, Sets, WIDTH};

/// The bits of the groups in ASCII.
const ASCII: u8 = (1 << ASCII_GROUPS) - 1;

/// Nibble tables whose conjunction covers each set.
#[derive(Clone)]
pub(super) struct Tables {
    fixed: [Nibbles; WIDTH],
    phrase: [Nibbles; PHRASE_WIDTH],
    run: Nibbles,
}

/// What a byte may be by its low and by its high half.
#[derive(Clone, Copy)]
struct Nibbles {
    low: u8x16,
    high: u8x16,
}

impl Nibbles {
    /// The tables whose conjunction covers `set`.
    fn new(set: &[u8; 256]) -> Self {
        let (mut low, mut high) = ([0_u8; 16], [0_u8; 16]);
        for (byte, bits) in set.iter().enumerate() {
            if let (Some(l), Some(h)) = (low.get_mut(byte & 15), high.get_mut(byte >> 4)) {
                *l |= bits;
                *h |= bits;
            }
        }
        Self { low: u8x16::new(low), high: u8x16::new(high) }
    }

    #[inline(always)]
    fn at(self, low: u8x16, high: u8x16) -> u8x16 {
        self.low.shuffle(low) & self.high.shuffle(high)
    }
}

impl Tables {
    pub(super) fn new(sets: &Sets, phrases: &PhraseSets, run: &[u8; 256]) -> Self {
        Self {
            fixed: sets.each_ref().map(Nibbles::new),
            phrase: phrases.each_ref().map(Nibbles::new),
            run: Nibbles::new(run),
        }
    }

    /// Positions with candidates (a superset), with token characters and with digits.
    #[inline(always)]
    pub(super) fn block(&self, bytes: &Bytes) -> Block {
        let (first, second) = (self.half(bytes, 0), self.half(bytes, BLOCK / 2));
        Block {
            hits: first.hits | second.hits << 16,
            phrases: first.phrases | second.phrases << 16,
            foreign: first.foreign | second.foreign << 16,
            letters: first.letters | second.letters << 16,
            tokens: first.tokens | second.tokens << 16,
            digits: first.digits | second.digits << 16,
        }
    }

    /// The same where only the first `length` bytes are of the text: the words of a stream are
    /// short.
    #[inline(always)]
    pub(super) fn last_block(&self, bytes: &Bytes, length: usize) -> Block {
        if length <= BLOCK / 2 { self.half(bytes, 0) } else { self.block(bytes) }
    }

    /// The same for half the positions, from `start` on.
    #[inline(always)]
    fn half(&self, bytes: &Bytes, start: usize) -> Block {
        let [f0, f1, f2] = self.fixed;
        let [p0, p1, p2, p3] = self.phrase;
        let lanes = |from: usize| {
            let block = bytes.get(start + from..).and_then(|rest| rest.first_chunk());
            u8x16::new(block.copied().unwrap_or_default())
        };
        let first = lanes(0);
        let (low, high) = split(first);
        let token = self.run.at(low, high);
        let (mut kinds, mut phrases) = (f0.at(low, high), p0.at(low, high));
        let (low, high) = split(lanes(1));
        kinds &= f1.at(low, high);
        phrases &= p1.at(low, high);
        let (low, high) = split(lanes(2));
        kinds &= f2.at(low, high);
        phrases &= p2.at(low, high);
        let (low, high) = split(lanes(3));
        phrases &= p3.at(low, high);
        let value = first - u8x16::splat(b'0');
        let digits = value.min(u8x16::splat(9)).simd_eq(value).to_bitmask() & 0xFFFF;
        let folded = (first | u8x16::splat(0x20)) - u8x16::splat(b'a');
        let letters = folded.min(u8x16::splat(25)).simd_eq(folded).to_bitmask() & 0xFFFF;
        Block {
            hits: occupied(kinds),
            phrases: occupied(phrases & u8x16::splat(ASCII)),
            foreign: occupied(phrases & u8x16::splat(!ASCII)),
            letters,
            tokens: occupied(token),
            digits,
        }
    }
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

#[cfg(test)]
mod tests {
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    use super::super::fingerprint::is_token;
    use super::super::{BLOCK, table};
    use super::*;

    #[test]
    fn the_shuffled_test_passes_all_that_the_table_does() {
        let set = |seed: u8| {
            let mut set = [0_u8; 256];
            for (bits, byte) in set.iter_mut().zip(0..=u8::MAX) {
                *bits = byte.wrapping_mul(seed) & byte.rotate_left(3);
            }
            set
        };
        let (sets, phrases) = ([3, 5, 7].map(set), [9, 11, 13, 15].map(set));
        let mut run = [0_u8; 256];
        for (bits, byte) in run.iter_mut().zip(0..=u8::MAX) {
            *bits = if is_token(byte) { 1 << (byte >> 4) } else { 0 };
        }
        let shuffled = Tables::new(&sets, &phrases, &run);
        let exact = table::Tables::new(&sets, &phrases, &run);
        let text: Vec<u8> =
            (0..4000_u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
        for bytes in text.windows(BLOCK + PHRASE_WIDTH - 1).filter_map(|w| w.first_chunk()) {
            let (wide, narrow) = (shuffled.block(bytes), exact.block(bytes));
            assert_eq!(wide.hits & narrow.hits, narrow.hits);
            assert_eq!(wide.phrases & narrow.phrases, narrow.phrases);
            assert_eq!(wide.foreign & narrow.foreign, narrow.foreign);
            assert_eq!(
                (wide.tokens, wide.digits, wide.letters),
                (narrow.tokens, narrow.digits, narrow.letters)
            );
        }
    }
}
