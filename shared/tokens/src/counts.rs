//! What is counted.

/// Character-class counts of a text.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TextCounts {
    /// Bytes of UTF-8.
    pub bytes: u64,
    /// Token ids of prompts that are given as ids.
    pub token_ids: u64,
}

impl TextCounts {
    /// Adds the counts of another text.
    pub fn add(&mut self, other: &Self) {
        self.bytes = self.bytes.saturating_add(other.bytes);
        self.token_ids = self.token_ids.saturating_add(other.token_ids);
    }

    /// The counts of a text `bytes` long of which this is a sample of `sampled` bytes.
    pub fn scaled(&self, bytes: u64, sampled: u64) -> Self {
        let scale = |n: u64| n.saturating_mul(bytes).checked_div(sampled).unwrap_or(0);
        Self { bytes: scale(self.bytes), token_ids: self.token_ids }
    }
}

/// Counts a text that arrives in pieces.
#[derive(Clone, Debug, Default)]
pub struct TextCounter {
    counts: TextCounts,
}

impl TextCounter {
    /// A counter that has seen nothing.
    pub fn new() -> Self {
        Self::default()
    }

    /// Counts one piece; the cuts between pieces don't matter.
    pub fn push(&mut self, text: &[u8]) {
        self.counts.bytes = self.counts.bytes.saturating_add(text.len() as u64);
    }

    /// The counts so far.
    pub fn counts(&self) -> TextCounts {
        self.counts
    }
}
