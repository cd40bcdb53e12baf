//! An incremental JSON reader: validates, keeps no tree, reports values to a [`Handler`].

mod block;
mod decoded;
mod lexer;
mod message;
mod number;
mod run;
mod string;
mod unescape;
mod utf8;

pub(crate) use lexer::Lexer;
pub(crate) use unescape::plain;

use crate::WireError;

/// Object or array.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Container {
    /// `{…}`
    Object,
    /// `[…]`
    Array,
}

/// What a string is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum StringRole {
    /// The name of an object's member.
    Key,
    /// A value.
    Value,
}

/// The words of JSON.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Literal {
    /// `true`
    True,
    /// `false`
    False,
    /// `null`
    Null,
}

impl Literal {
    /// How it is written.
    pub(crate) const fn text(self) -> &'static [u8] {
        match self {
            Self::True => b"true",
            Self::False => b"false",
            Self::Null => b"null",
        }
    }
}

/// What reading a body tells, in the order of the body. Offsets count from the body's start.
///
/// The text of strings is told in *canonical escaped form*: raw UTF-8 in which only `"`, `\` and
/// control characters are escaped, as `\"`, `\\`, `\b`, `\f`, `\n`, `\r`, `\t` or `\u00xx`.
/// Whatever other escapes a client chose are gone, yet long texts need no copying.
/// [`plain`] gives the plain text.
pub(crate) trait Handler {
    /// A container opens with the bracket at `at`.
    fn open(&mut self, container: Container, at: usize) -> Result<(), WireError>;
    /// A container closed; `end` is the offset after its bracket.
    fn close(&mut self, container: Container, end: usize) -> Result<(), WireError>;
    /// A string opens with the quote at `at`.
    fn string_begin(&mut self, role: StringRole, at: usize) -> Result<(), WireError>;
    /// A piece of the string; the cuts mean nothing, but a short escape is never cut.
    fn text(&mut self, piece: &[u8]);
    /// The string closed; `end` is the offset after its quote.
    fn string_end(&mut self, role: StringRole, end: usize) -> Result<(), WireError>;
    /// A whole short string whose quotes are at `at` and before `end`: what the three above tell, in
    /// one.
    #[inline]
    fn string(
        &mut self,
        role: StringRole,
        text: &[u8],
        at: usize,
        end: usize,
    ) -> Result<(), WireError> {
        self.string_begin(role, at)?;
        if !text.is_empty() {
            self.text(text);
        }
        self.string_end(role, end)
    }
    /// An object opens in an array as nearly all messages do: its first member is `role`, with this text,
    /// and its second `content`, a string whose quote is at `content_at`. Either takes all of that, as
    /// if it had been told by the other functions up to the [`string_begin`](Self::string_begin) of
    /// the content, and answers with true; or takes nothing.
    #[inline]
    fn message(&mut self, _role: &[u8], _content_at: usize) -> bool {
        false
    }
    /// A number that starts at `at`; of very long ones only the start.
    fn number(&mut self, text: &[u8], at: usize) -> Result<(), WireError>;
    /// A literal that starts at `at`.
    fn literal(&mut self, literal: Literal, at: usize) -> Result<(), WireError>;
}
