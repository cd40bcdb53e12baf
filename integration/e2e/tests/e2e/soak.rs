//! Many requests of every kind.

use std::net::SocketAddr;

use serde_json::json;
use weir_harness::{HttpClient, RawConnection, Request, run_concurrently};

use crate::stack::{LLAMA, Plan, Stack};

/// Requests before memory is looked at: pools of connections, V8's heap and the prefix index grow
/// to their working size.
const WARM_UP: usize = 4_000;
/// Requests while it must stay flat.
const COUNT: usize = 10_000;
/// At once.
const CONCURRENCY: usize = 32;
/// How much more resident memory is still flat, in bytes: 4 MiB of the 118 MB that Envoy has
/// (0.2 MB were measured). A leak of 430 bytes for each request would be more than that.
const GROWTH: u64 = 4 << 20;

/// Bodies in which nothing or one thing is wrong, and the status that they get.
fn body(index: usize) -> (String, u16) {
    let text = format!("question {index} {}", "and so on ".repeat(index % 90));
    let messages = json!([{"role": "user", "content": text}]);
    match index % 6 {
        0 => (json!({"model": LLAMA, "messages": messages}).to_string(), 200),
        1 => (json!({"messages": messages, "stream": true, "model": "qwen"}).to_string(), 200),
        2 => (json!({"model": format!("nope-{index}"), "messages": messages}).to_string(), 404),
        3 => (json!({"model": LLAMA, "messages": messages}).to_string().replacen('}', "", 1), 400),
        4 => (json!({"messages": messages}).to_string(), 400),
        _ => (format!("{{\"model\":\"{LLAMA}\",\"model\":\"qwen\",\"x\":{text:?}}}"), 400),
    }
}

async fn one(client: HttpClient, address: SocketAddr, index: usize) {
    let (body, status) = body(index / 4);
    match index % 4 {
        // Ends in the middle of the body.
        0 => {
            let mut connection = RawConnection::open(address).await.unwrap();
            let head =
                "POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\ncontent-length: 90000\r\n\r\n";
            connection.send(head).await.unwrap();
            connection.send(body).await.unwrap();
        }
        1 => {
            let request = Request::post("/v1/chat/completions")
                .header("x-session-id", format!("{index}\u{ff}").as_bytes())
                .header("x-gateway-destination-endpoint", b"\xff\xfe")
                .header("user-agent", b"\xc3\x28");
            let reply = client.send(address, request.body(body)).await.unwrap();
            assert_eq!(reply.status, status);
        }
        _ => {
            let request = Request::post("/v1/chat/completions").body(body);
            let reply = client.send(address, request).await.unwrap();
            assert_eq!((reply.status, reply.complete), (status, true));
        }
    }
}

async fn run(stack: &Stack, count: usize) {
    let address = stack.envoy.clients();
    let clients = [HttpClient::http1(), HttpClient::http2()];
    let work = |index: usize| one(clients[index / 8 % 2].clone(), address, index);
    run_concurrently(CONCURRENCY, count, work).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn ten_thousand_mixed_requests_leave_no_trap_and_memory_flat() {
    let few_words = |settings: &mut weir_replica::Settings| settings.output_tokens = 4;
    let mut stack = Plan::quickstart().replicas(few_words).start().await;
    let _sidecar = stack.sidecar().await;
    run(&stack, WARM_UP).await;
    let before = stack.envoy.process().usage().unwrap().resident_bytes;
    run(&stack, COUNT).await;
    let after = stack.envoy.process().usage().unwrap().resident_bytes;
    println!("resident: {before} before, {after} after {COUNT} requests");
    assert!(after < before + GROWTH, "{before} bytes before, {after} after");
    stack.assert_no_trap().await;
    let routed = stack.stat("weir_router_routed_total").await;
    assert!(routed > u64::try_from(COUNT / 6).unwrap(), "{routed}");
}

/// A reply whose stream or document is damaged in one of several ways.
fn damaged_reply(index: usize) -> serde_json::Value {
    let event = format!(
        "data: {{\"choices\":[{{\"index\":0,\"delta\":{{\"content\":\"w{index}@\"}}}}]}}\n\n"
    );
    let (kind, body) = match index % 5 {
        0 => ("text/event-stream", event.repeat(9)),
        1 => (
            "text/event-stream",
            event.repeat(3) + "data: {\"choices\":[{\"delta\":{\"content\":\"\\ud83d",
        ),
        2 => ("text/event-stream", event.replace("choices", "choicez")),
        3 => (
            "application/json",
            "{\"choices\":[{\"message\":{\"content\":\"ann@example.com".to_owned(),
        ),
        _ => ("application/json", "\u{0}\u{1}{}".to_owned()),
    };
    json!({"raw": {"headers": [["content-type", kind]], "body": body}, "frame_bytes": 1 + index % 97})
}

#[tokio::test(flavor = "multi_thread")]
async fn damaged_requests_and_responses_leave_no_trap_in_the_guardrail() {
    let few_words = |settings: &mut weir_replica::Settings| settings.output_tokens = 4;
    let stack = Plan::guarding(crate::guardrail::REDACTING).replicas(few_words).start().await;
    run(&stack, 2_000).await;
    let address = stack.envoy.clients();
    let client = HttpClient::http1();
    run_concurrently(CONCURRENCY, 1_000, |index| {
        let request = Request::post("/v1/chat/completions")
            .body(json!({"model": LLAMA, "messages": [], "stream": index % 2 == 0}).to_string());
        let request = crate::guardrail::scripted(request, &damaged_reply(index));
        let client = client.clone();
        async move {
            let reply = client.send(address, request).await.unwrap();
            assert!(reply.complete && !reply.text().contains("ann@example.com"));
        }
    })
    .await;
    stack.assert_no_trap().await;
}
