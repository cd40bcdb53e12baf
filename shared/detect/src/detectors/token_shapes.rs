//! What the keys of many issuers begin with, and how long they are.

mod prefixes;

use crate::rule::BuiltIn::{self, ProviderToken};

pub(super) use prefixes::SHAPES;

/// A fixed prefix and what follows it.
pub(super) struct Shape {
    pub(super) prefix: &'static [u8],
    pub(super) rule: BuiltIn,
    /// Characters after the prefix, fewest and most.
    pub(super) length: (u16, u16),
    pub(super) alphabet: fn(u8) -> bool,
}

impl Shape {
    /// How far `body`, what follows the prefix, has the shape's characters.
    pub(super) fn span(&self, body: &[u8]) -> usize {
        length(body, usize::from(self.length.1) + 1, self.alphabet)
    }

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
    alphabet: fn(u8) -> bool,
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
fn base64(b: u8) -> bool {
    b.is_ascii_alphanumeric() || b"+/=_-".contains(&b)
}
/// Base64url with its padding, and dots.
fn padded(b: u8) -> bool {
    dotted(b) || b == b'='
}
fn percent(b: u8) -> bool {
    b.is_ascii_alphanumeric() || b == b'%'
}
fn path(b: u8) -> bool {
    b.is_ascii_alphanumeric() || b == b'/'
}
/// Session ids of Salesforce.
fn session(b: u8) -> bool {
    b.is_ascii_alphanumeric() || b"!._".contains(&b)
}
/// UUIDs and what is written like them.
fn hex_dash(b: u8) -> bool {
    lower_hex(b) || b == b'-'
}
fn hex_colon(b: u8) -> bool {
    lower_hex(b) || b == b':'
}
fn dollar(b: u8) -> bool {
    lower_alnum(b) || b == b'$'
}
fn upper_word(b: u8) -> bool {
    upper_alnum(b) || b == b'_'
}
fn lower_hex(b: u8) -> bool {
    b.is_ascii_digit() || (b'a'..=b'f').contains(&b)
}
pub(super) fn lower_alnum(b: u8) -> bool {
    b.is_ascii_digit() || b.is_ascii_lowercase()
}
fn upper_alnum(b: u8) -> bool {
    b.is_ascii_digit() || b.is_ascii_uppercase()
}
fn upper_dash(b: u8) -> bool {
    upper_alnum(b) || b == b'-'
}
fn aws(b: u8) -> bool {
    b.is_ascii_uppercase() || (b'2'..=b'7').contains(&b)
}

/// Prefixes whose kind is written into them: `cfat_`, `vcp_`.
pub(super) static FAMILIES: [Shape; 2] =
    [shape(b"cf", ProviderToken, (48, 48), alnum), shape(b"vc", ProviderToken, (40, 60), alnum)];
