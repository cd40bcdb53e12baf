//! The block test without a byte shuffle, which baseline x86-64 lacks: a look-up a byte and
//! position.

use super::fingerprint::{Sets, lookup};
use super::{Block, Bytes, WIDTH};

/// The sets themselves.
#[derive(Clone)]
pub(super) struct Tables {
    sets: Sets,
    run: [u8; 256],
}

impl Tables {
    pub(super) fn new(sets: &Sets, run: &[u8; 256]) -> Self {
        Self { sets: *sets, run: run.map(|bits| u8::from(bits != 0)) }
    }

    /// Positions with candidates, with token characters and with digits.
    #[inline(always)]
    pub(super) fn block(&self, bytes: &Bytes) -> Block {
        let [s0, s1, s2] = &self.sets;
        let (mut hits, mut tokens, mut digits) = (0, 0, 0);
        for (place, triple) in bytes.array_windows::<WIDTH>().enumerate() {
            let [b0, b1, b2] = *triple;
            let kinds = lookup(s0, b0) & lookup(s1, b1) & lookup(s2, b2);
            hits |= u32::from(kinds != 0) << place;
            tokens |= u32::from(lookup(&self.run, b0)) << place;
            digits |= u32::from(b0.is_ascii_digit()) << place;
        }
        Block { hits, tokens, digits }
    }
}
