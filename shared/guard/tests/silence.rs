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

fn guard(operation: Operation) -> StreamGuard {
    let raw: RawPolicy = serde_json::from_str(
        r#"{"rules":[{"rules":["CREDIT_CARD"],"action":"redact"}],"on_unscannable":"flag"}"#,
    )
    .unwrap();
    let watch = Watch::new(Arc::new(Policy::try_from(raw).unwrap()));
    let dialect = match operation {
        Operation::Messages => Dialect::Anthropic,
        _ => Dialect::OpenAi,
    };
    StreamGuard::new(watch, dialect, Some(operation))
}

/// What a client gets of a value with so many `silent` events between its pieces.
fn filtered(operation: Operation, texts: [&str; 3], silent: &str, count: usize) -> String {
    let mut guard = guard(operation);
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

#[test]
fn sound_and_pictures_do_not_wait_for_more_of_a_text() {
    let mut guard = guard(Operation::ChatCompletions);
    let (mut out, data) = (Vec::new(), "AAECAwQF".repeat(1_000));
    let audio = format!(
        r#"data: {{"choices":[{{"index":0,"delta":{{"audio":{{"id":"a","data":"{data}"}}}},"finish_reason":null}}]}}"#
    );
    guard.push(format!("data: {}\n\n", CHAT[0]).as_bytes(), &mut out);
    for _ in 0..700 {
        guard.push(format!("{audio}\n\n").as_bytes(), &mut out);
    }
    // A few may wait for the end of what is said before them.
    let sent = String::from_utf8(out).unwrap().matches(&data).count();
    assert!(sent > 690 && !guard.is_blocked(), "{sent} of 700");
}

#[test]
fn of_all_choices_together_no_more_empty_events_wait_than_of_one() {
    let mut guard = guard(Operation::ChatCompletions);
    let mut out = Vec::new();
    for choice in 0..16 {
        let text = CHAT[0].replace(r#""index":0"#, &format!(r#""index":{choice}"#));
        guard.push(format!("data: {text}\n\n").as_bytes(), &mut out);
    }
    for at in 0..16 * 200 {
        let event = format!(r#"data: {{"choices":[{{"index":{},"delta":{{}}}}]}}"#, at % 16);
        guard.push(format!("{event}\n\n").as_bytes(), &mut out);
    }
    let sent = String::from_utf8(out).unwrap().matches(r#""delta":{}"#).count();
    assert!(sent > 16 * 200 - 1_300, "{sent} of 3200");
}
