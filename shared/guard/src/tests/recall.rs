//! What is not scanned twice, and what always is.

use std::hash::RandomState;
use std::sync::Arc;

use serde_json::json;
use weir_detect::Policy;
use weir_wire::content::LongStrings;
use weir_wire::path::Operation;
use weir_wire::request::{RequestScanner, ScanLimits};

use super::{all, policy};
use crate::{
    BodyInspection, Recall, RequestBody, ScanCounts, inspect_request, inspect_request_again,
};
#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

const PROSE: &str = "The night train leaves Vienna in the evening and is in Hamburg before noon. ";

fn prose() -> String {
    PROSE.repeat(5)
}

fn chat(turns: &[(&str, &str)]) -> String {
    let message = |(role, content): &(&str, &str)| json!({"role": role, "content": content});
    json!({"messages": turns.iter().map(message).collect::<Vec<_>>()}).to_string()
}

/// As the filter before has read it.
fn strings(body: &str) -> LongStrings {
    let scanner = RequestScanner::new(Operation::ChatCompletions, ScanLimits::default());
    let mut scanner = scanner.noting_strings();
    scanner.feed(body.as_bytes()).unwrap();
    scanner.finish().unwrap().strings
}

fn inspect(recall: &mut Recall, policy: &Arc<Policy>, body: &str) -> (BodyInspection, ScanCounts) {
    let long = strings(body);
    let read = RequestBody { bytes: body.as_bytes(), known: true, read: Some(&long) };
    let again = inspect_request_again(policy, read, false, Some(recall));
    let alone = inspect_request(policy, body.as_bytes(), true, false);
    assert_eq!(again.inspected, alone.inspected, "{body}");
    assert_eq!(again.watch.system_prompt.is_some(), alone.watch.system_prompt.is_some());
    (again.inspected, again.texts)
}

fn seen(scanned: u64, recalled: u64) -> ScanCounts {
    ScanCounts { scanned, recalled }
}

#[test]
fn the_turns_before_the_last_are_not_scanned_again() {
    let (mut recall, policy) = (Recall::new(RandomState::new()), all("redact"));
    let (first, second) = (prose(), prose() + "And back?");
    let mut turns = vec![("user", first.as_str())];
    assert_eq!(inspect(&mut recall, &policy, &chat(&turns)).1, seen(1, 0));
    turns.push(("assistant", second.as_str()));
    assert_eq!(inspect(&mut recall, &policy, &chat(&turns)).1, seen(1, 1));
    assert_eq!(inspect(&mut recall, &policy, &chat(&turns)).1, seen(0, 2));
    turns.push(("user", "Thanks!"));
    assert_eq!(inspect(&mut recall, &policy, &chat(&turns)).1, seen(0, 2));
}

#[test]
fn a_text_with_a_finding_is_found_every_time() {
    let text = prose() + "Write to ann@example.com.";
    for action in ["flag", "redact", "block"] {
        let (mut recall, policy) = (Recall::new(RandomState::new()), all(action));
        for _ in 0..3 {
            let (inspected, texts) = inspect(&mut recall, &policy, &chat(&[("user", &text)]));
            assert!(!inspected.report.is_empty(), "{action}");
            assert_eq!(texts, seen(1, 0), "{action}");
        }
    }
}

#[test]
fn what_is_known_of_a_text_holds_for_the_same_policy_role_key_and_form_only() {
    let only_users = policy(r#"{"rules":[{"rules":["pii"],"action":"redact","roles":["user"]}]}"#);
    let only_cards = policy(r#"{"rules":[{"rules":["pii.credit_card"],"action":"redact"}]}"#);
    let text = prose() + "Write to ann@example.com.";
    let mut recall = Recall::new(RandomState::new());
    for _ in 0..2 {
        let clean = |inspected: &BodyInspection| inspected.edits.is_empty();
        let (found, _) = inspect(&mut recall, &only_cards, &chat(&[("user", &text)]));
        assert!(clean(&found));
        let (found, _) = inspect(&mut recall, &all("redact"), &chat(&[("user", &text)]));
        assert!(!clean(&found));
        let (found, _) = inspect(&mut recall, &only_users, &chat(&[("assistant", &text)]));
        assert!(clean(&found));
        let (found, _) = inspect(&mut recall, &only_users, &chat(&[("user", &text)]));
        assert!(!clean(&found));
        // The name before a value makes it a secret.
        let value = "correct-horse-battery-staple-17".repeat(10);
        for key in ["note", "password"] {
            inspect(&mut recall, &all("redact"), &json!({"new": {key: value}}).to_string());
        }
        // The same bytes as the text of a message and as JSON of any form.
        let arguments = json!({"to": text}).to_string();
        inspect(&mut recall, &all("redact"), &chat(&[("tool", &arguments)]));
    }
}

#[test]
fn optional_rules_count_again_when_the_pool_is_no_longer_saturated() {
    let policy = policy(r#"{"rules":[{"rules":["pii"],"action":"redact","optional":true}]}"#);
    let body = chat(&[("user", &(prose() + "Write to ann@example.com."))]);
    let mut recall = Recall::new(RandomState::new());
    let mut edits = |saturated| {
        let recall = Some(&mut recall);
        let long = strings(&body);
        let read = RequestBody { bytes: body.as_bytes(), known: true, read: Some(&long) };
        let found = inspect_request_again(&policy, read, saturated, recall);
        found.inspected.edits.len()
    };
    assert_eq!([edits(true), edits(false), edits(true), edits(false)], [0, 1, 0, 1]);
}
