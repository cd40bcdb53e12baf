//! JSON that is none by the letter, and that clients read all the same.

use std::borrow::Cow;

use weir_wire::WireError;
use weir_wire::content::Tape;

use crate::halves::{ALONE, unit};

const BYTE_ORDER_MARK: &[u8] = b"\xEF\xBB\xBF";

/// What Python's `json` writes where a number is none, and reads.
const NO_NUMBERS: [&[u8]; 3] = [b"NaN", b"Infinity", b"-Infinity"];

/// Reads JSON, if need be as a copy of the same length that can be read; offsets are true of both. `halves` says whether half of a
/// character is replaced in the copy.
///
/// # Errors
/// The one of the copy. What does not begin like JSON is not copied.
pub(crate) fn tape_of(json: &[u8], halves: bool) -> Result<(Tape, Cow<'_, [u8]>), WireError> {
    match Tape::read(json) {
        Ok(tape) => Ok((tape, Cow::Borrowed(json))),
        Err(error @ WireError::NotAnObject { .. }) => Err(error),
        Err(_) => {
            let copy = readable(json, halves);
            Ok((Tape::read(&copy)?, Cow::Owned(copy)))
        }
    }
}

/// A copy of the same length, in which white space stands for a byte order mark, 0 for what is no number, and, if
/// `halves` are to be replaced, U+FFFD for half of a character.
#[cold]
fn readable(json: &[u8], halves: bool) -> Vec<u8> {
    let mut out = Vec::with_capacity(json.len());
    let mut rest = json;
    if let Some(after) = rest.strip_prefix(BYTE_ORDER_MARK) {
        out.extend_from_slice(b"   ");
        rest = after;
    }
    let mut string = false;
    while let Some(first) = rest.first() {
        let len = match first {
            b'\\' if string => escape(rest, halves, &mut out),
            b'N' | b'I' | b'-' if !string => no_number(rest, &mut out),
            _ => {
                string ^= *first == b'"';
                out.push(*first);
                1
            }
        };
        rest = rest.get(len..).unwrap_or_default();
    }
    out
}

/// Writes the escape that `rest` begins with; answers with its length.
fn escape(rest: &[u8], halves: bool, out: &mut Vec<u8>) -> usize {
    let half = |at: usize| unit(rest.get(at..).unwrap_or_default()).map(|unit| unit & 0xFC00);
    let (written, len) = match (half(0), half(6)) {
        (Some(0xD800), Some(0xDC00)) => (rest.get(..12), 12),
        (Some(0xD800 | 0xDC00), _) if halves => (Some(ALONE), ALONE.len()),
        _ => (rest.get(..2), 2),
    };
    out.extend_from_slice(written.unwrap_or(rest));
    len
}

/// Writes 0 in place of what is no number, and what else begins so as it is; answers with its length.
fn no_number(rest: &[u8], out: &mut Vec<u8>) -> usize {
    let Some(word) = NO_NUMBERS.iter().find(|word| rest.starts_with(word)) else {
        out.extend(rest.first());
        return 1;
    };
    let end = out.len() + word.len();
    out.push(b'0');
    out.resize(end, b' ');
    word.len()
}

#[cfg(test)]
mod tests {
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    use super::*;

    #[test]
    fn a_copy_can_be_read_and_is_as_long() {
        for (json, expected) in [
            ("\u{feff}{}", "   {}"),
            (r#"{"a":NaN,"b":[-Infinity,Infinity]}"#, r#"{"a":0  ,"b":[0        ,0       ]}"#),
            (r#"{"NaN":"NaN \"Infinity","c":-1}"#, r#"{"NaN":"NaN \"Infinity","c":-1}"#),
            (
                r#"["\ud83d","\ude00\ud83d\ude00\\ud83d"]"#,
                r#"["\ufffd","\ufffd\ud83d\ude00\\ud83d"]"#,
            ),
        ] {
            let copy = readable(json.as_bytes(), true);
            assert_eq!(String::from_utf8(copy).unwrap(), expected);
            assert_eq!(json.len(), expected.len());
            assert!(tape_of(json.as_bytes(), true).is_ok(), "{json}");
        }
        for json in ["", "\"\\", "\"\\ud83d", "\"\\ud83d\\u", "Na", "-", "{\"a\":Nan}"] {
            assert_eq!(readable(json.as_bytes(), true).len(), json.len());
            assert!(tape_of(json.as_bytes(), true).is_err(), "{json}");
        }
    }
}
