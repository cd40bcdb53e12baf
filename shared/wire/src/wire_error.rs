//! Why a body was refused.

use thiserror::Error;

/// A request body that is not what its API takes. `at` is a byte offset into the body. No variant
/// holds a byte of the body.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum WireError {
    /// The body starts with a byte order mark.
    #[error("byte order mark before the JSON text")]
    ByteOrderMark,
    /// The outermost value is not an object.
    #[error("expected a JSON object at offset {at}")]
    NotAnObject {
        /// Where the other value starts.
        at: usize,
    },
    /// A byte that cannot stand here.
    #[error("expected {expected} at offset {at}")]
    UnexpectedByte {
        /// Where the byte is.
        at: usize,
        /// What may stand here.
        expected: &'static str,
    },
    /// The body ended inside a value.
    #[error("unexpected end of the body at offset {at}")]
    Truncated {
        /// Length of the body.
        at: usize,
    },
    /// Something other than white space follows the outermost value.
    #[error("trailing data after the JSON object at offset {at}")]
    TrailingData {
        /// Where it starts.
        at: usize,
    },
    /// Containers nested deeper than allowed.
    #[error("nesting deeper than {limit} at offset {at}")]
    TooDeep {
        /// Where the container too many opens.
        at: usize,
        /// The most that is allowed.
        limit: u32,
    },
    /// More values than are read.
    #[error("more than {limit} values at offset {at}")]
    TooManyValues {
        /// Where the value too many starts.
        at: usize,
        /// The most that are read.
        limit: usize,
    },
    /// A string is not UTF-8.
    #[error("invalid UTF-8 at offset {at}")]
    InvalidUtf8 {
        /// Where the invalid sequence starts.
        at: usize,
    },
    /// A control character stands unescaped in a string.
    #[error("unescaped control character at offset {at}")]
    ControlCharacter {
        /// Where it is.
        at: usize,
    },
    /// An unknown or incomplete escape.
    #[error("invalid escape at offset {at}")]
    InvalidEscape {
        /// Where the backslash is.
        at: usize,
    },
    /// Half of a surrogate pair, which no UTF-8 text can hold.
    #[error("lone surrogate at offset {at}")]
    LoneSurrogate {
        /// Where the backslash of the escape is.
        at: usize,
    },
    /// A number that JSON does not allow.
    #[error("invalid number at offset {at}")]
    InvalidNumber {
        /// The byte that does not fit.
        at: usize,
    },
    /// A word other than `true`, `false` and `null`.
    #[error("invalid literal at offset {at}")]
    InvalidLiteral {
        /// The byte that does not fit.
        at: usize,
    },
    /// A field that decides something is given twice: which one counts would depend on the parser.
    #[error("duplicate key `{field}` at offset {at}")]
    DuplicateKey {
        /// Where the second key starts.
        at: usize,
        /// The field.
        field: &'static str,
    },
    /// A field that decides something has a value of the wrong type.
    #[error("`{field}` must be {expected}, at offset {at}")]
    WrongType {
        /// Where the value starts.
        at: usize,
        /// The field.
        field: &'static str,
        /// What the field takes.
        expected: &'static str,
    },
    /// A name holds control characters or characters that are not shown.
    #[error("`{field}` holds control characters or characters that are not shown, at offset {at}")]
    HiddenCharacter {
        /// Where the value starts.
        at: usize,
        /// The field.
        field: &'static str,
    },
    /// A value is longer than allowed.
    #[error("`{field}` is longer than {limit} bytes at offset {at}")]
    TooLong {
        /// Where the value starts.
        at: usize,
        /// The field.
        field: &'static str,
        /// The most bytes allowed.
        limit: usize,
    },
}

impl WireError {
    /// Where in the body the error is, in bytes.
    pub fn offset(&self) -> usize {
        match *self {
            Self::ByteOrderMark => 0,
            Self::NotAnObject { at }
            | Self::UnexpectedByte { at, .. }
            | Self::Truncated { at }
            | Self::TrailingData { at }
            | Self::TooDeep { at, .. }
            | Self::TooManyValues { at, .. }
            | Self::InvalidUtf8 { at }
            | Self::ControlCharacter { at }
            | Self::InvalidEscape { at }
            | Self::LoneSurrogate { at }
            | Self::InvalidNumber { at }
            | Self::InvalidLiteral { at }
            | Self::DuplicateKey { at, .. }
            | Self::WrongType { at, .. }
            | Self::HiddenCharacter { at, .. }
            | Self::TooLong { at, .. } => at,
        }
    }

    /// The field that is wrong, where the JSON itself is well formed.
    pub fn field(&self) -> Option<&'static str> {
        match *self {
            Self::DuplicateKey { field, .. }
            | Self::WrongType { field, .. }
            | Self::HiddenCharacter { field, .. }
            | Self::TooLong { field, .. } => Some(field),
            _ => None,
        }
    }
}
