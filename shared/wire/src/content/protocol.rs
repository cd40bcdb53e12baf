//! Words that steer the protocol.

/// Longest of them, in bytes.
const MAX_TOKEN: usize = 64;

/// Most digits in a row: a date (`web_search_20250305`). No detector finds anything in so few.
const MAX_DIGITS: usize = 8;

/// Whether a value is a word of a protocol, as roles and types are: it begins with a letter, and has
/// nothing but letters, few digits and what joins words. Anything else may be text.
pub(crate) fn is_token(value: &str) -> bool {
    let mut digits = 0;
    let part = |byte: u8| {
        digits += usize::from(byte.is_ascii_digit());
        byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.')
    };
    let begins = value.bytes().next().is_some_and(|first| first.is_ascii_alphabetic());
    begins && value.len() <= MAX_TOKEN && value.bytes().all(part) && digits <= MAX_DIGITS
}
