//! The hash behind the chain: blocks of 256 bytes are folded with NH, the universal hash of UMAC
//! (RFC 4418, section 5.2), with constants for its key; the sums of a block are mixed into the hash
//! of those before. In V8 that takes half the instructions of the lanes of XXH64.

use core::fmt;
use core::hint::black_box;

use wide::{u32x4, u64x4};

use crate::boundary::{grid, next_boundary};

/// Bytes that are multiplied with each other: four words with four.
const UNIT: usize = 32;
/// Units of a block.
const UNITS: usize = 8;
/// Bytes of a block. Every boundary is a multiple of it.
const BLOCK: usize = UNITS * UNIT;

/// Odd 64-bit constants with well mixed bits (the fractional parts of √2, √3, √5 and √7).
const ROOTS: [u64; 4] =
    [0x6a09_e667_f3bc_c909, 0xbb67_ae85_84ca_a73b, 0x3c6e_f372_fe94_f82b, 0xa54f_f53a_5f1d_36f1];

/// What is added to the words of each unit before they are multiplied. A factor would be zero, and
/// the other word would not count, only for words that have the byte 0xFF, which no text has.
static KEYS: [[[u32; 4]; 2]; UNITS] = {
    let mut keys = [[[0; 4]; 2]; UNITS];
    let mut place = 0;
    while place < UNITS * 8 {
        #[allow(clippy::indexing_slicing, reason = "evaluated by the compiler")]
        {
            let word = (mix(ROOTS[2], place as u64) >> 32) as u32;
            keys[place / 8][place / 4 % 2][place % 4] = (word | 0xFF00_0000).wrapping_neg();
        }
        place += 1;
    }
    keys
};

/// Mixes two values into one; every output bit depends on every input bit.
pub(crate) const fn mix(a: u64, b: u64) -> u64 {
    let mut x = a ^ b.rotate_left(32).wrapping_mul(ROOTS[0]);
    x = (x ^ (x >> 32)).wrapping_mul(ROOTS[1]);
    x = (x ^ (x >> 29)).wrapping_mul(ROOTS[3]);
    x ^ (x >> 32)
}

/// The hash of one piece of text, for values that matter only as a whole (a cache salt, a user).
pub fn text_hash(text: &[u8]) -> u64 {
    let (blocks, rest) = text.as_chunks();
    digest(blocks.iter().fold(ROOTS[0], fold), rest, text.len() as u64)
}

/// The hash of the blocks before, and of one more.
#[inline(never)]
fn fold(hash: u64, block: &[u8; BLOCK]) -> u64 {
    // V8 makes vectors that it knows to be constant in four instructions instead of loading them.
    let [k0, k1, k2, k3, k4, k5, k6, k7] = black_box(&KEYS);
    let ([a, b, c, d, e, f, g, h], []) = block.as_chunks() else { return hash };
    let first = (products(a, k0) + products(b, k1)) + (products(c, k2) + products(d, k3));
    let second = (products(e, k4) + products(f, k5)) + (products(g, k6) + products(h, k7));
    let sums = first + second;
    let weighted = sums.to_array().into_iter().zip(ROOTS).map(|(sum, root)| sum.wrapping_mul(root));
    mix(weighted.fold(0, u64::wrapping_add), hash)
}

#[inline(always)]
fn products(unit: &[u8; UNIT], [left, right]: &[[u32; 4]; 2]) -> u64x4 {
    let [a, b]: [[u32; 4]; 2] = bytemuck::cast(*unit);
    let vector = |words: [u32; 4]| u32x4::new(words.map(u32::from_le));
    (vector(a) + u32x4::new(*left)).widening_mul(vector(b) + u32x4::new(*right))
}

/// The hash of whole blocks and of `rest`, less than one; `len` counts both.
fn digest(mut hash: u64, rest: &[u8], len: u64) -> u64 {
    if !rest.is_empty() {
        let mut block = [0; BLOCK];
        if let Some(start) = block.get_mut(..rest.len()) {
            start.copy_from_slice(rest);
        }
        hash = fold(hash, &block);
    }
    mix(hash, len)
}

/// The chain over one part of the prompt: a hash that is read out at every boundary.
#[derive(Clone)]
pub struct Chain {
    /// Of all whole blocks.
    hash: u64,
    /// Less than a block.
    rest: Vec<u8>,
    len: u64,
    next: Option<u64>,
    marks: Vec<u64>,
}

impl fmt::Debug for Chain {
    /// Without the text that waits for its block to fill.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Chain").field("len", &self.len()).finish_non_exhaustive()
    }
}

impl Default for Chain {
    fn default() -> Self {
        let (rest, marks) = (Vec::new(), Vec::new());
        Self { hash: ROOTS[0], rest, len: 0, next: next_boundary(0), marks }
    }
}

impl Chain {
    /// An empty chain.
    pub fn new() -> Self {
        Self::default()
    }

    /// Bytes pushed so far.
    pub fn len(&self) -> u64 {
        self.len.saturating_add(self.rest.len() as u64)
    }

    /// Whether nothing was pushed.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Adds `text`; the cuts between calls don't matter.
    pub fn push(&mut self, mut text: &[u8]) {
        if !self.rest.is_empty() {
            let free = BLOCK.saturating_sub(self.rest.len());
            let (head, tail) = text.split_at_checked(free).unwrap_or((text, &[]));
            self.rest.extend_from_slice(head);
            let rest = core::mem::take(&mut self.rest);
            let Some(block) = rest.first_chunk() else {
                self.rest = rest;
                return;
            };
            self.absorb(core::slice::from_ref(block));
            text = tail;
        }
        let (blocks, rest) = text.as_chunks();
        self.absorb(blocks);
        self.rest.extend_from_slice(rest);
    }

    fn absorb(&mut self, blocks: &[[u8; BLOCK]]) {
        for block in blocks {
            self.hash = fold(self.hash, block);
            self.len = self.len.saturating_add(BLOCK as u64);
            if self.next == Some(self.len) {
                if self.marks.capacity() == 0 {
                    self.marks.reserve_exact(16);
                }
                self.marks.push(self.hash);
                self.next = next_boundary(self.len);
            }
        }
    }

    /// The hash of everything pushed so far.
    pub fn digest(&self) -> u64 {
        digest(self.hash, &self.rest, self.len())
    }

    /// A copy that can be pushed on for a digest, but has no boundaries.
    pub(crate) fn position(&self) -> Self {
        Self { next: None, marks: Vec::new(), rest: self.rest.clone(), ..*self }
    }

    /// The hash at the boundary `position`, if the chain got there.
    pub(crate) fn mark_at(&self, position: u64) -> Option<u64> {
        let places = grid(self.len).zip(&self.marks);
        places.into_iter().find_map(|(place, mark)| (place == position).then_some(*mark))
    }

    /// The hashes at the boundaries, in order.
    pub(crate) fn into_marks(self) -> Vec<u64> {
        self.marks
    }
}
