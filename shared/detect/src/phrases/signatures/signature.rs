//! One phrase, and the words before it.

use crate::rule::BuiltIn;

/// One phrase.
#[derive(Debug)]
pub(crate) struct Signature {
    /// The literal that ends it, lower case.
    pub(crate) tail: &'static str,
    /// Word sets that must stand before it, nearest first; a word matches by its beginning.
    pub(crate) before: &'static [&'static [&'static str]],
    pub(crate) rule: BuiltIn,
    /// Confidence of the phrase by itself.
    pub(crate) weight: f32,
}

pub(in crate::phrases) const fn signature(
    tail: &'static str,
    before: &'static [&'static [&'static str]],
    rule: BuiltIn,
    weight: f32,
) -> Signature {
    Signature { tail, before, rule, weight }
}

/// A set of words, or of their beginnings.
pub(super) type Words = &'static [&'static str];
