//! What an operator sees: `access-log.yaml`, `response-size.yaml`.

use serde_json::Value;

use super::example;
use crate::stack::{LLAMA, Stack, chat, eventually};

/// The line of the access log with this status; numbers are numbers in it.
async fn line(stack: &Stack, status: u64) -> Value {
    eventually("a line in the access log", async || {
        let log = stack.envoy.log();
        let lines = log.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
        lines.into_iter().find(|line| line["status"] == status)
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn the_access_log_tells_all_that_weir_knows_and_nothing_that_was_written() {
    let stack = example("access-log").prompt_access_log().start().await;
    let _sidecar = stack.sidecar().await;
    let reply =
        stack.send(chat("gpt-4o", "mail ann@example.com").header("x-weir-output-tokens", "9"));
    let reply = reply.await;
    assert_eq!(reply.status, 200, "{}", reply.text());
    let line = line(&stack, 200).await;
    for (name, value) in [
        ("path", "/v1/chat/completions"),
        ("details", "via_upstream"),
        ("route", "llama"),
        ("model", "gpt-4o"),
        ("pool", "llama"),
        ("decision", "alias=llama-3.1-8b-instruct"),
        ("endpoint", reply.header("x-weir-replica")),
        ("upstream", reply.header("x-weir-replica")),
    ] {
        assert_eq!(line[name], value, "{line}");
    }
    assert!(line["tokens"].as_str().unwrap().contains("completion=9"), "{line}");
    assert!(
        line["guard"].as_str().unwrap().contains("EMAIL")
            || line["guard"].as_str().unwrap().contains("email"),
        "{line}"
    );
    let total = line["tokens_total"].to_string();
    assert!(total.trim_matches('"').parse::<u64>().unwrap() > 9, "{line}");
    assert!(!line.to_string().contains("ann@"), "{line}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unusually_large_answer_is_counted_and_named_and_comes_whole() {
    let stack = example("response-size").prompt_access_log().start().await;
    let usual = stack.send(chat(LLAMA, "x")).await;
    assert_eq!((usual.status, stack.stat("weir_guardrail_findings_total").await), (200, 0));
    let large = stack.send(chat(LLAMA, "x").header("x-weir-output-tokens", "20000")).await;
    assert!(large.status == 200 && large.body.len() > 65_536, "{}", large.body.len());
    assert!(stack.stat("weir_guardrail_findings_total.rule.size").await >= 1);
    let named = eventually("the alarm in the access log", async || {
        let log = stack.envoy.log();
        let lines = log.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
        lines.into_iter().find(|line| line["guard"].is_string())
    })
    .await;
    assert!(named["guard"].as_str().unwrap().contains("size"), "{named}");
    assert!(named["bytes_sent"].as_u64().unwrap() > 65_536, "{named}");
}
