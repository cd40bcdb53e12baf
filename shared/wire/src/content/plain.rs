//! The text of a JSON string, and where each of its bytes came from.

use core::ops::Range;
use std::borrow::Cow;

use crate::edit::{Edit, push_escaped};

/// A string without its escapes, with the way back to the bytes of the body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plain<'r> {
    text: Cow<'r, str>,
    /// After each escape: offset in the text, offset in the raw bytes.
    escapes: Vec<(usize, usize)>,
}

impl<'r> Plain<'r> {
    /// The text of what stands between the quotes of a string; `None` if that is no JSON string
    /// (an unknown escape, half of a surrogate pair, bytes that are not UTF-8).
    pub fn of(raw: &'r [u8]) -> Option<Self> {
        let written = simdutf8::basic::from_utf8(raw).ok()?;
        let Some(first) = memchr::memchr(b'\\', raw) else {
            return Some(Self { text: Cow::Borrowed(written), escapes: Vec::new() });
        };
        let mut text = String::with_capacity(written.len());
        let mut escapes = Vec::new();
        let mut at = 0;
        let mut next = Some(first);
        while let Some(escape) = next {
            text.push_str(written.get(at..escape)?);
            let (decoded, len) = escaped(raw.get(escape..)?)?;
            text.push(decoded);
            at = escape + len;
            escapes.push((text.len(), at));
            next = memchr::memchr(b'\\', raw.get(at..)?).map(|found| at + found);
        }
        text.push_str(written.get(at..)?);
        Some(Self { text: Cow::Owned(text), escapes })
    }

    /// The text.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The text, taken out.
    pub fn into_text(self) -> Cow<'r, str> {
        self.text
    }

    /// Where a span of the text is in the raw bytes. The span must begin and end between
    /// characters.
    pub fn raw_span(&self, span: &Range<usize>) -> Range<usize> {
        self.raw(span.start)..self.raw(span.end)
    }

    fn raw(&self, offset: usize) -> usize {
        let before = self.escapes.partition_point(|(text, _)| *text <= offset);
        let last = before.checked_sub(1).and_then(|last| self.escapes.get(last));
        let (text, raw) = last.copied().unwrap_or_default();
        raw + (offset - text)
    }

    /// The replacement of a span of the text, as an edit of the body in which the raw bytes start
    /// at `base`.
    pub fn edit(&self, base: usize, span: &Range<usize>, replacement: &str) -> Edit {
        let raw = self.raw_span(span);
        let mut escaped = Vec::with_capacity(replacement.len());
        push_escaped(&mut escaped, replacement);
        Edit { span: base + raw.start..base + raw.end, replacement: escaped }
    }
}

/// The character that the escape at the start of `raw` stands for, and the escape's length.
fn escaped(raw: &[u8]) -> Option<(char, usize)> {
    let short = match raw.get(1)? {
        b'b' => '\u{8}',
        b'f' => '\u{c}',
        b'n' => '\n',
        b'r' => '\r',
        b't' => '\t',
        b'u' => return unicode(raw),
        byte @ (b'"' | b'\\' | b'/') => char::from(*byte),
        _ => return None,
    };
    Some((short, 2))
}

/// `\uXXXX`, or two of them for one character.
fn unicode(raw: &[u8]) -> Option<(char, usize)> {
    let unit = |at: usize| -> Option<u16> {
        let digits = raw.get(at..at + 6)?.strip_prefix(b"\\u")?;
        let value = |sum: u16, digit: &u8| {
            let digit = char::from(*digit).to_digit(16).and_then(|d| u16::try_from(d).ok())?;
            Some(sum << 4 | digit)
        };
        digits.iter().try_fold(0, value)
    };
    let first = unit(0)?;
    if let Some(character) = char::from_u32(u32::from(first)) {
        return Some((character, 6));
    }
    let pair = char::decode_utf16([first, unit(6)?]).next()?;
    Some((pair.ok()?, 12))
}

/// Half an escape, or none at all.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no escape of a JSON string")]
pub struct NoEscape;

/// The character that `escape` stands for, which starts with a backslash; `None` while it is
/// incomplete.
///
/// # Errors
/// [`NoEscape`] if nothing that follows could make it one.
pub fn unescape_one(escape: &[u8]) -> Result<Option<char>, NoEscape> {
    if let Some((character, len)) = escaped(escape) {
        return if len == escape.len() { Ok(Some(character)) } else { Err(NoEscape) };
    }
    let begun = |unit: &[u8]| match unit {
        [] | [b'\\'] => true,
        [b'\\', b'u', digits @ ..] => digits.len() < 4 && digits.iter().all(u8::is_ascii_hexdigit),
        _ => false,
    };
    let (first, second) = escape.split_at_checked(6).unwrap_or((escape, &[]));
    let open = match first.len() {
        6 => high_surrogate(first) && begun(second),
        _ => begun(first),
    };
    if open { Ok(None) } else { Err(NoEscape) }
}

/// Whether `\uXXXX` is the first half of a pair.
fn high_surrogate(unit: &[u8]) -> bool {
    matches!(unit, [b'\\', b'u', b'd' | b'D', b'8' | b'9' | b'a'..=b'b' | b'A'..=b'B', low @ ..]
        if low.iter().all(u8::is_ascii_hexdigit))
}

#[cfg(test)]
mod tests {
    use super::*;
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    #[test]
    fn text_and_raw_bytes_are_found_in_each_other() {
        let raw = br#"a\u0034\n\ud83d\ude00b\"c"#;
        let plain = Plain::of(raw).unwrap();
        assert_eq!(plain.text(), "a4\n\u{1F600}b\"c");
        assert_eq!(plain.raw_span(&(1..2)), 1..7);
        assert_eq!(plain.raw_span(&(2..3)), 7..9);
        assert_eq!(plain.raw_span(&(3..7)), 9..21);
        assert_eq!(plain.raw_span(&(8..10)), 22..25);
        assert_eq!(plain.raw_span(&(0..10)), 0..raw.len());
    }

    #[test]
    fn an_edit_is_escaped_and_leaves_the_rest() {
        let body = br#"{"a":"x\u0034y"}"#;
        let plain = Plain::of(&body[6..13]).unwrap();
        let edit = plain.edit(6, &(1..2), "\"\n");
        let edited = crate::edit::apply(body, &[edit]).unwrap();
        assert_eq!(edited, br#"{"a":"x\"\ny"}"#);
    }

    #[test]
    fn an_escape_is_known_with_its_last_byte() {
        for (escape, character) in
            [(r"\n", '\n'), (r"\/", '/'), (r"\u00e9", '\u{e9}'), (r"\ud83d\ude00", '\u{1F600}')]
        {
            let bytes = escape.as_bytes();
            for len in 1..bytes.len() {
                assert_eq!(unescape_one(&bytes[..len]), Ok(None), "{escape} at {len}");
            }
            assert_eq!(unescape_one(bytes), Ok(Some(character)));
        }
        for wrong in [r"\x", r"\u0g", r"\udc00", r"\ud83dx", r"\ud83d\n", r"\ud83d\u0041"] {
            assert_eq!(unescape_one(wrong.as_bytes()), Err(NoEscape), "{wrong}");
        }
    }

    #[test]
    fn what_is_no_string_is_refused() {
        for raw in [r"\", r"\x", r"\u12", r"\ud800", r"\ud800\u0041", r"\udc00"] {
            assert_eq!(Plain::of(raw.as_bytes()), None, "{raw}");
        }
        assert_eq!(Plain::of(b"\xff"), None);
        assert_eq!(Plain::of(b"").unwrap().text(), "");
    }
}
