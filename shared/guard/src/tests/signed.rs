//! Texts over which their maker has a signature.

use std::sync::Arc;

use weir_detect::Policy;
use weir_wire::edit;
use weir_wire::path::Dialect;

use super::policy;
use super::streams::through;
use crate::{Refusal, StreamGuard, Watch, inspect_request, inspect_response};
#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

const ASKED: &str = r#"{"messages":[{"role":"user","content":"I am ann@example.com"}]}"#;

fn naming() -> Arc<Policy> {
    policy(r#"{"rules":[{"rules":["pii"],"action":"pseudonymise"}]}"#)
}

fn watch() -> Watch {
    inspect_request(&naming(), ASKED.as_bytes(), true, false).watch
}

fn answer(thinking: &str, text: &str) -> String {
    format!(
        r#"{{"type":"message","role":"assistant","content":[{{"type":"thinking","thinking":"{thinking}","signature":"c2ln"}},{{"type":"text","text":"{text}"}}]}}"#
    )
}

#[test]
fn names_stay_in_what_is_signed_and_values_come_back_in_what_is_not() {
    for thinking in ["They are [EMAIL_1].", r#"{\"who\": \"[EMAIL_1]\"}"#, r#"[\"[EMAIL_1]\"]"#] {
        let body = answer(thinking, "Hello [EMAIL_1]");
        let inspected = inspect_response(&watch(), body.as_bytes(), true);
        assert_eq!(inspected.refusal, None);
        let edited = edit::apply(body.as_bytes(), &inspected.edits).unwrap();
        let expected = answer(thinking, "Hello ann@example.com");
        assert_eq!(String::from_utf8(edited).unwrap(), expected);
    }
}

#[test]
fn another_edit_of_what_is_signed_is_a_block() {
    for thinking in ["They are bob@example.com.", r#"{\"who\": \"bob@example.com\"}"#] {
        let inspected = inspect_response(&watch(), answer(thinking, "x").as_bytes(), true);
        assert_eq!(inspected.refusal, Some(Refusal::Policy), "{thinking}");
        assert!(inspected.report.summary().contains("block unscannable.signed=1"));
    }
}

fn events(thinking: &[&str], text: &[&str]) -> String {
    let event = |index: u32, delta: String| {
        format!(
            "event: content_block_delta\ndata: {{\"type\":\"content_block_delta\",\"index\":{index},\"delta\":{delta}}}\n\n"
        )
    };
    let thinking = thinking
        .iter()
        .map(|piece| event(0, format!("{{\"type\":\"thinking_delta\",\"thinking\":\"{piece}\"}}")));
    let signature =
        event(0, "{\"type\":\"signature_delta\",\"signature\":\"4111111111111111\"}".to_owned());
    let text = text
        .iter()
        .map(|piece| event(1, format!("{{\"type\":\"text_delta\",\"text\":\"{piece}\"}}")));
    thinking.chain([signature]).chain(text).collect()
}

#[test]
fn names_stay_in_signed_text_of_a_stream_too() {
    for thinking in [&["They are [EMA", "IL_1]", "."][..], &["{\\\"who\\\": \\\"[EMAIL_1]\\\"}"]] {
        let stream = events(thinking, &["Hello [EMAIL_1] there."]);
        let mut guard = StreamGuard::new(watch(), Dialect::Anthropic, None);
        let out = through(&mut guard, &stream);
        let expected = events(thinking, &["Hello ann@example.com there."]);
        assert_eq!(out, expected);
    }
    let mut guard = StreamGuard::new(watch(), Dialect::Anthropic, None);
    let out = through(&mut guard, &events(&["They are bob@", "example.com."], &["x"]));
    assert!(out.contains("unscannable.signed") && !out.contains("example.com"), "{out}");
}

/// The same, with a block that begins like that, and a signature.
fn block(begin: &str, thinking: &[&str], signature: &str) -> String {
    let start = format!(
        "event: content_block_start\ndata: {{\"type\":\"content_block_start\",\"index\":0,\"content_block\":{{\"type\":\"thinking\",\"thinking\":\"\"{begin}}}}}\n\n"
    );
    start + &events(thinking, &["x"]).replace("4111111111111111", signature)
}

#[test]
fn thinking_that_nobody_signs_is_edited_like_text() {
    let through =
        |stream: &str| through(&mut StreamGuard::new(watch(), Dialect::Anthropic, None), stream);
    let pieces = &["They are bob@", "example.com, [EMA", "IL_1] said. "];
    let out = through(&block("", pieces, ""));
    assert!(out.contains("They are [EMAIL_2]") && out.contains("ann@example.com"), "{out}");
    assert!(!out.contains("bob@") && !out.contains("unscannable"), "{out}");
    // As Claude's blocks begin; and one that is signed all the same.
    for (begin, signature) in
        [(r#","signature":"""#, "c2ln"), (r#","signature":"""#, ""), ("", "c2ln")]
    {
        let out = through(&block(begin, pieces, signature));
        assert!(out.contains("unscannable.signed") && !out.contains("bob@"), "{begin}: {out}");
        assert!(signature.is_empty() || !out.contains(signature), "{begin}: {out}");
    }
    let unedited = block("", &["All is well. "], "c2ln");
    assert_eq!(through(&unedited), unedited);
    let body = answer("They are bob@example.com.", "x").replace("c2ln", "");
    assert_eq!(inspect_response(&watch(), body.as_bytes(), true).refusal, None);
}

#[test]
fn the_next_turn_names_the_same_values_and_leaves_signed_thinking_as_it_was() {
    let turn = |email: &str| {
        format!(
            r#"{{"messages":[{{"role":"user","content":"I am {email}"}},{},{{"role":"user","content":"And now?"}}]}}"#,
            answer("They are [EMAIL_1].", &format!("Hello {email}"))
        )
    };
    let body = turn("ann@example.com");
    let inspected = inspect_request(&naming(), body.as_bytes(), true, false).inspected;
    assert_eq!(inspected.refusal, None);
    let edited = edit::apply(body.as_bytes(), &inspected.edits).unwrap();
    assert_eq!(String::from_utf8(edited).unwrap(), turn("[EMAIL_1]"));
}

#[test]
fn a_name_that_a_client_writes_itself_stands_for_no_value() {
    let body = r#"{"messages":[{"role":"user","content":"[EMAIL_1] is ann@example.com"}]}"#;
    let inspected = inspect_request(&naming(), body.as_bytes(), true, false).inspected;
    let edited = edit::apply(body.as_bytes(), &inspected.edits).unwrap();
    assert_eq!(String::from_utf8(edited).unwrap(), body.replace("ann@example.com", "[EMAIL_2]"));
}
