//! What of a text is looked at: anchors, the segments around them, and the matches in those.

pub(crate) mod anchor;
pub(crate) mod boundary;
pub(crate) mod context;
pub(crate) mod segment;
pub(crate) mod special;

use std::ops::Range;

use crate::rule::{BuiltIn, RuleIndex};

/// A match before policy, allow lists and overlaps are considered.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Candidate {
    /// Bytes of the scanned window.
    pub(crate) span: Range<usize>,
    pub(crate) rule: RuleIndex,
    pub(crate) confidence: f32,
}

impl Candidate {
    pub(crate) fn new(span: Range<usize>, rule: BuiltIn, confidence: f32) -> Self {
        Self { span, rule: rule.index(), confidence }
    }

    /// A match at the rule's plain confidence.
    pub(crate) fn plain(span: Range<usize>, rule: BuiltIn) -> Self {
        Self::new(span, rule, rule.confidence())
    }
}

/// Where `part` begins in `text`. One place for those who look once, for the sake of the module's
/// size.
#[inline(never)]
pub(crate) fn position(text: &[u8], part: &[u8]) -> Option<usize> {
    memchr::memmem::find(text, part)
}
