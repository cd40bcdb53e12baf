//! The block test with byte shuffles: two nibble look-ups a position.

use wide::u8x16;

use super::fingerprint::Sets;
use super::{Block, Bytes, WIDTH};

/// Nibble tables whose conjunction covers each set.
#[derive(Clone)]
pub(super) struct Tables {
    low: [u8x16; WIDTH],
    high: [u8x16; WIDTH],
    run_low: u8x16,
    run_high: u8x16,
}

impl Tables {
    pub(super) fn new(sets: &Sets, run: &[u8; 256]) -> Self {
        let [(l0, h0), (l1, h1), (l2, h2)] = sets.each_ref().map(nibbles);
        let (run_low, run_high) = nibbles(run);
        Self { low: [l0, l1, l2], high: [h0, h1, h2], run_low, run_high }
    }

    /// Positions with candidates (a superset), with token characters and with digits.
    #[inline(always)]
    pub(super) fn block(&self, bytes: &Bytes) -> Block {
        let [l0, l1, l2] = self.low;
        let [h0, h1, h2] = self.high;
        let ([first @ .., _, _], [_, second @ .., _], [_, _, third @ ..]) = (bytes, bytes, bytes);
        let (low, high) = split(u8x16::new(*first));
        let token = self.run_low.shuffle(low) & self.run_high.shuffle(high);
        let mut kinds = l0.shuffle(low) & h0.shuffle(high);
        let (low, high) = split(u8x16::new(*second));
        kinds &= l1.shuffle(low) & h1.shuffle(high);
        let (low, high) = split(u8x16::new(*third));
        kinds &= l2.shuffle(low) & h2.shuffle(high);
        let value = u8x16::new(*first) - u8x16::splat(b'0');
        let digits = value.min(u8x16::splat(9)).simd_eq(value).to_bitmask() & 0xFFFF;
        Block { hits: occupied(kinds), tokens: occupied(token), digits }
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
