//! Against serde_json.

use super::Lexer;
use crate::WireError;
use crate::json::{Container, Handler, Literal, StringRole};
#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;
use weir_testkit::every_chunking;

/// Writes the events down; the cuts between pieces of text leave no trace.
#[derive(Debug, Default, PartialEq, Eq)]
struct Log(Vec<u8>);

impl Log {
    fn note(&mut self, what: &str, at: usize) -> Result<(), WireError> {
        self.0.extend(format!("{what}@{at};").bytes());
        Ok(())
    }
}

impl Handler for Log {
    fn open(&mut self, container: Container, at: usize) -> Result<(), WireError> {
        self.note(&format!("open {container:?}"), at)
    }
    fn close(&mut self, container: Container, end: usize) -> Result<(), WireError> {
        self.note(&format!("close {container:?}"), end)
    }
    fn string_begin(&mut self, role: StringRole, at: usize) -> Result<(), WireError> {
        self.note(&format!("begin {role:?}"), at)
    }
    fn text(&mut self, piece: &[u8]) {
        self.0.extend(piece);
    }
    fn string_end(&mut self, role: StringRole, end: usize) -> Result<(), WireError> {
        self.note(&format!("end {role:?}"), end)
    }
    fn number(&mut self, text: &[u8], at: usize) -> Result<(), WireError> {
        self.note(&String::from_utf8_lossy(text), at)
    }
    fn literal(&mut self, literal: Literal, at: usize) -> Result<(), WireError> {
        self.note(&format!("{literal:?}"), at)
    }
}

fn read(chunks: &[&[u8]]) -> (Result<(), WireError>, Log) {
    let mut log = Log::default();
    let mut lexer = Lexer::new(127);
    let fed = chunks.iter().try_for_each(|chunk| lexer.feed(chunk, &mut log));
    (fed.and_then(|()| lexer.finish()), log)
}

/// What serde_json says, with our two differences: only objects, and numbers of any size.
fn oracle(input: &[u8]) -> bool {
    match serde_json::from_slice::<serde_json::Value>(input) {
        Ok(value) => value.is_object(),
        Err(error) if error.to_string().starts_with("number out of range") => {
            // It stops there; whether the rest is fine is for the other inputs to show.
            read(&[input]).0.is_ok()
        }
        Err(_) => false,
    }
}

/// Inputs that a grammar gets wrong easily. Each also stands for its chunkings.
const TRICKY: &[&[u8]] = &[
    b"{}",
    b" { } ",
    b"{",
    b"}",
    b"",
    b"[]",
    b"1",
    b"\"a\"",
    b"null",
    b"{}x",
    b"{} {}",
    b"{}\0",
    b"{\"a\":1}",
    b"{\"a\":1,}",
    b"{,}",
    b"{\"a\"}",
    b"{\"a\":}",
    b"{a:1}",
    b"{\"a\" : [ ] }",
    b"{\"a\":[1,]}",
    b"{\"a\":[,1]}",
    b"{\"a\":[1 2]}",
    b"{\"a\":[1}",
    b"{\"a\":{]}",
    b"{\"a\":-}",
    b"{\"a\":-0}",
    b"{\"a\":01}",
    b"{\"a\":1.}",
    b"{\"a\":.1}",
    b"{\"a\":1e}",
    b"{\"a\":1e+}",
    b"{\"a\":1e+5}",
    b"{\"a\":1E-05}",
    b"{\"a\":1.5e3}",
    b"{\"a\":+1}",
    b"{\"a\":0x1}",
    b"{\"a\":1e999}",
    b"{\"a\":00}",
    b"{\"a\":-01}",
    b"{\"a\":1_0}",
    b"{\"a\":12345678901234567890123456789012345678901234567890}",
    b"{\"a\":NaN}",
    b"{\"a\":true}",
    b"{\"a\":tru}",
    b"{\"a\":truee}",
    b"{\"a\":nul",
    b"{\"a\":False}",
    b"{\"a\":\"\\n\\t\\r\\b\\f\\\\\\/\\\"\"}",
    b"{\"a\":\"\\x\"}",
    b"{\"a\":\"\\",
    b"{\"a\":\"\\\"}",
    b"{\"a\":\"\\u0041\\u00e9\\u4e2d\"}",
    b"{\"a\":\"\\u00g0\"}",
    b"{\"a\":\"\\u00\"}",
    b"{\"a\":\"\\ud83d\\ude00\"}",
    b"{\"a\":\"\\ud83d\"}",
    b"{\"a\":\"\\ude00\"}",
    b"{\"a\":\"\\ud83d\\n\"}",
    b"{\"a\":\"\\ud83d\\u0041\"}",
    b"{\"a\":\"\\ud83dx\"}",
    b"{\"a\":\"\\ud83d\\ud83d\\ude00\"}",
    b"{\"a\":\"\\u0000\\u001f\"}",
    b"{\"a\":\"\x1f\"}",
    b"{\"a\":\"\n\"}",
    b"{\"a\":\"\\\n\"}",
    b"{\"a\":\"\x7f\"}",
    b"{\"\\u0061\":\"\\\\\\\\n\"}",
    b"{\"a\":\"\xc3\xa9\"}",
    b"{\"a\":\"\xc3\"}",
    b"{\"a\":\"\xc3\\n\"}",
    b"{\"a\":\"\xc3\\u00a9\"}",
    b"{\"a\":\"\xe4\xb8\xad\xf0\x9f\x98\x80\"}",
    b"{\"a\":\"\xed\xa0\x80\"}",
    b"{\"a\":\"\xc0\x80\"}",
    b"{\"a\":\"\xf5\x80\x80\x80\"}",
    b"{\"a\":\"\xe4\xb8\"}",
    b"{\"a\":\"\x80\"}",
    b"{\"a\":\"\xff\"}",
    b"\xef\xbb\xbf{}",
    b"\xef\xbb\xbf",
    b"{\"a\":\xef\xbb\xbf1}",
    b"{\xc2\xa0}",
];

#[test]
fn accepts_what_serde_json_accepts() {
    for input in TRICKY {
        let shown = String::from_utf8_lossy(input);
        assert_eq!(read(&[input]).0.is_ok(), oracle(input), "{shown}");
    }
}

#[test]
fn events_and_errors_are_the_same_under_every_chunking() {
    for input in TRICKY {
        let whole = read(&[input]);
        every_chunking(input, |chunks| {
            let cut = read(chunks);
            assert_eq!(cut.0, whole.0, "{:?}", String::from_utf8_lossy(input));
            if whole.0.is_ok() {
                assert_eq!(cut.1, whole.1);
            }
        });
    }
}

#[test]
fn text_is_told_in_canonical_escaped_form() {
    let input = br#"{"\u006b":"\u0041\/\u000a\u0022\u005c\u0001\u007f\u00e9\ud83d\ude00\t"}"#;
    let (result, log) = read(&[input]);
    assert_eq!(result, Ok(()));
    let text = String::from_utf8(log.0).unwrap();
    assert!(text.contains("begin Key@1;kend Key@9;"), "{text}");
    assert!(text.contains("A/\\n\\\"\\\\\\u0001\u{7f}\u{e9}\u{1f600}\\tend"), "{text}");
}

#[test]
fn nesting_has_a_limit() {
    for depth in [127, 128] {
        let input = format!("{{\"a\":{}{}}}", "[".repeat(depth - 1), "]".repeat(depth - 1));
        let expected =
            if depth <= 127 { Ok(()) } else { Err(WireError::TooDeep { at: 131, limit: 127 }) };
        assert_eq!(read(&[input.as_bytes()]).0, expected);
        assert_eq!(oracle(input.as_bytes()), depth <= 127);
    }
}

#[test]
fn decisions_are_found_at_every_place_of_a_vector() {
    const SPECIAL: [(&str, bool); 6] = [
        ("\\\\", true),
        ("\\\\\\\"", true),
        ("\\\"", true),
        ("\\/", true),
        ("\\q", false),
        ("\u{1}", false),
    ];
    for (before, after) in (0..150).flat_map(|before| (0..40).map(move |after| (before, after))) {
        for (special, fits) in SPECIAL {
            let input =
                format!("{{\"a\":\"{}{special}{}\"}}", "x".repeat(before), "n".repeat(after));
            let found = read(&[input.as_bytes()]).0.is_ok();
            assert_eq!(found, fits, "{special:?} after {before}, before {after}");
        }
        let broken =
            [b"{\"a\":\"", &vec![b'x'; before][..], b"\xe4\xb8", &vec![b'y'; after], b"\"}"];
        let error = WireError::InvalidUtf8 { at: 6 + before };
        assert_eq!(read(&[&broken.concat()]).0, Err(error));
    }
}

#[cfg(not(target_arch = "wasm32"))]
mod random {
    use super::{oracle, read};
    use proptest::prelude::*;

    /// Bytes that a JSON text is made of, so that random inputs get past the first byte.
    fn jsonish() -> impl Strategy<Value = Vec<u8>> {
        let token = prop::sample::select(vec![
            &b"{"[..],
            b"}",
            b"[",
            b"]",
            b",",
            b":",
            b"\"a\"",
            b"\"",
            b"\\",
            b"\\n",
            b"\\u",
            b"00e9",
            b"\\ud83d",
            b"\\ude00",
            b"1",
            b"-",
            b".",
            b"e5",
            b"0",
            b"true",
            b"false",
            b"null",
            b" ",
            b"\xc3\xa9",
            b"\xc3",
            b"\xa9",
            b"x",
            b"\x01",
            b"long enough for a whole vector or two",
        ]);
        let tokens = prop::collection::vec(token, 0..40);
        (any::<bool>(), tokens).prop_map(|(open, tokens)| {
            let body = tokens.concat();
            if open { [b"{\"k\":", &body[..], b"}"].concat() } else { body }
        })
    }

    fn value() -> impl Strategy<Value = serde_json::Value> {
        let leaf = prop_oneof![
            Just(serde_json::Value::Null),
            any::<bool>().prop_map(Into::into),
            any::<i64>().prop_map(Into::into),
            any::<f64>().prop_map(Into::into),
            any::<String>().prop_map(Into::into),
        ];
        leaf.prop_recursive(5, 40, 6, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..6).prop_map(Into::into),
                prop::collection::btree_map(any::<String>(), inner, 0..6)
                    .prop_map(|map| serde_json::Value::Object(map.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 4000, ..ProptestConfig::default() })]

        #[test]
        fn tokens_in_any_order(input in jsonish()) {
            prop_assert_eq!(read(&[&input]).0.is_ok(), oracle(&input));
        }

        #[test]
        fn any_bytes(input in prop::collection::vec(any::<u8>(), 0..200)) {
            prop_assert_eq!(read(&[&input]).0.is_ok(), oracle(&input));
        }

        #[test]
        fn cuts_change_nothing(input in jsonish(), size in 1_usize..9) {
            let whole = read(&[&input]);
            let cut = read(&input.chunks(size).collect::<Vec<_>>());
            prop_assert_eq!(&cut.0, &whole.0);
            if whole.0.is_ok() {
                prop_assert_eq!(cut.1, whole.1);
            }
        }

        #[test]
        fn one_byte_changed(value in value(), at in any::<prop::sample::Index>(), byte: u8) {
            let mut input = serde_json::to_vec_pretty(&serde_json::json!({ "k": value })).unwrap();
            prop_assert!(read(&[&input]).0.is_ok());
            let at = at.index(input.len());
            input[at] = byte;
            prop_assert_eq!(read(&[&input]).0.is_ok(), oracle(&input));
        }
    }
}
