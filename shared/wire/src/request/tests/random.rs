//! Random bodies.

use proptest::prelude::*;

use super::{Operation, scan};

const OPERATIONS: [Operation; 6] = [
    Operation::ChatCompletions,
    Operation::Completions,
    Operation::Responses,
    Operation::Messages,
    Operation::GenerateContent,
    Operation::Generate,
];

/// Pieces that bodies are made of, in any order and never mind the grammar.
fn pieces() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop::sample::select(vec![
        &b"{"[..],
        b"}",
        b"[",
        b"]",
        b",",
        b":",
        b"\"model\"",
        b"\"messages\":",
        b"\"content\":",
        b"\"role\":\"user\"",
        b"\"tools\":",
        b"\"stream\":true",
        b"\"stream_options\":{",
        b"\"image_url\":",
        b"\"text\":",
        b"\"type\":\"image\"",
        b"\"system\":",
        b"\"input\":",
        b"\"a\"",
        b"\"\\ud83d\\ude00\\n\"",
        b"1",
        b"-2.5e3",
        b"null",
        b"true",
        b" ",
        b"\"",
        b"\\",
        b"\xff",
    ]);
    prop::collection::vec(piece, 0..60).prop_map(|pieces| [b"{", &pieces.concat()[..]].concat())
}

/// Valid JSON whose keys are ours.
fn body() -> impl Strategy<Value = String> {
    let key = prop::sample::select(vec![
        "model",
        "messages",
        "content",
        "role",
        "text",
        "tools",
        "prompt",
        "input",
        "system",
        "x",
        "parts",
        "image_url",
        "url",
        "name",
        "metadata",
        "stream",
        "parameters",
    ]);
    let leaf = prop_oneof![
        Just("null".to_owned()),
        Just("true".to_owned()),
        (0..5000_u32).prop_map(|n| n.to_string()),
        any::<String>().prop_map(|text| serde_json::json!(text).to_string()),
        ".{0,2000}".prop_map(|text| serde_json::json!(text).to_string()),
    ];
    let value = leaf.prop_recursive(5, 30, 5, move |inner| {
        let members = prop::collection::vec((key.clone(), inner.clone()), 0..5);
        let object = members.prop_map(|members| {
            let member = |(key, value): (&str, String)| format!("\"{key}\":{value}");
            format!("{{{}}}", members.into_iter().map(member).collect::<Vec<_>>().join(","))
        });
        let array =
            prop::collection::vec(inner, 0..5).prop_map(|all| format!("[{}]", all.join(",")));
        prop_oneof![object, array]
    });
    prop::collection::vec(
        (
            prop::sample::select(vec!["messages", "prompt", "input", "tools", "model", "contents"]),
            value,
        ),
        0..4,
    )
    .prop_map(|members| {
        let member = |(key, value): (&str, String)| format!("\"{key}\":{value}");
        format!("{{{}}}", members.into_iter().map(member).collect::<Vec<_>>().join(","))
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn nothing_panics_and_cuts_change_nothing(body in pieces(), size in 1_usize..40) {
        for operation in OPERATIONS {
            let whole = scan(operation, &[&body]);
            prop_assert!(scan(operation, &body.chunks(size).collect::<Vec<_>>()) == whole);
        }
    }

    #[test]
    fn what_is_accepted_is_json(body in pieces()) {
        if scan(Operation::ChatCompletions, &[&body]).is_ok() {
            prop_assert!(serde_json::from_slice::<serde_json::Value>(&body).is_ok());
        }
    }

    #[test]
    fn valid_json_is_refused_only_for_what_it_says(body in body(), size in 1_usize..3000) {
        for operation in OPERATIONS {
            let whole = scan(operation, &[body.as_bytes()]);
            if let Err(error) = &whole {
                prop_assert!(error.field().is_some(), "{:?}", error);
            }
            prop_assert!(scan(operation, &body.as_bytes().chunks(size).collect::<Vec<_>>()) == whole);
        }
    }
}
