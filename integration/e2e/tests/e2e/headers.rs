//! Headers that clients may not set.

use serde_json::Value;
use weir_harness::{HttpClient, Request};

use crate::stack::{LLAMA, Plan, QWEN, Stack, chat, echoed};

/// Headers that only the filters may set, with values that would mislead Envoy.
fn forged(request: Request, elsewhere: &str) -> Request {
    request
        .header("x-gateway-model-name", "qwen")
        .header("X-Gateway-Base-Model-Name", QWEN)
        .header("x-gateway-base-model-name", QWEN)
        .header("x-gateway-destination-endpoint", elsewhere)
        .header("x-gateway-destination-endpoint", format!("{elsewhere},{elsewhere}"))
        .header("x-gateway-destination-endpoint-subset", elsewhere)
}

async fn assert_only_ours(stack: &Stack, elsewhere: &str) {
    for client in [HttpClient::http1(), HttpClient::http2()] {
        let request = forged(chat(LLAMA, "hello"), elsewhere);
        let reply = client.send(stack.envoy.clients(), request).await.unwrap();
        assert_eq!((reply.status, stack.pool_of(&reply)), (200, "llama"), "{}", reply.text());
        let echo = &reply.json().unwrap()["weir_echo"];
        assert_eq!(echoed(echo, "x-gateway-model-name"), LLAMA);
        assert_eq!(echoed(echo, "x-gateway-base-model-name"), LLAMA);
        let destination = echoed(echo, "x-gateway-destination-endpoint");
        assert!(!destination.contains(elsewhere), "{destination}");
    }
    let foreign = forged(Request::get("/elsewhere"), elsewhere);
    assert_eq!(stack.send(foreign).await.status, 404);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_forged_header_never_chooses_model_pool_or_endpoint() {
    for plan in Plan::both() {
        assert_forgery_is_void(plan.long_fresh().start().await).await;
    }
}

async fn assert_forgery_is_void(stack: Stack) {
    // Whoever dials this would be seen: it is a replica of the other pool.
    let trap = &stack.qwen.replicas()[0];
    let elsewhere = trap.address().to_string();
    // Without a view the picker leaves the request to Envoy, with one it chooses: both must hold.
    assert_only_ours(&stack, &elsewhere).await;
    assert_eq!(stack.push(|_, _| ()).await.status, 200);
    assert_only_ours(&stack, &elsewhere).await;
    assert_eq!(trap.last_request(), Value::Null);
}
