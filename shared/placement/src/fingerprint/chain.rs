//! The hash behind the chain: four 64-bit lanes of multiply, rotate, multiply, as in XXH64: in V8
//! the fastest that still tells texts apart which differ in a few bits (16 GB/s).

use core::fmt;

use super::next_boundary;

const BLOCK: usize = 32;

/// Odd 64-bit constants with well mixed bits (the fractional parts of √2, √3, √5 and √7).
const ROOTS: [u64; 4] =
    [0x6a09_e667_f3bc_c909, 0xbb67_ae85_84ca_a73b, 0x3c6e_f372_fe94_f82b, 0xa54f_f53a_5f1d_36f1];

/// Mixes two values into one; every output bit depends on every input bit.
pub(super) const fn mix(a: u64, b: u64) -> u64 {
    let mut x = a ^ b.rotate_left(32).wrapping_mul(ROOTS[0]);
    x = (x ^ (x >> 32)).wrapping_mul(ROOTS[1]);
    x = (x ^ (x >> 29)).wrapping_mul(ROOTS[3]);
    x ^ (x >> 32)
}

/// The hash of one piece of text, for values that matter only as a whole (a cache salt, a user).
pub fn text_hash(text: &[u8]) -> u64 {
    let mut lanes = Lanes::default();
    let (blocks, rest) = text.as_chunks::<BLOCK>();
    for block in blocks {
        lanes.absorb(block);
    }
    lanes.digest(rest, text.len() as u64)
}

/// The running state of the hash.
#[derive(Clone, Copy, Debug)]
struct Lanes([u64; 4]);

impl Default for Lanes {
    fn default() -> Self {
        Self(ROOTS)
    }
}

impl Lanes {
    #[inline(always)]
    fn absorb(&mut self, block: &[u8; BLOCK]) {
        let (words, _) = block.as_chunks::<8>();
        for (lane, word) in self.0.iter_mut().zip(words) {
            // The word is multiplied before it joins: without that, a change in its highest bits
            // could be undone by a change of single bits in the next.
            let word = u64::from_le_bytes(*word).wrapping_mul(ROOTS[1]);
            *lane = lane.wrapping_add(word).rotate_left(31).wrapping_mul(ROOTS[3]);
        }
    }

    /// The hash of everything absorbed and of `rest`, less than one block; `len` counts both.
    fn digest(mut self, rest: &[u8], len: u64) -> u64 {
        if !rest.is_empty() {
            let mut block = [0; BLOCK];
            for (to, from) in block.iter_mut().zip(rest) {
                *to = *from;
            }
            self.absorb(&block);
        }
        let [a, b, c, d] = self.0;
        mix(mix(mix(mix(len, a), b), c), d)
    }
}

/// The chain over one part of the prompt: a hash that is read out at every boundary.
#[derive(Clone)]
pub struct Chain {
    lanes: Lanes,
    tail: [u8; BLOCK],
    len: u64,
    next: Option<u64>,
    marks: Vec<u64>,
}

impl fmt::Debug for Chain {
    /// Without the text that waits for its block to fill.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Chain").field("len", &self.len).finish_non_exhaustive()
    }
}

impl Default for Chain {
    fn default() -> Self {
        Self {
            lanes: Lanes::default(),
            tail: [0; BLOCK],
            len: 0,
            next: next_boundary(0),
            marks: Vec::new(),
        }
    }
}

impl Chain {
    /// An empty chain.
    pub fn new() -> Self {
        Self::default()
    }

    /// Bytes pushed so far.
    pub fn len(&self) -> u64 {
        self.len
    }

    /// Whether nothing was pushed.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Adds `text`; the cuts between calls don't matter.
    pub fn push(&mut self, mut text: &[u8]) {
        while let Some(next) = self.next {
            let until = usize::try_from(next.saturating_sub(self.len)).unwrap_or(usize::MAX);
            let Some((before, after)) = text.split_at_checked(until) else {
                break;
            };
            self.absorb(before);
            self.marks.push(self.lanes.digest(&[], self.len));
            self.next = next_boundary(next);
            text = after;
        }
        self.absorb(text);
    }

    /// The hash of everything pushed so far.
    pub fn digest(&self) -> u64 {
        self.lanes.digest(self.pending(), self.len)
    }

    /// A copy that can be pushed on for a digest, but has no boundaries.
    pub(super) fn position(&self) -> Self {
        Self { next: None, marks: Vec::new(), ..*self }
    }

    /// The digest at the boundary `position`, if the chain got there.
    pub(super) fn mark_at(&self, position: u64) -> Option<u64> {
        let places = super::grid(self.len).zip(&self.marks);
        places.into_iter().find_map(|(place, mark)| (place == position).then_some(*mark))
    }

    /// The digests at the boundaries, in order.
    pub(super) fn into_marks(self) -> Vec<u64> {
        self.marks
    }

    /// The bytes since the last whole block.
    fn pending(&self) -> &[u8] {
        self.tail.get(..self.tail_len()).unwrap_or_default()
    }

    fn tail_len(&self) -> usize {
        (self.len % BLOCK as u64) as usize
    }

    fn absorb(&mut self, text: &[u8]) {
        let text = self.fill_tail(text);
        let mut lanes = self.lanes;
        let (blocks, rest) = text.as_chunks::<BLOCK>();
        for block in blocks {
            lanes.absorb(block);
        }
        self.lanes = lanes;
        self.len = self.len.saturating_add((text.len() - rest.len()) as u64);
        self.fill_tail(rest);
    }

    /// Completes the block begun, or takes all of `text` if it is shorter; what is left follows a
    /// whole block.
    fn fill_tail<'a>(&mut self, text: &'a [u8]) -> &'a [u8] {
        let used = self.tail_len();
        if used == 0 && text.len() >= BLOCK {
            return text;
        }
        let free = self.tail.iter_mut().skip(used);
        let taken = free.zip(text).map(|(to, from)| *to = *from).count();
        self.len = self.len.saturating_add(taken as u64);
        if taken > 0 && self.tail_len() == 0 {
            self.lanes.absorb(&self.tail);
        }
        text.get(taken..).unwrap_or_default()
    }
}
