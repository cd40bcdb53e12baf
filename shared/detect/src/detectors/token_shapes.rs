//! What the keys of many issuers begin with, and how long they are.

mod prefixes;

use super::token_runs::Alphabet;
use crate::rule::BuiltIn::{self, ProviderToken};

pub(super) use prefixes::SHAPES;

/// A fixed prefix and what follows it.
pub(super) struct Shape {
    pub(super) prefix: &'static [u8],
    pub(super) rule: BuiltIn,
    /// Characters after the prefix, fewest and most.
    pub(super) length: (u16, u16),
    pub(super) alphabet: Alphabet,
}

impl Shape {
    /// Whether so many characters are neither too few nor too many.
    pub(super) fn fits(&self, length: usize) -> bool {
        (usize::from(self.length.0)..=usize::from(self.length.1)).contains(&length)
    }
}

/// How many bytes at the beginning of `text` are of the class, up to `most`. One place for all, for
/// the sake of the module's size.
#[inline(never)]
pub(super) fn length(text: &[u8], most: usize, class: fn(u8) -> bool) -> usize {
    text.iter().take(most).take_while(|b| class(**b)).count()
}

const fn shape(
    prefix: &'static [u8],
    rule: BuiltIn,
    length: (u16, u16),
    alphabet: Alphabet,
) -> Shape {
    Shape { prefix, rule, length, alphabet }
}

pub(super) fn alnum(b: u8) -> bool {
    b.is_ascii_alphanumeric()
}
pub(super) fn letters(b: u8) -> bool {
    b.is_ascii_alphabetic()
}
pub(super) fn hex(b: u8) -> bool {
    b.is_ascii_hexdigit()
}
pub(super) fn word(b: u8) -> bool {
    b.is_ascii_alphanumeric() || b == b'_' || b == b'-'
}
pub(super) fn dotted(b: u8) -> bool {
    word(b) || b == b'.'
}
pub(super) fn lower_alnum(b: u8) -> bool {
    b.is_ascii_digit() || b.is_ascii_lowercase()
}
/// Prefixes whose kind is written into them: `cfat_`, `vcp_`.
pub(super) static FAMILIES: [Shape; 2] = [
    shape(b"cf", ProviderToken, (48, 48), Alphabet::Alnum),
    shape(b"vc", ProviderToken, (40, 60), Alphabet::Alnum),
];
