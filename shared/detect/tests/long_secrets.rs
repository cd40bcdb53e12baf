//! Secrets of any length go as a whole.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a failed step is a failed test")]

use std::sync::Arc;

use weir_detect::{Direction, Policy, Pseudonyms, RawPolicy};

/// Letters and digits in no order that repeats.
fn random(len: usize) -> String {
    let mut state = 0x2545_F491_4F6C_DD1D_u64;
    let letters = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        char::from(letters[(state % 62) as usize])
    };
    (0..len).map(|_| next()).collect()
}

/// What a stream becomes whose text comes in pieces of so many bytes.
fn through(text: &str, len: usize) -> String {
    let rules = r#"{"rules":[{"rules":["secrets"],"action":"redact"}]}"#;
    let raw: RawPolicy = serde_json::from_str(rules).unwrap();
    let policy = Arc::new(Policy::try_from(raw).unwrap());
    let mut inspector = policy.inspector(Direction::Response, false, None);
    let (mut names, mut out) = (Pseudonyms::default(), String::new());
    for piece in text.as_bytes().chunks(len) {
        out += &inspector.push(std::str::from_utf8(piece).unwrap(), &mut names).text;
    }
    out + &inspector.finish(&mut names).text
}

#[test]
fn nothing_is_left_of_a_secret_however_long_it_is() {
    for len in [100, 512, 513, 600, 4000, 4096, 4200, 10_000, 30_000] {
        let value = random(len);
        for (before, after) in [
            ("password = \"", "\" is it"),
            ("api_key: ", " is it"),
            ("Authorization: Bearer ", "\nHost: x"),
            ("client_secret=", "&grant=x"),
            ("{\"token\":\"", "\"}"),
            ("the secret key is ", " ok"),
        ] {
            let text = format!("see {before}{value}{after} end");
            let whole = through(&text, text.len());
            let (first, rest) = whole.split_once('[').unwrap();
            assert!(text.starts_with(first) && rest.ends_with(&format!("]{after} end")), "{whole}");
            let left = (0..len - 16).find(|at| whole.contains(&value[*at..*at + 16]));
            assert_eq!(left, None, "{len} bytes after {before}: {whole}");
            for piece in [1, 64, 5000] {
                assert_eq!(through(&text, piece), whole, "{len} bytes after {before}");
            }
        }
    }
}
