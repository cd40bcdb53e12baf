//! What the intake listener takes and what it refuses.

use serde_json::{Value, json};
use weir_harness::{Reply, Request};
use weir_snapshot::signature::{HEADER, sign};

use crate::stack::{KEY, Plan, Stack};

fn body(epoch: u64, sequence: u64) -> String {
    json!({
        "version": 1, "pool": "llama", "epoch": epoch, "sequence": sequence,
        "endpoints": [{"address": "127.0.0.1:9", "state": "ready", "age_ms": 1, "waiting": 3}],
    })
    .to_string()
}

async fn post(stack: &Stack, body: &str, signature: Option<String>) -> Reply {
    let mut request = Request::post("/weir/v1/snapshot").body(body.to_owned());
    if let Some(signature) = signature {
        request = request.header(HEADER, signature);
    }
    stack.http.send(stack.envoy.intake(), request).await.unwrap()
}

fn assert_refused(reply: &Reply, status: u16, part: &str) {
    let document = reply.json().unwrap();
    let error = &document["error"];
    assert_eq!(reply.status, status, "{document}");
    assert!(error["code"].is_string() && error["message"].is_string(), "{document}");
    assert!(document.to_string().contains(part), "{document} lacks {part}");
    assert_eq!(reply.header("content-type"), "application/json");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_snapshot_must_be_signed_whole_and_newer() {
    let stack = Plan::quickstart()
        .replace(
            "signing_key_env: WEIR_INTAKE_KEY}",
            "signing_key_env: WEIR_INTAKE_KEY, max_body_bytes: 4000}",
        )
        .start()
        .await;
    let signed =
        async |body: &str| post(&stack, body, Some(sign(KEY.as_bytes(), body.as_bytes()))).await;
    assert_refused(&post(&stack, &body(1, 1), None).await, 401, "missing");
    let wrong = sign(b"another key of at least 16 bytes", body(1, 1).as_bytes());
    assert_refused(&post(&stack, &body(1, 1), Some(wrong)).await, 401, "match");
    let of_another = sign(KEY.as_bytes(), body(1, 2).as_bytes());
    assert_refused(&post(&stack, &body(1, 1), Some(of_another)).await, 401, "match");
    assert_refused(&signed("{").await, 400, "malformed");
    assert_refused(
        &signed(&body(1, 1).replace("127.0.0.1:9", "not an address")).await,
        400,
        "endpoints[0].address",
    );
    assert_refused(
        &signed(&body(1, 1).replace("\"version\":1", "\"version\":9")).await,
        400,
        "version",
    );
    assert_refused(&signed(&" ".repeat(5000)).await, 413, "4000");
    assert_eq!(signed(&body(5, 5)).await.status, 200);
    for (epoch, sequence) in [(5, 5), (5, 4), (4, 99)] {
        assert_refused(&signed(&body(epoch, sequence)).await, 409, "out_of_order");
    }
    let accepted = signed(&body(6, 1)).await.json().unwrap();
    assert_eq!((&accepted["accepted"], &accepted["sequence"]), (&json!(true), &json!(1)));
    assert_view(&stack).await;
    assert_eq!(stack.stat("weir_intake_accepted_total").await, 2);
}

async fn assert_view(stack: &Stack) {
    let request = Request::get("/weir/v1/snapshot");
    let view = stack.http.send(stack.envoy.intake(), request).await.unwrap();
    assert_eq!(view.status, 200);
    let text = view.text();
    let parsed: Value = view.json().unwrap();
    assert!(text.contains("llama") && text.contains("127.0.0.1:9"), "{text}");
    assert!(!text.contains(KEY) && !parsed.is_null());
}

#[tokio::test(flavor = "multi_thread")]
async fn other_paths_and_methods_are_refused() {
    let stack = Plan::quickstart().start().await;
    let send =
        async |request: Request| stack.http.send(stack.envoy.intake(), request).await.unwrap();
    assert_refused(&send(Request::get("/")).await, 404, "not_found");
    assert_refused(&send(Request::post("/v1/chat/completions").body("{}")).await, 404, "path");
    let put = Request::new("PUT".parse().unwrap(), "/weir/v1/snapshot").body("{}");
    assert_refused(&send(put).await, 405, "method");
    assert_refused(&send(Request::post("/weir/v1/snapshot")).await, 401, "missing");
}
