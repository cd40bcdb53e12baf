//! What the guardrail need not read again: texts scanned before, bodies that the router has read.

use std::time::Duration;

use serde_json::{Value, json};
use weir_harness::Request;

use crate::guardrail::{EMAIL, REDACTING};
use crate::stack::{LLAMA, Plan};

/// More turns than there are workers, so that each of them has seen the first ones.
const TURNS: usize = 12;

#[tokio::test(flavor = "multi_thread")]
async fn the_history_of_a_conversation_is_scanned_once_and_what_is_new_every_time() {
    for plan in Plan::guarding_both(REDACTING) {
        let stack = plan.start().await;
        let long = "The night train leaves Vienna in the evening. ".repeat(20);
        let mut messages = vec![json!({"role": "system", "content": format!("Be brief. {long}")})];
        for turn in 0..TURNS {
            let asked = format!("{turn}: {long} Write to {EMAIL}.");
            messages.push(json!({"role": "user", "content": asked}));
            let body = json!({"model": LLAMA, "messages": messages});
            let request = Request::post("/v1/chat/completions").header("x-weir-echo", "1");
            let reply = stack.send(request.json(&body)).await;
            assert_eq!(reply.status, 200, "{}", reply.text());
            let echo = reply.json().unwrap()["weir_echo"]["body"].as_str().unwrap().to_owned();
            assert!(!echo.contains(EMAIL), "turn {turn}");
            let received: Value = serde_json::from_str(&echo).unwrap();
            let last = received["messages"].as_array().unwrap().last().unwrap().clone();
            assert_eq!(last["content"], asked.replace(EMAIL, "[EMAIL]"));
            // What a client would keep of it.
            messages.pop();
            messages.push(json!({"role": "user", "content": format!("{turn}: {long}")}));
        }
        let recalled = stack.stat("weir_guardrail_texts_recalled_total").await;
        let scanned = stack.stat("weir_guardrail_texts_scanned_total").await;
        let all = (TURNS * (TURNS + 3) / 2) as u64;
        assert_eq!(recalled + scanned, all);
        // Each worker scans a text once, and the one with the address always.
        assert!(scanned <= (2 * (TURNS + 1) + TURNS) as u64, "{scanned} of {all} were scanned");
        assert!(recalled >= 1);
        stack.assert_no_trap().await;
    }
}

/// Under a piece of the router's, over several of them, and over what it reads at once for the guardrail.
const SIZES: [usize; 3] = [40_000, 300_000, 700_000];

#[tokio::test(flavor = "multi_thread")]
async fn long_prompts_are_redacted_however_they_come_and_whoever_has_read_them() {
    for plan in Plan::guarding_both(REDACTING) {
        let stack = plan.start().await;
        for size in SIZES {
            let filler = "Say \\ \"yes\" caf\u{e9}\n".repeat(size / 20);
            let content = format!("{EMAIL} {filler} {EMAIL}");
            // The router edits the body of the second.
            for model in [LLAMA, "gpt-4o"] {
                let messages = json!([{"role": "user", "content": content}, {"role": "user", "content": EMAIL}]);
                let body = json!({"messages": messages, "model": model}).to_string();
                let request = Request::post("/v1/chat/completions").header("x-weir-echo", "1");
                let pieces = body.as_bytes().chunks(9_000).map(<[u8]>::to_vec).collect::<Vec<_>>();
                for request in
                    [request.clone().body(body.clone()), request.pieces(pieces, Duration::ZERO)]
                {
                    let reply = stack.send(request).await;
                    assert_eq!(reply.status, 200, "{size} {model}: {:.200}", reply.text());
                    let reply = reply.json().unwrap();
                    let echo = reply["weir_echo"]["body"].as_str().unwrap();
                    let expected = body.replace(EMAIL, "[EMAIL]").replace("gpt-4o", LLAMA);
                    assert!(echo == expected, "{size} {model}: {:.100} …", echo);
                }
            }
        }
        stack.assert_no_trap().await;
    }
}
