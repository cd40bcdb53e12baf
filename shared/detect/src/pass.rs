//! What a pass over a text works on.

use crate::digits::Group;
use crate::phrases::score::Score;
use crate::scan::Candidate;
use crate::scanner::Scanner;
use crate::selection::Selection;

/// What one pass over part of a text needs to know.
pub(crate) struct Pass<'s> {
    pub(crate) scanner: &'s Scanner,
    pub(crate) selection: &'s Selection,
    pub(crate) memory: &'s mut Memory,
    pub(crate) out: &'s mut Vec<Candidate>,
}

/// What a scan remembers from segment to segment of the same text.
#[derive(Clone, Debug, Default)]
pub(crate) struct Memory {
    pub(crate) injection: Score,
    /// Room for the groups of a number, kept to save allocations.
    pub(crate) groups: Vec<Group>,
    /// Absolute offset of the window's first byte.
    pub(crate) base: usize,
    /// A match reached the hold-back limit while it could still grow.
    pub(crate) overflowed: bool,
    /// A secret reached the hold-back limit at this absolute offset, and goes on there.
    pub(crate) growing: Option<(usize, Candidate)>,
    /// Absolute offset of what was last seen to begin like a password's name: its value may stand
    /// further from it than other values from theirs.
    pub(crate) last_name: Option<usize>,
}

/// A stretch of text to scan.
#[derive(Clone, Copy)]
pub(crate) struct Window<'t> {
    /// All bytes at hand; those after `to` only decide where segments end.
    pub(crate) text: &'t [u8],
    /// A segment begins here.
    pub(crate) from: usize,
    /// A boundary, or the hold-back limit.
    pub(crate) to: usize,
    /// Whether `text` is the end of the text.
    pub(crate) complete: bool,
    /// `to` is no boundary: the hold-back limit was reached without one.
    pub(crate) forced: bool,
}

impl<'t> Window<'t> {
    /// What is scanned.
    pub(crate) fn visible(&self) -> &'t [u8] {
        self.text.get(..self.to).unwrap_or(self.text)
    }
}

/// The last character boundary of UTF-8 at or before `at`.
pub(crate) fn floor_char(text: &[u8], at: usize) -> usize {
    let mut at = at.min(text.len());
    while at > 0 && text.get(at).is_some_and(|byte| (0x80..0xC0).contains(byte)) {
        at -= 1;
    }
    at
}
