//! The law of streams: what a client library puts together from the filtered stream is what it puts
//! together from the original, but for the texts that rules changed; each event is sent once, and in
//! its order among those of its choice.
#![cfg(not(target_arch = "wasm32"))]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a failed step is a failed test"
)]

mod accumulate;
mod order;
mod streams;

use std::sync::Arc;

use accumulate::{Api, accumulated};
use order::assert_order;
use proptest::prelude::*;
use serde_json::Value;
use streams::{VALUES, said, stream};
use weir_detect::{Policy, RawPolicy};
use weir_guard::{StreamGuard, Watch};
use weir_wire::path::{Dialect, Operation};

const FLAGGING: &str = r#"{"rules":[{"rules":["pii","secrets","exfil","injection"],"action":"flag"}],"on_unscannable":"flag"}"#;
const REDACTING: &str = r#"{"rules":[{"rules":["EMAIL","CREDIT_CARD","IBAN"],"action":"redact"}],"on_unscannable":"flag"}"#;

const APIS: [Api; 6] =
    [Api::Chat, Api::Text, Api::Responses, Api::Messages, Api::Gemini, Api::GeminiArray];

fn guard(api: Api, policy: &str) -> StreamGuard {
    let raw: RawPolicy = serde_json::from_str(policy).unwrap();
    let watch = Watch::new(Arc::new(Policy::try_from(raw).unwrap()));
    let (dialect, operation) = match api {
        Api::Chat => (Dialect::OpenAi, Operation::ChatCompletions),
        Api::Text => (Dialect::OpenAi, Operation::Completions),
        Api::Responses => (Dialect::OpenAi, Operation::Responses),
        Api::Messages => (Dialect::Anthropic, Operation::Messages),
        Api::Gemini | Api::GeminiArray => (Dialect::Gemini, Operation::GenerateContent),
    };
    let guard = StreamGuard::new(watch, dialect, Some(operation));
    if api == Api::GeminiArray { guard.in_array() } else { guard }
}

fn through<'a>(api: Api, policy: &str, chunks: impl Iterator<Item = &'a [u8]>) -> String {
    let (mut guard, mut out) = (guard(api, policy), Vec::new());
    chunks.for_each(|chunk| guard.push(chunk, &mut out));
    guard.finish(&mut out);
    String::from_utf8(out).unwrap()
}

/// Takes a stream through a policy in several chunkings, which must all come to the same.
fn filtered(api: Api, policy: &str, stream: &str) -> String {
    let bytes = stream.as_bytes();
    let whole = through(api, policy, [bytes].into_iter());
    for len in [1, 7, 64, 1000] {
        assert_eq!(through(api, policy, bytes.chunks(len)), whole, "in pieces of {len}");
    }
    whole
}

/// Holds a stream in which nothing is to be changed to the law.
fn assert_law(api: Api, policy: &str, stream: &str) {
    let out = filtered(api, policy, stream);
    assert_eq!(accumulated(api, &out), accumulated(api, stream), "{stream}\nbecame\n{out}");
    assert_order(api, stream, &out);
}

/// The same with the values in all texts replaced.
fn redacted(mut value: Value) -> Value {
    match &mut value {
        Value::String(text) => {
            for (pieces, entity) in VALUES {
                *text = text.replace(pieces.concat().trim(), entity);
            }
        }
        Value::Array(elements) => {
            elements.iter_mut().for_each(|element| *element = redacted(element.take()));
        }
        Value::Object(members) => {
            members.values_mut().for_each(|member| *member = redacted(member.take()));
        }
        _ => {}
    }
    value
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(16))]

    #[test]
    fn clients_read_from_a_stream_that_is_only_counted_what_they_would_have_read(
        api in 0..APIS.len(),
        choices in prop::collection::vec(said(true), 1..3),
        packed in 1..4usize,
    ) {
        assert_law(APIS[api], FLAGGING, &stream(APIS[api], &choices, packed));
    }

    #[test]
    fn clients_read_from_a_stream_without_a_finding_what_they_would_have_read(
        api in 0..APIS.len(),
        choices in prop::collection::vec(said(false), 1..3),
        packed in 1..4usize,
    ) {
        assert_law(APIS[api], REDACTING, &stream(APIS[api], &choices, packed));
    }

    #[test]
    fn clients_read_all_but_the_values_that_are_redacted(
        api in prop::sample::select(vec![Api::Chat, Api::Text, Api::Gemini, Api::GeminiArray]),
        choices in prop::collection::vec(said(true), 1..3),
        packed in 1..4usize,
    ) {
        let stream = stream(api, &choices, packed);
        let out = filtered(api, REDACTING, &stream);
        prop_assert_eq!(accumulated(api, &out), redacted(accumulated(api, &stream)), "{}\nbecame\n{}", stream, out);
    }
}

/// Streams of forms that broke clients, also cut in two.
#[test]
fn forms_of_real_servers_keep_the_law() {
    let file = include_str!("../../../../testdata/guard/streams.json");
    let file: Value = serde_json::from_str(file).unwrap();
    for form in file["streams"].as_array().unwrap() {
        let (api, events) = (form["api"].as_str().unwrap(), form["events"].as_array().unwrap());
        let event = |event: &Value| match (event, event["type"].as_str()) {
            (Value::String(raw), _) => raw.clone(),
            (event, Some(kind)) => format!("event: {kind}\ndata: {event}\n\n"),
            (event, None) => format!("data: {event}\n\n"),
        };
        let mut stream: String = events.iter().map(event).collect();
        let api = match api {
            "chat" => Api::Chat,
            "text" => Api::Text,
            "responses" => Api::Responses,
            "messages" => Api::Messages,
            "gemini" => Api::Gemini,
            _ => Api::GeminiArray,
        };
        match api {
            Api::Chat | Api::Text => stream += "data: [DONE]\n\n",
            Api::GeminiArray => stream = serde_json::to_string_pretty(events).unwrap(),
            _ => {}
        }
        assert_law(api, FLAGGING, &stream);
        let whole = filtered(api, FLAGGING, &stream);
        for at in (0..stream.len()).step_by(1 + stream.len() / 24) {
            let (first, second) = stream.as_bytes().split_at(at);
            assert_eq!(through(api, FLAGGING, [first, second].into_iter()), whole, "cut at {at}");
        }
    }
}
