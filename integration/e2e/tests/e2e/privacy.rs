//! Nothing of prompts, replies, keys or headers in a log.

use serde_json::json;
use weir_harness::Request;

use crate::stack::{KEY, LLAMA, Plan, chat};

/// Stands in prompts, headers and broken bodies, and may stand in no log.
const CANARY: &str = "CanaryWord7391";

#[tokio::test(flavor = "multi_thread")]
async fn no_prompt_key_or_header_is_logged_even_at_trace() {
    let stack = Plan::quickstart().log("info", "wasm:trace").start().await;
    let mut sidecar = stack.sidecar().await;
    let paths = ["/v1/chat/completions", "/v1/messages", "/v1/completions", "/v1/x"];
    let bodies = [
        json!({"model": LLAMA, "max_tokens": 3, "messages": [{"role": "user", "content": CANARY}]})
            .to_string(),
        json!({"model": "qwen", "stream": true, "messages": [{"role": "user", "content": CANARY}]})
            .to_string(),
        json!({"model": CANARY, "prompt": CANARY}).to_string(),
        format!("{{\"model\":\"qwen\",\"{CANARY}\":\"{CANARY}\" {CANARY}"),
        format!("{{\"model\":\"{CANARY}\",\"model\":\"{CANARY}\"}}"),
    ];
    for path in paths {
        for body in &bodies {
            let request = Request::post(path).header("authorization", format!("Bearer {CANARY}"));
            let request = request.header("x-session-id", CANARY).header("x-api-key", CANARY);
            stack.send(request.body(body.clone())).await;
        }
    }
    stack.send(Request::get(format!("/v1/models/{CANARY}"))).await;
    stack.push_body(&format!("{{\"{CANARY}\":")).await;
    let wrong = Request::post("/weir/v1/snapshot").header("x-weir-signature", CANARY).body(CANARY);
    stack.http.send(stack.envoy.intake(), wrong).await.unwrap();
    let logs = [stack.envoy.log(), sidecar.process().log()];
    assert!(logs[0].contains("[wasm]"), "the component's log is not on");
    for log in logs {
        assert!(!log.contains(CANARY) && !log.contains(KEY), "{log}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_misconfigured_gateway_logs_no_prompt_either() {
    let option = "                allow_on_headers_stop_iteration: true\n";
    let stack = Plan::quickstart().replace(option, "").log("info", "wasm:trace").start().await;
    assert_eq!(stack.send(chat(LLAMA, CANARY)).await.status, 500);
    assert!(!stack.envoy.log().contains(CANARY));
}
