//! Every place where text can hide, with every way to write a value there.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a failed step is a failed test")]

#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

use std::sync::Arc;

use serde_json::Value;
use weir_detect::{Policy, RawPolicy};
use weir_guard::{StreamGuard, Watch, inspect_request, inspect_response};
use weir_wire::edit;
use weir_wire::path::Dialect;

fn cases(name: &str) -> Vec<String> {
    let file: Value =
        serde_json::from_str(include_str!("../../../testdata/guard/fields.json")).unwrap();
    let list = file[name].as_array().unwrap().iter();
    list.map(|case| case.as_str().unwrap().to_owned()).collect()
}

/// Name and value, as it stands between the quotes of a JSON string.
fn bypasses() -> Vec<(String, String)> {
    let file: Value =
        serde_json::from_str(include_str!("../../../testdata/guard/bypasses.json")).unwrap();
    let of = |case: &Value, name: &str| case[name].as_str().unwrap().to_owned();
    let list = file["bypasses"].as_array().unwrap().iter();
    list.map(|case| (of(case, "name"), of(case, "value"))).collect()
}

fn policy() -> Arc<Policy> {
    let rules = r#"{"rules":[{"rules":["pii","encoded"],"action":"redact"}]}"#;
    Arc::new(Policy::try_from(serde_json::from_str::<RawPolicy>(rules).unwrap()).unwrap())
}

/// The inside of a JSON string that holds `text`.
fn quoted(text: &str) -> String {
    let quoted = serde_json::to_string(text).unwrap();
    quoted[1..quoted.len() - 1].to_owned()
}

fn filled(template: &str, value: &str) -> String {
    template.replace("VALUE", value).replace("NESTED", &quoted(value))
}

/// Fails when the value is still there in any form, or what is there is no JSON.
fn assert_gone(edited: &str, (name, value): &(String, String), template: &str) {
    let place = format!("{name} in {template}: {edited}");
    assert!(serde_json::from_str::<Value>(edited).is_ok(), "{place}");
    assert!(!edited.contains(value.as_str()) && !edited.contains(&quoted(value)), "{place}");
    let plain: String = serde_json::from_str(&format!("\"{value}\"")).unwrap();
    assert!(!edited.contains(&plain), "{place}");
    let places = template.matches("VALUE").count() + template.matches("NESTED").count();
    let repeated = template.matches("\"token\"").count() + template.matches("\"tokens\"").count();
    assert_eq!(edited.matches("see [").count(), places - repeated, "{place}");
}

#[test]
fn no_field_of_a_request_lets_a_value_through() {
    let policy = policy();
    for template in cases("requests") {
        for bypass in bypasses() {
            let body = filled(&template, &bypass.1);
            let inspected = inspect_request(&policy, body.as_bytes(), true, false).inspected;
            let edited = edit::apply(body.as_bytes(), &inspected.edits).unwrap();
            assert_gone(&String::from_utf8(edited).unwrap(), &bypass, &template);
        }
    }
}

#[test]
fn no_field_of_a_response_lets_a_value_through() {
    let watch = Watch::new(policy());
    for template in cases("responses") {
        for bypass in bypasses() {
            let body = filled(&template, &bypass.1);
            let inspected = inspect_response(&watch, body.as_bytes(), true);
            assert_eq!(inspected.refusal, None, "{template}");
            let edited = edit::apply(body.as_bytes(), &inspected.edits).unwrap();
            assert_gone(&String::from_utf8(edited).unwrap(), &bypass, &template);
        }
    }
}

/// The pieces of a text between quotes, cut at every character; escapes stay whole.
fn pieces(raw: &str) -> Vec<String> {
    let text: String = serde_json::from_str(&format!("\"{raw}\"")).unwrap();
    text.chars().map(|character| quoted(&character.to_string())).collect()
}

/// All strings of a stream's events, in order.
fn shown(stream: &str) -> String {
    fn strings(value: &Value, text: &mut String) {
        match value {
            Value::String(piece) => text.push_str(piece),
            Value::Array(elements) => elements.iter().for_each(|e| strings(e, text)),
            Value::Object(members) => members
                .iter()
                .filter(|(name, member)| {
                    let protocol = matches!(name.as_str(), "type" | "item_id");
                    !protocol && (*name != "token" || member.is_object())
                })
                .for_each(|(_, member)| strings(member, text)),
            _ => {}
        }
    }
    let mut text = String::new();
    for data in stream.lines().filter_map(|line| line.strip_prefix("data: ")) {
        strings(&serde_json::from_str(data).unwrap(), &mut text);
    }
    text
}

#[test]
fn no_channel_of_a_stream_lets_a_value_through_piece_by_piece() {
    let watch = Watch::new(policy());
    for template in cases("streams") {
        for (name, value) in bypasses() {
            let nested = template.contains("NESTED");
            // Arguments are JSON themselves, cut anywhere, also inside of an escape.
            let text = if nested {
                quoted(&format!("{{\"a\":\"see {value} end\"}}"))
            } else {
                format!("see {value} end")
            };
            let event = |piece: &String| {
                format!("data: {}\n\n", template.replace("VALUE", piece).replace("NESTED", piece))
            };
            let stream: String = pieces(&text).iter().map(event).collect();
            let mut guard = StreamGuard::new(watch.clone(), Dialect::OpenAi, None);
            let mut out = Vec::new();
            guard.push(stream.as_bytes(), &mut out);
            guard.finish(&mut out);
            let shown = shown(std::str::from_utf8(&out).unwrap());
            let expected = if nested { "{\"a\":\"see [" } else { "see [" };
            assert!(shown.starts_with(expected), "{name} in {template}: {shown}");
            assert!(shown.contains("] end"), "{name} in {template}: {shown}");
        }
    }
}
