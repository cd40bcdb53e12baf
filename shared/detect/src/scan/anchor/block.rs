//! The kinds of anchors, and the blocks that are tested for them.

/// A digit, something that may stand inside a number, a digit.
pub(crate) const DIGITS: u16 = 1;
/// An `@` between word characters.
pub(crate) const AT: u16 = 1 << 1;
/// The double slash of a URL, absolute or protocol-relative.
pub(crate) const LINK: u16 = 1 << 2;
/// A colon or dash between hexadecimal digits or colons: IPv6, MAC.
pub(crate) const COLON: u16 = 1 << 3;
/// A piece of a phrase literal.
pub(crate) const PHRASE: u16 = 1 << 4;
/// `=` or `:`, or the end of the dashes of a PEM header.
pub(crate) const ASSIGN: u16 = 1 << 5;
/// Invisible, full-width, other-script or look-alike characters.
pub(crate) const SPECIAL: u16 = 1 << 6;
/// `%41`, `&#65;`, `\u0041`, `\x41`.
pub(crate) const ESCAPE: u16 = 1 << 7;
/// At least [`LONG_RUN`] token characters in a row.
pub(crate) const LONG: u16 = 1 << 8;

/// In the byte sets only, where [`PHRASE`] has none: `--B` of a PEM header, `&#` and `\\u` or
/// `\\x` of an escape. Together they let less through than among their own kinds.
pub(super) const MARK: u16 = PHRASE;

/// Length of an unbroken run of token characters that makes it worth a look: the shortest key
/// with a fixed prefix is an AWS access key id of 20.
pub(crate) const LONG_RUN: u32 = 20;

/// Positions that are tested together: one bit each of a word.
pub(super) const BLOCK: usize = 32;
/// Bytes of a fingerprint.
pub(super) const WIDTH: usize = 3;
/// Bytes of a phrase's fingerprint: letters are common, three let too much
/// prose pass.
pub(super) const PHRASE_WIDTH: usize = 4;

/// The bytes that decide about the positions of a block.
pub(super) type Bytes = [u8; BLOCK + PHRASE_WIDTH - 1];

/// One bit a position.
#[derive(Clone, Copy, Default)]
pub(super) struct Block {
    /// Where a fingerprint may begin.
    pub(super) hits: u32,
    /// Where a phrase's fingerprint in ASCII may stand, when a word begins there.
    pub(super) phrases: u32,
    /// Where another phrase's fingerprint may begin.
    pub(super) foreign: u32,
    /// ASCII letters.
    pub(super) letters: u32,
    /// Token characters.
    pub(super) tokens: u32,
    /// Decimal digits.
    pub(super) digits: u32,
}

/// Bit `k` of `sets[p][b]` says that byte `b` may stand at position `p` of fingerprint `k`.
pub(super) type Sets = [[u8; 256]; WIDTH];

/// The same for phrases: bit `k` belongs to the phrases of group `k`.
pub(super) type PhraseSets = [[u8; 256]; PHRASE_WIDTH];

/// Groups of phrases that are tested apart, which keeps their byte sets small.
pub(crate) const PHRASE_GROUPS: usize = 8;

/// The groups of phrases in ASCII, which are found where a word begins; then come those of other
/// alphabets and those of scripts without spaces.
pub(crate) const ASCII_GROUPS: usize = 6;

/// Whether it is an ASCII letter.
pub(super) fn is_letter(byte: &u8) -> bool {
    byte.is_ascii_alphabetic()
}
