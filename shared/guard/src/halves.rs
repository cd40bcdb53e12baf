//! Characters that a server has cut in two.
//!
//! JSON can write half of a character (`\ud83d`), which no text can hold. Servers that count in UTF-16, as
//! JavaScript does, send one half with one event and the other with the next; clients put them together.

/// What stands for a half that stays alone: U+FFFD, in as many bytes.
pub(crate) const ALONE: &[u8] = br"\ufffd";

/// The halves of one stream.
#[derive(Debug, Default)]
pub(crate) struct Halves {
    /// The first half of a character, with which a string ended.
    first: Option<Vec<u8>>,
}

impl Halves {
    /// JSON in which each character is whole: a first half at the end of a string moves to the second half, with
    /// which a later string begins.
    pub(crate) fn join(&mut self, mut json: &[u8]) -> Vec<u8> {
        let mut out = Vec::with_capacity(json.len() + ALONE.len());
        while let Some(at) = memchr::memchr(b'\\', json) {
            let (text, escape) = json.split_at_checked(at).unwrap_or((json, &[]));
            out.extend_from_slice(text);
            let (first, after) = escape.split_at_checked(6).unwrap_or((escape, &[]));
            let (whole, len) = match unit(first).map(|unit| unit & 0xFC00) {
                Some(0xD800) if unit(after).is_some_and(|unit| unit & 0xFC00 == 0xDC00) => {
                    (escape.get(..12).unwrap_or(escape), 12)
                }
                Some(0xD800) if after.first() == Some(&b'"') => {
                    self.first = Some(first.to_vec());
                    (&[][..], 6)
                }
                Some(0xDC00) => match self.first.take_if(|_| out.last() == Some(&b'"')) {
                    Some(high) => {
                        out.extend_from_slice(&high);
                        (first, 6)
                    }
                    None => (ALONE, 6),
                },
                Some(0xD800) => (ALONE, 6),
                _ => (escape.get(..2).unwrap_or(escape), 2),
            };
            out.extend_from_slice(whole);
            json = escape.get(len..).unwrap_or_default();
        }
        out.extend_from_slice(json);
        out
    }
}

/// What `\uXXXX` at the start of `escape` says.
pub(crate) fn unit(escape: &[u8]) -> Option<u32> {
    let digits = escape.strip_prefix(b"\\u")?.get(..4)?;
    let value = |sum: u32, digit: &u8| Some(sum << 4 | char::from(*digit).to_digit(16)?);
    digits.iter().try_fold(0, value)
}

#[cfg(test)]
mod tests {
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    use super::*;

    #[test]
    fn halves_are_put_together_and_what_stays_alone_is_replaced() {
        let mut halves = Halves::default();
        for (json, expected) in [
            (r#"{"a":"x\ud83d"}"#, r#"{"a":"x"}"#),
            (r#"{"a":"y \ud83d\ude01 \\ud83d"}"#, r#"{"a":"y \ud83d\ude01 \\ud83d"}"#),
            (r#"{"a":"\ude00 z"}"#, r#"{"a":"\ud83d\ude00 z"}"#),
            (r#"{"a":"\ude00 z"}"#, r#"{"a":"\ufffd z"}"#),
            (r#"{"a":"\ud83d z\uDE00\ud83d\ud83d"}"#, r#"{"a":"\ufffd z\ufffd\ufffd"}"#),
            (r#"{"a":"b\ude00"}"#, r#"{"a":"b\ufffd"}"#),
        ] {
            assert_eq!(String::from_utf8(halves.join(json.as_bytes())).unwrap(), expected);
        }
        for cut in [&br#""\ud83"#[..], br#""\ud83d"#, br#""\"#] {
            let _ = halves.join(cut);
        }
    }

    #[cfg(not(target_arch = "wasm32"))]
    proptest::proptest! {
        #[test]
        fn what_was_joined_has_no_half_alone_and_stays_as_it_is(
            texts in proptest::collection::vec(
                proptest::collection::vec(
                    proptest::sample::select(vec![
                        r"\ud83d", r"\uDE00", r"\uDBFF", r"\udc00", r"\u0041", r"\\", r"\n", "x", "ud83d", " ",
                    ]),
                    0..6,
                ),
                1..5,
            ),
        ) {
            let texts: Vec<_> = texts.iter().map(|parts| format!("\"{}\"", parts.concat())).collect();
            let json = format!("[{}]", texts.join(","));
            let mut halves = Halves::default();
            let joined = halves.join(json.as_bytes());
            let text = String::from_utf8(joined.clone()).unwrap();
            assert!(weir_wire::content::Tape::read(&joined).is_ok(), "{json} {text}");
            assert_eq!(halves.join(&joined), joined, "{json}");
        }
    }
}
