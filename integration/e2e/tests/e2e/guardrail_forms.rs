//! The forms in which servers stream a text, through Envoy: a value that comes in pieces leaves no trace.
//! `shared/guard/tests/forms` holds the same forms to more.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use weir_harness::{Request, workspace};

use crate::guardrail::{REDACTING, scripted};
use crate::stack::{LLAMA, Plan};

/// An event with a text, and all of the text so far, in their places.
fn filled(event: &Value, text: &str, all: &str) -> Value {
    match event {
        Value::String(place) if place == "TEXT" => json!(text),
        Value::String(place) if place == "CUMULATIVE" => json!(all),
        Value::Array(list) => list.iter().map(|element| filled(element, text, all)).collect(),
        Value::Object(members) => {
            let member =
                |(name, value): (&String, &Value)| (name.clone(), filled(value, text, all));
            Value::Object(members.iter().map(member).collect())
        }
        other => other.clone(),
    }
}

/// A body in a form, and its type.
fn body(form: &Value, pieces: &[&str]) -> (String, &'static str) {
    let list = |name: &str| form[name].as_array().cloned().unwrap_or_default();
    let mut so_far = String::new();
    let mut events: Vec<Value> = list("before").iter().map(|event| filled(event, "", "")).collect();
    for piece in pieces {
        so_far.push_str(piece);
        events.push(filled(&form["piece"], piece, &so_far));
    }
    events.extend(list("after").iter().map(|event| filled(event, "", &so_far)));
    let lines =
        |between: &str| events.iter().map(Value::to_string).collect::<Vec<_>>().join(between);
    match form["framing"].as_str() {
        Some("array") => (format!("[{}]", lines(",\n")), "application/json"),
        Some(_) => (lines("\n") + "\n", "application/x-ndjson"),
        None => {
            let named =
                |event: &Value| match event["type"].as_str().filter(|_| form["named"] == true) {
                    Some(name) => format!("event: {name}\ndata: {event}\n\n"),
                    None => format!("data: {event}\n\n"),
                };
            (events.iter().map(named).collect(), "text/event-stream")
        }
    }
}

/// All strings of a reply, joined by the place in which they stand.
fn texts(value: &Value, place: String, found: &mut BTreeMap<String, String>) {
    match value {
        Value::String(text) => found.entry(place).or_default().push_str(text),
        Value::Array(list) => {
            list.iter().for_each(|value| texts(value, format!("{place}[]"), found))
        }
        Value::Object(members) => {
            members.iter().for_each(|(name, value)| texts(value, format!("{place}.{name}"), found));
        }
        _ => {}
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_value_in_pieces_leaves_no_trace_in_any_form() {
    let file = std::fs::read_to_string(workspace::file("testdata/guard/forms.json")).unwrap();
    let file: Value = serde_json::from_str(&file).unwrap();
    for plan in Plan::guarding_both(REDACTING) {
        let stack = plan.start().await;
        for form in file["forms"].as_array().unwrap() {
            for pieces in [
                &["It is 4111 11", "11 1111 1111, she said. "][..],
                &["It is 4111 1111", " 1111 ", "1111, she said. "],
            ] {
                let (body, kind) = body(form, pieces);
                let path = match form["api"].as_str() {
                    Some("gemini") => format!("/v1beta/models/{LLAMA}:streamGenerateContent"),
                    Some("messages") => "/v1/messages".to_owned(),
                    Some("responses") => "/v1/responses".to_owned(),
                    _ => "/v1/chat/completions".to_owned(),
                };
                let raw = json!({"headers": [["content-type", kind]], "body": body});
                let question =
                    json!({"model": LLAMA, "stream": true, "messages": [], "contents": []});
                let script = json!({"raw": raw, "frame_bytes": 61});
                let reply =
                    stack.send(scripted(Request::post(&path).json(&question), &script)).await;
                let text = reply.text();
                assert!(
                    reply.status == 200 && !text.contains("policy_violation"),
                    "{}: {text}",
                    form["name"]
                );
                let mut found = BTreeMap::new();
                let lines = text
                    .lines()
                    .map(|line| line.trim_start_matches("data: ").trim_matches(['[', ']', ',']));
                lines
                    .filter_map(|line| serde_json::from_str(line).ok())
                    .for_each(|value| texts(&value, String::new(), &mut found));
                assert!(
                    found.values().any(|text| text.contains("[CREDIT_CARD], she said.")),
                    "{}: {text}",
                    form["name"]
                );
                let trace = found.values().find(|text| text.contains("4111 11"));
                assert_eq!(trace, None, "{}: {text}", form["name"]);
            }
        }
        stack.assert_no_trap().await;
    }
}
