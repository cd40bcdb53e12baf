//! The law: however the bytes of a stream are cut, the output is the same, and valid.
#![cfg(not(target_arch = "wasm32"))]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a failed step is a failed test"
)]

use std::sync::Arc;

use proptest::prelude::*;
use serde_json::{Value, json};
use weir_detect::{Policy, RawPolicy};
use weir_guard::{StreamGuard, Watch, inspect_request};
use weir_wire::path::{Dialect, Operation};

/// Words that streams are made of: prose, values, halves of values, placeholders, odd characters.
const WORDS: [&str; 18] = [
    "It",
    " is",
    " the",
    " river,",
    "\n",
    " ann@",
    "example.com",
    " 4111",
    " 1111",
    "1111 ",
    "1111",
    " [EMAIL",
    "_1]",
    " é\u{1F600}",
    " \"quoted\\\"",
    " sk-proj-",
    " DE89 3704 0044 0532 0130 00",
    " https://evil.example/x?d=1",
];

const POLICIES: [&str; 5] = [
    r#"{"rules":[{"rules":["pii","secrets","exfil","leak"],"action":"redact"}]}"#,
    r#"{"rules":[{"rules":["pii","secrets"],"action":"mask"}]}"#,
    r#"{"rules":[{"rules":["pii","secrets"],"action":"pseudonymise"}]}"#,
    r#"{"rules":[{"rules":["pii"],"action":"hash"},{"rules":["secrets"],"action":"block"}]}"#,
    r#"{"rules":[{"rules":["pii"],"action":"redact","shadow":true}],"on_unscannable":"flag"}"#,
];

fn watch(policy: &str) -> Watch {
    let raw: RawPolicy = serde_json::from_str(policy).unwrap();
    let policy = Arc::new(Policy::try_from(raw).unwrap().with_hash_key(b"key"));
    let request = json!({"messages": [
        {"role": "system", "content": "Keep the colour of the seventh door in the long hall secret"},
        {"role": "user", "content": "I am ann@example.com"}]});
    inspect_request(&policy, request.to_string().as_bytes(), true, false).watch
}

/// How one dialect streams.
struct Form {
    dialect: Dialect,
    operation: Operation,
    /// An event with a piece of the text of a channel.
    delta: fn(channel: usize, piece: &str) -> String,
    /// The end of all channels.
    end: fn(texts: &[String]) -> String,
}

fn data(value: &Value) -> String {
    format!("data: {value}\n\n")
}

fn named(value: &Value) -> String {
    format!("event: {}\r\ndata: {value}\r\n\r\n", value["type"].as_str().unwrap())
}

const FORMS: [Form; 6] = [
    Form {
        dialect: Dialect::OpenAi,
        operation: Operation::ChatCompletions,
        delta: |channel, piece| {
            let delta = match channel {
                0 | 1 => json!({"content": piece}),
                2 => json!({"reasoning_content": piece}),
                _ => json!({"tool_calls": [{"index": 0, "function": {"arguments": piece}}]}),
            };
            data(&json!({"choices": [{"index": channel % 2, "delta": delta}]}))
        },
        end: |_| {
            let end = |index: u32| {
                data(&json!({"choices": [{"index": index, "delta": {}, "finish_reason": "stop"}]}))
            };
            [": end\n\n", &end(0), &end(1), "data: [DONE]\n\n"].concat()
        },
    },
    Form {
        dialect: Dialect::OpenAi,
        operation: Operation::Completions,
        delta: |channel, piece| {
            data(
                &json!({"choices": [{"index": channel, "text": piece, "logprobs": {"tokens": [piece]}}]}),
            )
        },
        end: |_| "data: [DONE]\n\n".to_owned(),
    },
    Form {
        dialect: Dialect::OpenAi,
        operation: Operation::Responses,
        delta: |channel, piece| {
            named(
                &json!({"type": "response.output_text.delta", "output_index": channel, "delta": piece}),
            )
        },
        end: |texts| {
            let done = |(index, text): (usize, &String)| {
                named(
                    &json!({"type": "response.output_text.done", "output_index": index, "text": text}),
                )
            };
            texts.iter().enumerate().map(done).collect::<String>()
                + &named(&json!({"type": "response.completed", "response": {"output": texts}}))
        },
    },
    Form {
        dialect: Dialect::Anthropic,
        operation: Operation::Messages,
        delta: |channel, piece| {
            let delta = match channel {
                0..=2 => json!({"type": "text_delta", "text": piece}),
                _ => json!({"type": "input_json_delta", "partial_json": piece}),
            };
            named(&json!({"type": "content_block_delta", "index": channel, "delta": delta}))
        },
        end: |texts| {
            let stop = |index| named(&json!({"type": "content_block_stop", "index": index}));
            (0..texts.len()).map(stop).collect::<String>()
                + &named(&json!({"type": "message_stop"}))
        },
    },
    Form {
        // Several texts in one event.
        dialect: Dialect::OpenAi,
        operation: Operation::ChatCompletions,
        delta: |channel, piece| {
            let choice = |index: usize| json!({"index": index, "delta": {"content": piece, "reasoning_content": piece}});
            data(&json!({"choices": [choice(channel), choice(channel + 1)]}))
        },
        end: |_| "data: [DONE]\n\n".to_owned(),
    },
    Form {
        dialect: Dialect::Gemini,
        operation: Operation::GenerateContent,
        delta: |channel, piece| {
            data(
                &json!({"candidates": [{"index": channel, "content": {"parts": [{"text": piece}]}}]}),
            )
        },
        end: |_| data(&json!({"usageMetadata": {"totalTokenCount": 3}})),
    },
];

/// A stream of pieces, each of one of four channels.
fn stream(form: &Form, pieces: &[(usize, usize)]) -> String {
    let mut texts = vec![String::new(); 4];
    let mut stream = String::new();
    for (channel, word) in pieces {
        texts[*channel].push_str(WORDS[*word]);
        stream.push_str(&(form.delta)(*channel, WORDS[*word]));
    }
    stream + &(form.end)(&texts)
}

fn through(form: &Form, watch: &Watch, chunks: &[&[u8]]) -> (Vec<u8>, String) {
    let mut guard = StreamGuard::new(watch.clone(), form.dialect, Some(form.operation));
    let mut out = Vec::new();
    chunks.iter().for_each(|chunk| guard.push(chunk, &mut out));
    guard.finish(&mut out);
    (out, guard.report().summary())
}

fn pieces(cuts: &[usize], bytes: &[u8]) -> Vec<Vec<u8>> {
    let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut % (bytes.len() + 1)).collect();
    cuts.extend([0, bytes.len()]);
    cuts.sort_unstable();
    cuts.windows(2).map(|pair| bytes[pair[0]..pair[1]].to_vec()).collect()
}

/// Every event's data is JSON, but for the end mark.
fn assert_valid(out: &[u8]) {
    let text = std::str::from_utf8(out).expect("valid UTF-8");
    for line in text.lines().filter_map(|line| line.strip_prefix("data: ")) {
        assert!(line == "[DONE]" || serde_json::from_str::<Value>(line).is_ok(), "{line}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn every_chunking_of_every_dialect_gives_the_same_bytes(
        form in 0..FORMS.len(),
        policy in 0..POLICIES.len(),
        words in prop::collection::vec((0usize..4, 0..WORDS.len()), 0..40),
        cuts in prop::collection::vec(any::<usize>(), 0..60),
    ) {
        let (form, watch) = (&FORMS[form], watch(POLICIES[policy]));
        let stream = stream(form, &words);
        let (whole, report) = through(form, &watch, &[stream.as_bytes()]);
        assert_valid(&whole);
        let chunks = pieces(&cuts, stream.as_bytes());
        let chunks: Vec<&[u8]> = chunks.iter().map(Vec::as_slice).collect();
        prop_assert_eq!(through(form, &watch, &chunks), (whole.clone(), report.clone()));
        let bytes: Vec<&[u8]> = stream.as_bytes().chunks(1).collect();
        prop_assert_eq!(through(form, &watch, &bytes), (whole, report));
    }

    #[test]
    fn a_damaged_stream_never_panics_and_never_passes_more_for_its_chunking(
        form in 0..FORMS.len(),
        policy in 0..POLICIES.len(),
        words in prop::collection::vec((0usize..4, 0..WORDS.len()), 0..12),
        damage in prop::collection::vec((any::<usize>(), any::<u8>()), 0..6),
        cuts in prop::collection::vec(any::<usize>(), 0..20),
    ) {
        let (form, watch) = (&FORMS[form], watch(POLICIES[policy]));
        let mut bytes = stream(form, &words).into_bytes();
        for (at, byte) in damage {
            let at = at % bytes.len();
            bytes[at] = byte;
        }
        let whole = through(form, &watch, &[&bytes]);
        let chunks = pieces(&cuts, &bytes);
        let chunks: Vec<&[u8]> = chunks.iter().map(Vec::as_slice).collect();
        prop_assert_eq!(through(form, &watch, &chunks), whole);
    }
}

#[test]
fn every_pair_of_cuts_of_a_small_stream_gives_the_same_bytes() {
    let words = [(0, 5), (1, 8), (0, 6), (1, 9), (3, 14), (0, 4)];
    for form in &FORMS {
        for policy in [POLICIES[0], POLICIES[2]] {
            let watch = watch(policy);
            let stream = stream(form, &words);
            let bytes = stream.as_bytes();
            let expected = through(form, &watch, &[bytes]);
            // Every first cut, with second cuts near it and spread over the rest.
            for first in 0..=bytes.len() {
                for second in (first..=bytes.len()).step_by(1 + (bytes.len() - first) / 6) {
                    let chunks = [&bytes[..first], &bytes[first..second], &bytes[second..]];
                    assert_eq!(through(form, &watch, &chunks), expected, "{first} {second}");
                }
            }
        }
    }
}
