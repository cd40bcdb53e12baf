//! The block test without a byte shuffle, which baseline x86-64 lacks: a look-up a byte and
//! position.

use super::block::{ASCII_GROUPS, BLOCK, Block, Bytes, PHRASE_WIDTH, PhraseSets, Sets, is_letter};

/// Both kinds of sets side by side, the phrases in the high byte; the last position is theirs.
#[derive(Clone)]
pub(super) struct Tables {
    sets: [[u16; 256]; PHRASE_WIDTH],
    classes: [u8; 256],
}

/// The bits of the groups in ASCII.
const ASCII: u16 = (1 << ASCII_GROUPS) - 1;
const TOKEN: u8 = 1;
const DIGIT: u8 = 2;
const LETTER: u8 = 4;

impl Tables {
    pub(super) fn new(sets: &Sets, phrases: &PhraseSets, run: &[u8; 256]) -> Self {
        let mut joined = phrases.map(|set| set.map(|bits| u16::from(bits) << 8 | 0xFF));
        for (to, from) in joined.iter_mut().zip(sets) {
            for (bits, fixed) in to.iter_mut().zip(from) {
                *bits = *bits & 0xFF00 | u16::from(*fixed);
            }
        }
        let mut classes = run.map(|bits| if bits == 0 { 0 } else { TOKEN });
        for (class, byte) in classes.iter_mut().zip(0..=u8::MAX) {
            *class |= if byte.is_ascii_digit() { DIGIT } else { 0 };
            *class |= if is_letter(&byte) { LETTER } else { 0 };
        }
        Self { sets: joined, classes }
    }

    /// Positions with candidates, with token characters, digits and letters.
    #[inline(always)]
    pub(super) fn block(&self, bytes: &Bytes) -> Block {
        self.last_block(bytes, BLOCK)
    }

    /// The same where only the first `length` bytes are of the text.
    #[inline(always)]
    pub(super) fn last_block(&self, bytes: &Bytes, length: usize) -> Block {
        let [s0, s1, s2, s3] = &self.sets;
        let lookup = |set: &[u16; 256], byte: u8| set.get(usize::from(byte)).copied().unwrap_or(0);
        let mut block = Block::default();
        for (place, window) in bytes.array_windows::<PHRASE_WIDTH>().take(length).enumerate() {
            let [b0, b1, b2, b3] = *window;
            let kinds = lookup(s0, b0) & lookup(s1, b1) & lookup(s2, b2) & lookup(s3, b3);
            let class = self.classes.get(usize::from(b0)).copied().unwrap_or(0);
            let phrases = kinds >> 8;
            block.hits |= u32::from(kinds & 0xFF != 0) << place;
            block.phrases |= u32::from(phrases & ASCII != 0) << place;
            block.foreign |= u32::from(phrases & !ASCII != 0) << place;
            block.tokens |= u32::from(class & TOKEN != 0) << place;
            block.digits |= u32::from(class & DIGIT != 0) << place;
            block.letters |= u32::from(class & LETTER != 0) << place;
        }
        block
    }
}
