//! The block test without a byte shuffle, which baseline x86-64 lacks: a look-up a byte and
//! position.

use super::fingerprint::{ASCII_GROUPS, PhraseSets, Sets, lookup};
use super::{Block, Bytes, PHRASE_WIDTH};

/// The bits of the groups in ASCII.
const ASCII: u8 = (1 << ASCII_GROUPS) - 1;

/// The sets themselves.
#[derive(Clone)]
pub(super) struct Tables {
    sets: Sets,
    phrases: PhraseSets,
    run: [u8; 256],
}

impl Tables {
    pub(super) fn new(sets: &Sets, phrases: &PhraseSets, run: &[u8; 256]) -> Self {
        Self { sets: *sets, phrases: *phrases, run: run.map(|bits| u8::from(bits != 0)) }
    }

    /// Positions with candidates, with token characters and with digits.
    #[inline(always)]
    pub(super) fn block(&self, bytes: &Bytes) -> Block {
        let [s0, s1, s2] = &self.sets;
        let [p0, p1, p2, p3] = &self.phrases;
        let mut block = Block::default();
        for (place, window) in bytes.array_windows::<PHRASE_WIDTH>().enumerate() {
            let [b0, b1, b2, b3] = *window;
            let kinds = lookup(s0, b0) & lookup(s1, b1) & lookup(s2, b2);
            let phrases = lookup(p0, b0) & lookup(p1, b1) & lookup(p2, b2) & lookup(p3, b3);
            block.hits |= u32::from(kinds != 0) << place;
            block.phrases |= u32::from(phrases & ASCII != 0) << place;
            block.foreign |= u32::from(phrases & !ASCII != 0) << place;
            block.letters |= u32::from(b0.is_ascii_alphabetic()) << place;
            block.tokens |= u32::from(lookup(&self.run, b0)) << place;
            block.digits |= u32::from(b0.is_ascii_digit()) << place;
        }
        block
    }
}
