//! A value whose pieces have events without a text between them, however many: servers keep connections alive, count tokens, and
//! send chunks while a character or a call is not whole yet.
#![cfg(not(target_arch = "wasm32"))]
#![allow(clippy::unwrap_used, reason = "a failed step is a failed test")]

use std::sync::Arc;

use weir_detect::{Policy, RawPolicy};
use weir_guard::{StreamGuard, Watch};
use weir_wire::path::{Dialect, Operation};

const CHAT: [&str; 3] = [
    r#"{"choices":[{"index":0,"delta":{"role":"assistant","content":"It is 4111 1111 "},"finish_reason":null}]}"#,
    r#"{"choices":[{"index":0,"delta":{"content":"1111 1111, she said."},"finish_reason":null}]}"#,
    r#"{"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}"#,
];

const MESSAGES: [&str; 3] = [
    r#"{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"It is 4111 1111 "}}"#,
    r#"{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"1111 1111, she said."}}"#,
    r#"{"type":"content_block_stop","index":0}"#,
];

/// What a client gets of a value with so many `silent` events between its pieces.
fn filtered(operation: Operation, texts: [&str; 3], silent: &str, count: usize) -> String {
    let raw: RawPolicy =
        serde_json::from_str(r#"{"rules":[{"rules":["CREDIT_CARD"],"action":"redact"}]}"#).unwrap();
    let watch = Watch::new(Arc::new(Policy::try_from(raw).unwrap()));
    let dialect = match operation {
        Operation::Messages => Dialect::Anthropic,
        _ => Dialect::OpenAi,
    };
    let mut guard = StreamGuard::new(watch, dialect, Some(operation));
    let mut out = Vec::new();
    let mut push = |text: &str| guard.push(format!("{text}\n\n").as_bytes(), &mut out);
    let [first, second, last] = texts.map(|text| format!("data: {text}"));
    push(&first);
    for _ in 0..count {
        push(silent);
    }
    push(&second);
    push(&last);
    guard.finish(&mut out);
    String::from_utf8(out).unwrap()
}

#[test]
fn events_without_a_text_do_not_end_one() {
    let chat = [
        r#"data: {"choices":[{"index":0,"delta":{"content":""},"finish_reason":null}]}"#,
        r#"data: {"choices":[{"index":0,"delta":{"content":null},"finish_reason":null}]}"#,
        r#"data: {"choices":[{"index":0,"delta":{},"finish_reason":null}]}"#,
        r#"data: {"choices":[{"index":0,"delta":{"role":"assistant"},"finish_reason":null}]}"#,
        r#"data: {"choices":[{"index":0,"delta":{"reasoning_content":""},"finish_reason":null}]}"#,
        r#"data: {"choices":[],"usage":{"prompt_tokens":5,"completion_tokens":9,"total_tokens":14}}"#,
        r#"data: {"choices":[{"index":1,"delta":{"content":"another choice "},"finish_reason":null}]}"#,
        ": keep-alive",
        "event: ping\ndata: {}",
    ];
    let messages = ["event: ping\ndata: {\"type\": \"ping\"}", ": keep-alive"];
    let chat = chat.map(|silent| (Operation::ChatCompletions, CHAT, silent));
    let messages = messages.map(|silent| (Operation::Messages, MESSAGES, silent));
    let mut wrong = Vec::new();
    for (operation, texts, silent) in chat.into_iter().chain(messages) {
        for count in [1, 9, 900] {
            let out = filtered(operation, texts, silent, count);
            let events = out.matches(silent.lines().next_back().unwrap()).count();
            if out.contains("4111") || !out.contains("[CREDIT_CARD]") || events != count {
                wrong.push((silent, count, events));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}
