//! What the replica and the client work with stays as it is; what stands beside it is text.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a failed step is a failed test")]

#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

use std::sync::Arc;

use serde_json::Value;
use weir_detect::{Policy, RawPolicy};
use weir_guard::{BodyInspection, StreamGuard, Watch, inspect_request, inspect_response};
use weir_wire::edit;
use weir_wire::path::Dialect;

fn cases(name: &str) -> Vec<String> {
    let file: Value =
        serde_json::from_str(include_str!("../../../testdata/guard/functional.json")).unwrap();
    let list = file[name].as_array().unwrap().iter();
    list.map(|case| case.as_str().unwrap().to_owned()).collect()
}

fn policy(member: &str) -> Arc<Policy> {
    let rules = format!(
        r#"{{"rules":[{{"rules":["pii","secrets","encoded"],"action":"redact"}}],"on_unscannable":"allow"{member}}}"#
    );
    Arc::new(Policy::try_from(serde_json::from_str::<RawPolicy>(&rules).unwrap()).unwrap())
}

fn edited(body: &str, inspected: BodyInspection) -> String {
    assert_eq!(inspected.refusal, None, "{body}");
    String::from_utf8(edit::apply(body.as_bytes(), &inspected.edits).unwrap()).unwrap()
}

fn request(policy: &Arc<Policy>, body: &str) -> String {
    edited(body, inspect_request(policy, body.as_bytes(), true, false).inspected)
}

fn response(policy: &Arc<Policy>, body: &str) -> String {
    edited(body, inspect_response(&Watch::new(policy.clone()), body.as_bytes(), true))
}

fn stream(policy: &Arc<Policy>, stream: &str, chunk: usize) -> String {
    let mut guard = StreamGuard::new(Watch::new(policy.clone()), Dialect::OpenAi, None);
    let mut out = Vec::new();
    stream.as_bytes().chunks(chunk).for_each(|chunk| guard.push(chunk, &mut out));
    guard.finish(&mut out);
    String::from_utf8(out).unwrap()
}

#[test]
fn functional_fields_arrive_byte_for_byte() {
    let policy = policy("");
    for body in cases("kept_requests") {
        assert_eq!(request(&policy, &body), body);
    }
    for body in cases("kept_responses") {
        assert_eq!(response(&policy, &body), body);
    }
    for event in cases("kept_events") {
        let events = format!("data: {event}\n\n").repeat(3);
        for chunk in [1, 7, 10_000] {
            assert_eq!(stream(&policy, &events, chunk), events);
        }
    }
}

#[test]
fn a_policy_can_inspect_them_all_the_same() {
    let policy = policy(r#","inspect_functional":true"#);
    for body in cases("kept_requests") {
        assert_ne!(request(&policy, &body), body);
    }
    for body in cases("kept_responses") {
        assert_ne!(response(&policy, &body), body);
    }
    let pieces = |id: &str| {
        format!(
            "data: {{\"type\":\"response.output_text.delta\",\"item_id\":\"{id}\",\"delta\":\"x\"}}\n\n"
        )
    };
    let events = pieces("item_1") + &pieces("4111111111111111") + &pieces("4111111111111111");
    let out = stream(&policy, &events, 10_000);
    assert!(!out.contains("4111") && out.contains("item_1"), "{out}");
}

#[test]
fn what_stands_beside_them_is_text() {
    let quoted = |text: &str| text.replace('"', "\\\"");
    for value in ["4111 1111 1111 1111", "ann@example.com", "4111111111111111"] {
        let filled =
            |template: &String| template.replace("VALUE", value).replace("NESTED", &quoted(value));
        let policy = policy("");
        for body in cases("text_requests").iter().map(filled) {
            let out = request(&policy, &body);
            assert!(!out.contains(value), "{out}");
            assert!(serde_json::from_str::<Value>(&out).is_ok(), "{out}");
        }
        for body in cases("text_responses").iter().map(filled) {
            let out = response(&policy, &body);
            assert!(!out.contains(value), "{out}");
        }
    }
}
