//! One segment and what its detectors may see.

use std::cell::OnceCell;
use std::ops::Range;

use super::context::{REACH, Topics};

/// The text between two boundaries, with the text before it for context.
pub(crate) struct Segment<'t> {
    /// Everything up to the segment's end; nothing after it is visible.
    text: &'t [u8],
    range: Range<usize>,
    /// Union of the anchors inside.
    pub(crate) kinds: u16,
    /// How many layers of encoding were taken off.
    pub(crate) depth: u8,
    outside: OnceCell<Topics>,
}

impl<'t> Segment<'t> {
    /// The segment `range` of `text`; bytes after it are cut off.
    pub(crate) fn new(text: &'t [u8], range: Range<usize>, kinds: u16, depth: u8) -> Self {
        let text = text.get(..range.end).unwrap_or(text);
        Self { text, range, kinds, depth, outside: OnceCell::new() }
    }

    /// The segment's own bytes.
    pub(crate) fn bytes(&self) -> &'t [u8] {
        self.text.get(self.range.clone()).unwrap_or_default()
    }

    /// Everything up to the segment's end.
    pub(crate) fn text(&self) -> &'t [u8] {
        self.text
    }

    pub(crate) fn range(&self) -> Range<usize> {
        self.range.clone()
    }

    pub(crate) fn start(&self) -> usize {
        self.range.start
    }

    pub(crate) fn end(&self) -> usize {
        self.range.end
    }

    /// The byte at `at` of the text, zero outside.
    pub(crate) fn byte(&self, at: usize) -> u8 {
        self.text.get(at).copied().unwrap_or(0)
    }

    /// The byte before `at`, zero at the start.
    pub(crate) fn before(&self, at: usize) -> u8 {
        at.checked_sub(1).map_or(0, |at| self.byte(at))
    }

    /// The text `span`.
    pub(crate) fn slice(&self, span: Range<usize>) -> &'t [u8] {
        self.text.get(span).unwrap_or_default()
    }

    /// Up to `reach` bytes before `at`.
    pub(crate) fn left_of(&self, at: usize, reach: usize) -> &'t [u8] {
        // Bounded from the segment's start, so that a stream that kept only so much sees the same.
        let from = at.saturating_sub(reach).max(self.range.start.saturating_sub(reach));
        self.slice(from..at)
    }

    /// The topics of the words before `at`, and of those after it in the segment itself: a label
    /// in parentheses belongs to its number. What follows the segment is not waited for.
    pub(crate) fn topics(&self, at: usize) -> Topics {
        let start = self.range.start;
        let outside =
            *self.outside.get_or_init(|| Topics::before(self.text, &(start..start), start));
        let inside = self.slice(start.max(at.saturating_sub(REACH))..self.end().min(at + REACH));
        outside.or(Topics::before(inside, &(0..0), inside.len()))
    }

    /// Whether any of the anchor kinds is inside.
    pub(crate) fn has(&self, kinds: u16) -> bool {
        self.kinds & kinds != 0
    }
}
