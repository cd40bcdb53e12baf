//! Counting a text that arrives in pieces.

use core::fmt;

use crate::block::{self, BLOCK, Before};
use crate::counts::{FEATURES, TextCounts};

/// Counts a text that arrives in pieces.
#[derive(Clone)]
pub struct TextCounter {
    features: [u64; FEATURES],
    before: Before,
    block: [u8; BLOCK],
    len: usize,
    bytes: u64,
}

impl fmt::Debug for TextCounter {
    /// Without the text that waits for its block to fill.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TextCounter").field("bytes", &self.bytes).finish_non_exhaustive()
    }
}

impl Default for TextCounter {
    fn default() -> Self {
        Self {
            features: [0; FEATURES],
            before: Before::default(),
            block: [0; BLOCK],
            len: 0,
            bytes: 0,
        }
    }
}

impl TextCounter {
    /// A counter that has seen nothing.
    pub fn new() -> Self {
        Self::default()
    }

    /// Counts one piece; the cuts between pieces don't matter, not even inside a character.
    pub fn push(&mut self, mut text: &[u8]) {
        self.bytes = self.bytes.saturating_add(text.len() as u64);
        if self.len > 0 {
            text = self.fill(text);
        }
        let (blocks, rest) = text.as_chunks::<BLOCK>();
        for whole in blocks {
            block::count(whole, &mut self.before, &mut self.features);
        }
        if !rest.is_empty() {
            self.fill(rest);
        }
    }

    /// Ends the text counted so far and starts another that is not a continuation of it.
    pub fn separate(&mut self) {
        self.features = self.counts().features;
        (self.before, self.len) = (Before::default(), 0);
    }

    /// The counts so far.
    pub fn counts(&self) -> TextCounts {
        let (mut features, mut before) = (self.features, self.before);
        if self.len > 0 {
            let mut last = self.block;
            last.get_mut(self.len..).unwrap_or_default().fill(0);
            block::count(&last, &mut before, &mut features);
        }
        TextCounts { features, bytes: self.bytes, token_ids: 0 }
    }

    /// Takes what the block begun has room for, and returns the rest of `text`.
    fn fill<'a>(&mut self, text: &'a [u8]) -> &'a [u8] {
        let free = self.block.get_mut(self.len..).unwrap_or_default();
        let taken = free.len().min(text.len());
        let (head, tail) = text.split_at_checked(taken).unwrap_or((text, &[]));
        if let Some(place) = free.get_mut(..taken) {
            place.copy_from_slice(head);
        }
        self.len += taken;
        if self.len == BLOCK {
            block::count(&self.block, &mut self.before, &mut self.features);
            self.len = 0;
        }
        tail
    }
}

#[cfg(test)]
mod tests;
