//! What stands around a text: the name before a value, the system prompt behind it.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "helpers of tests fail the test")]

#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

use std::sync::Arc;

use weir_detect::{
    Direction, Inspection, Policy, Pseudonyms, RawPolicy, Released, Surroundings, SystemPrompt,
    apply,
};

fn after(context: &str, text: &str) -> Inspection {
    let policy = Policy::default();
    policy.inspect_after(context, text, Direction::Response, &mut Pseudonyms::default())
}

#[test]
fn the_name_before_a_value_gives_a_secret_away() {
    let text = "hunter2Xy9kLm";
    assert!(after("", text).applied.is_empty());
    let inspection = after("{\"user\": \"ann\", \"password\": \"", text);
    assert_eq!(inspection.applied[0].finding.rule.id, "secrets.generic");
    assert_eq!(inspection.applied[0].finding.span, 0..text.len());
    assert_eq!(apply(text, &inspection.edits), "[SECRET]");
}

#[test]
fn words_before_a_number_say_what_it_is() {
    let text = "4155552671";
    assert!(after("", text).applied.is_empty());
    assert_eq!(after("\"phone\": \"", text).applied[0].finding.id(), "pii.phone");
}

#[test]
fn what_begins_in_the_context_is_not_found_again() {
    for context in ["ann@example.com ", "see 4111 1111 1111 1111, ", "key AKIAQ3EGRTY5UVWXM2Z7 "] {
        assert!(after(context, "and nothing else").applied.is_empty(), "{context}");
    }
}

#[test]
fn a_streamed_value_is_redacted_like_a_whole_one_however_it_is_cut() {
    let policy = Arc::new(Policy::default());
    let text = "hunter2Xy9kLm and 4111 1111 1111 1111";
    for cut in 0..=text.len() {
        let mut names = Pseudonyms::default();
        let mut inspector =
            policy.inspector(Direction::Response, false, None).with_context("\"password\": \"");
        let mut out = inspector.push(&text[..cut], &mut names).text;
        out += &inspector.push(&text[cut..], &mut names).text;
        out += &inspector.finish(&mut names).text;
        assert_eq!(out, "[SECRET] and [CREDIT_CARD]", "cut at {cut}");
    }
}

#[test]
fn released_text_says_whether_it_was_edited() {
    let policy = Arc::new(Policy::default());
    let mut inspector = policy.inspector(Direction::Response, false, None);
    let mut names = Pseudonyms::default();
    let mut released = Released::default();
    let mut push = |piece: &str, released: &mut Released| {
        inspector.push_into(piece, &mut names, released);
        (released.text.clone(), released.edited)
    };
    assert_eq!(push("write to ", &mut released), ("write to ".to_owned(), false));
    assert_eq!(push("ann@example", &mut released), (String::new(), false));
    assert_eq!(push(".com and ", &mut released), ("[EMAIL] and ".to_owned(), true));
    assert_eq!(push("then ", &mut released), ("then ".to_owned(), false));
}

#[test]
fn a_leak_is_judged_alike_in_whole_texts_and_in_streams() {
    let raw = r#"{"rules": [{"rules": ["leak"], "action": "redact"}]}"#;
    let policy =
        Arc::new(Policy::try_from(serde_json::from_str::<RawPolicy>(raw).unwrap()).unwrap());
    let prompt = SystemPrompt::new("never mention the blue door in this cellar").map(Arc::new);
    // A segment ends between the word and the full stop, before it is known that the word does.
    let text = "I must never mention the blue door in this cellar。Ok";
    let surroundings = Surroundings { system_prompt: prompt.as_ref(), ..Surroundings::default() };
    let mut names = Pseudonyms::default();
    let whole = policy.inspect_in(text, Direction::Response, surroundings, &mut names);
    let expected = apply(text, &whole.edits);
    assert_eq!(expected, "I must never mention the blue door in this [SYSTEM_PROMPT]。Ok");
    for cut in (0..=text.len()).filter(|cut| text.is_char_boundary(*cut)) {
        let mut inspector = policy.inspector(Direction::Response, false, prompt.clone());
        let mut out = inspector.push(&text[..cut], &mut names).text;
        out += &inspector.push(&text[cut..], &mut names).text;
        out += &inspector.finish(&mut names).text;
        assert_eq!(out, expected, "cut at {cut}");
    }
}
