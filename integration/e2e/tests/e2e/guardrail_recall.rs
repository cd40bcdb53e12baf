//! What the guardrail does not scan twice.

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
