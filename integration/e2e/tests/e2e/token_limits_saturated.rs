//! What limits do while a pool is saturated, and what gRPC clients are told.

use serde_json::{Value, json};
use weir_harness::Request;

use crate::envoy_config::settings;
use crate::stack::{LLAMA, Plan, Stack, eventually};
use crate::token_limits::{ann, chat_of, limited};

const OBJECTIVE: &str = "x-gateway-inference-objective";

/// `envoy-config/token-limits.yaml`, where a gateway before this one vouches for objectives: `batch` goes first, and a
/// half of every burst is left.
async fn started() -> Stack {
    let plan = Plan::token_limits().vouched_for(OBJECTIVE).long_fresh();
    let plan = plan.edited(|config| {
        let gateway = settings(config, "weir.gateway");
        gateway["model-router"]["trust"]["objective"] = json!(true);
        gateway["token-limit"]["policies"]["default"] = json!({
            "saturated": {"shed": ["batch"], "burst": "0.5"},
            "limits": [{"name": "r", "per": ["consumer"], "requests": 8, "window": "1d"}],
        });
    });
    // One worker, so that what it has seen is what all have.
    plan.one_worker().start().await
}

/// Lets every replica tell of so many requests that wait, and waits until a worker has seen it: an answer holds for
/// 50 ms, a view counts for a second.
async fn waiting(stack: &Stack, waiting: u64) {
    let pushed = stack.push(|_, endpoint: &mut Value| endpoint["waiting"] = json!(waiting)).await;
    assert_eq!(pushed.status, 200, "{}", pushed.text());
}

#[tokio::test(flavor = "multi_thread")]
async fn while_a_pool_is_saturated_low_objectives_go_first_and_bursts_shrink() {
    let stack = started().await;
    let batch = || ann(5).header(OBJECTIVE, "batch");
    waiting(&stack, 0).await;
    assert_eq!(stack.send(batch()).await.status, 200);
    let shed = eventually("batch is shed", async || {
        waiting(&stack, 20).await;
        let reply = stack.send(chat_of("key-of-bob", 5, 5, false).header(OBJECTIVE, "batch")).await;
        (reply.status == 429).then_some(reply)
    })
    .await;
    assert_eq!(shed.json().unwrap()["error"]["code"], "overloaded");
    assert_eq!((shed.header("retry-after"), shed.header("retry-after-ms")), ("1", "1000"));
    assert!(stack.stat("weir_limit_shed_total").await >= 1);
    // Others go on, as long as a half of the burst lasts: 4 of 8, of which one is used.
    let mut statuses = Vec::new();
    for _ in 0..6 {
        waiting(&stack, 20).await;
        statuses.push(stack.send(ann(5).header(OBJECTIVE, "chat")).await.status);
    }
    assert_eq!(statuses, [200, 200, 200, 429, 429, 429]);
    // When nobody waits any more, all of it is there again.
    eventually("all of the burst", async || {
        waiting(&stack, 0).await;
        (stack.send(ann(5)).await.status == 200).then_some(())
    })
    .await;
    stack.assert_no_trap().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_grpc_client_is_told_that_its_quota_is_exhausted() {
    let limits = json!([{"name": "r", "per": ["consumer"], "requests": 1, "window": "1d"}]);
    let stack = limited(&limits).start().await;
    assert_eq!(stack.send(ann(5)).await.status, 200);
    // RESOURCE_EXHAUSTED in place of UNAVAILABLE, which would say that a replica is gone.
    let body = json!({"model": LLAMA, "messages": [{"role": "user", "content": "Hi"}]});
    let refused = Request::post("/v1/chat/completions")
        .header("x-api-key", "key-of-ann")
        .header("content-type", "application/grpc")
        .body(body.to_string());
    let reply = stack.send(refused).await;
    assert_eq!((reply.status, reply.header("grpc-status")), (200, "8"), "{}", reply.text());
    assert!(!reply.header("retry-after").is_empty());
    stack.assert_no_trap().await;
}
