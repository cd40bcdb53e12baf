//! JSON in strings of streamed JSON.

use serde_json::{Value, json};
use weir_wire::path::{Dialect, Operation};

use super::all;
use crate::{StreamGuard, Watch, inspect_request, inspect_response};
#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

/// What streamed arguments become whose text comes in pieces of so many characters.
fn streamed(watch: &Watch, member: &str, arguments: &str, len: usize) -> String {
    let mut guard =
        StreamGuard::new(watch.clone(), Dialect::OpenAi, Some(Operation::ChatCompletions));
    let mut out = Vec::new();
    let characters: Vec<char> = arguments.chars().collect();
    for piece in characters.chunks(len) {
        let piece: String = piece.iter().collect();
        let delta = match member {
            "arguments" => json!({"tool_calls": [{"index": 0, "function": {"arguments": piece}}]}),
            member => json!({ member: piece }),
        };
        let event = json!({"choices": [{"index": 0, "delta": delta}]});
        guard.push(format!("data: {event}\n\n").as_bytes(), &mut out);
    }
    guard.finish(&mut out);
    let out = String::from_utf8(out).unwrap();
    let mut text = String::new();
    for data in out.lines().filter_map(|line| line.strip_prefix("data: ")) {
        let event: Value = serde_json::from_str(data).unwrap();
        let delta = &event["choices"][0]["delta"];
        let piece = match member {
            "arguments" => &delta["tool_calls"][0]["function"]["arguments"],
            member => &delta[member],
        };
        text.push_str(piece.as_str().unwrap());
    }
    text
}

/// What the same arguments become in an answer that comes whole.
fn whole(watch: &Watch, arguments: &str) -> String {
    let call = json!({"function": {"name": "f", "arguments": arguments}});
    let body = json!({"choices": [{"message": {"tool_calls": [call]}}]}).to_string();
    let inspected = inspect_response(watch, body.as_bytes(), true);
    let edited = weir_wire::edit::apply(body.as_bytes(), &inspected.edits).unwrap();
    let edited: Value = serde_json::from_slice(&edited).unwrap();
    let arguments = &edited["choices"][0]["message"]["tool_calls"][0]["function"]["arguments"];
    arguments.as_str().unwrap().to_owned()
}

/// `value` in so many strings of JSON.
fn nested(value: &Value, depth: usize) -> String {
    (0..depth)
        .fold(value.to_string(), |inner, _| json!({"method": "POST", "body": inner}).to_string())
}

#[test]
fn json_in_a_string_of_streamed_arguments_stays_json_as_in_whole_answers() {
    let watch = Watch::new(all("redact"));
    for value in [
        json!({"card": 4111111111111111_u64}),
        json!({"card": 4111111111111111_u64, "n": 1.5, "mail": "ann@example.com", "ok": [true, null]}),
        json!([4111111111111111_u64, "ann@example.com"]),
        json!([{"card": 4111111111111111_u64}]),
        json!([[4111111111111111_u64]]),
        json!({"ann@example.com": {"4111 1111 1111 1111": "x\n\"y\" \\ \u{e9}"}}),
        json!("{no json} of ann@example.com"),
        json!("[see](https://example.com) ann@example.com"),
        json!("[1] ann@example.com"),
    ] {
        for depth in 0..4 {
            let arguments = nested(&value, depth);
            if !arguments.starts_with('{') {
                continue;
            }
            let expected = whole(&watch, &arguments);
            assert!(expected.contains("[EMAIL]") || expected.contains("[CREDIT_CARD]"));
            for len in [1, 2, 3, 7, 1000] {
                assert_eq!(streamed(&watch, "arguments", &arguments, len), expected, "{arguments}");
                assert_eq!(streamed(&watch, "content", &arguments, len), expected, "{arguments}");
            }
            let mut inner = expected;
            for _ in 0..depth {
                let value: Value = serde_json::from_str(&inner).unwrap();
                inner = value["body"].as_str().unwrap().to_owned();
            }
            assert!(serde_json::from_str::<Value>(&inner).is_ok(), "{inner}");
        }
    }
}

#[test]
fn json_that_has_nothing_to_redact_passes_as_it_was_written() {
    let watch = Watch::new(all("redact"));
    for arguments in [
        r#"{"body":"{\u0022a\u0022: [1,2, 3],\n\"b\": \"\\u00e9\\/\"}"}"#,
        r#"{"body":"[1] says, [2] does"}"#,
        r#"{"body":"[true"}"#,
        r#"{"body":"[]","more":"  [ 17, 18 ]  "}"#,
        r#"{"body":"{{name}} is {","x":"{\"a\":"}"#,
        r#"{"a":1}{"b":2} {"c":"{}"}"#,
    ] {
        for len in [1, 2, 5, 1000] {
            assert_eq!(streamed(&watch, "arguments", arguments, len), arguments);
            assert_eq!(streamed(&watch, "content", arguments, len), arguments);
        }
    }
}

#[test]
fn a_list_in_json_mode_is_json_and_a_text_in_brackets_is_text() {
    let watch = Watch::new(all("redact"));
    for (text, expected) in [
        (r#"[{"card": 4111111111111111}]"#, r#"[{"card": "[CREDIT_CARD]"}]"#),
        (r#"["ann@example.com", 4111111111111111]"#, r#"["[EMAIL]", "[CREDIT_CARD]"]"#),
        ("[4111111111111111]", r#"["[CREDIT_CARD]"]"#),
        ("[ann@example.com] wrote", "[[EMAIL]] wrote"),
        ("[1] ann@example.com", "[1] [EMAIL]"),
        ("[]", "[]"),
    ] {
        for len in [1, 2, 5, 1000] {
            assert_eq!(streamed(&watch, "content", text, len), expected);
        }
    }
}

#[test]
fn a_restored_value_is_escaped_at_every_level() {
    let policy = super::policy(
        r#"{"regexes":[{"id":"login","entity":"LOGIN","pattern":"CORP\\\\[a-z]+"}],"rules":[{"rules":["custom.login"],"action":"pseudonymise"}]}"#,
    );
    let body = json!({"messages": [{"role": "user", "content": "I am CORP\\jdoe"}]}).to_string();
    let watch = inspect_request(&policy, body.as_bytes(), true, false).watch;
    for depth in 0..4 {
        let arguments = nested(&json!({"who": "[LOGIN_1] it is"}), depth);
        let expected = nested(&json!({"who": "CORP\\jdoe it is"}), depth);
        for len in [1, 3, 1000] {
            assert_eq!(streamed(&watch, "arguments", &arguments, len), expected);
        }
    }
}

#[test]
fn two_calls_with_one_index_are_two_texts_of_json() {
    let watch = Watch::new(all("redact"));
    let both = r#"{"n": 4111111111111111}{"n": 4111111111111111, "s": "a@b.com"}"#;
    for len in [1, 4, 23, 1000] {
        assert_eq!(
            streamed(&watch, "arguments", both, len),
            r#"{"n": "[CREDIT_CARD]"}{"n": "[CREDIT_CARD]", "s": "[EMAIL]"}"#
        );
    }
}
