//! Groups of digits, and the numbers that they may be.

use std::ops::Range;

/// What separates a group of digits from the one before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Separator {
    Space,
    Dash,
    Dot,
    Slash,
    /// A parenthesis, with or without a space.
    Paren,
    /// A dash between spaces.
    Spaced,
}

/// One group of digits.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Group {
    pub(crate) start: usize,
    pub(crate) end: usize,
    /// Before the group; meaningless for the first of a run.
    pub(crate) separator: Separator,
}

/// A few neighbouring groups, read as one number.
pub(crate) struct Number<'r> {
    /// The digit characters.
    pub(crate) digits: &'r [u8],
    /// Lengths of the groups.
    pub(crate) lengths: &'r [u8],
    /// The separator, where all are the same.
    pub(crate) separator: Option<Separator>,
    pub(crate) has_paren: bool,
    pub(crate) has_slash: bool,
    pub(crate) has_dot: bool,
    /// Bytes of the text, from the first digit to the last.
    pub(crate) span: Range<usize>,
    /// The number is all of its run: no digits continue it on either side.
    pub(crate) whole: bool,
}

impl Number<'_> {
    /// Whether the digits stand together without separators.
    pub(crate) fn is_bare(&self) -> bool {
        self.lengths.len() == 1
    }

    /// Whether the groups have exactly these lengths.
    pub(crate) fn grouped(&self, lengths: &[u8]) -> bool {
        self.lengths == lengths
    }

    /// Whether one kind of separator, out of `allowed`, is used throughout.
    pub(crate) fn separated_by(&self, allowed: &[Separator]) -> bool {
        self.separator.is_some_and(|separator| allowed.contains(&separator))
    }
}
