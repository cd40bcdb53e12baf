//! Envoy's own `ratelimit` filter with a rate-limit service, which is told what Weir has counted.

use std::time::Duration;

use serde_json::{Value, json};
use weir_harness::{Reply, Request};

use crate::rate_limit_counter::RateLimitService;
use crate::stack::{LLAMA, Plan, Stack, eventually};
use crate::token_limits::{ann, chat_of, usage};

const ANN: &str = "weir: consumer=ann";
const BOB: &str = "weir: consumer=bob";

/// The shipped file, with a service that allows so many hits.
async fn started(limit: u64) -> (RateLimitService, Stack) {
    let service = RateLimitService::start(limit).await;
    let plan = Plan::shipped("envoy-config/rate-limit-service.yaml");
    let stack = plan.prompt_access_log().served_at(8081, service.port()).start().await;
    (service, stack)
}

async fn hits(service: &RateLimitService, whose: &str, expected: f64) {
    let what = format!("{expected} hits of {whose}");
    eventually(&what, async || (service.hits(whose) as f64 == expected).then_some(())).await;
}

/// What a stream says of its usage, if it was asked.
fn usage_of_stream(reply: &Reply) -> f64 {
    let text = reply.text();
    let events = text.split("data: ").filter_map(|event| serde_json::from_str(event.trim()).ok());
    let sums = events.filter_map(|event: Value| event["usage"]["total_tokens"].as_f64());
    sums.last().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_service_hears_what_each_consumer_took_and_says_when_it_is_enough() {
    let (service, stack) = started(150).await;
    let mut sum = 0.0;
    let mut requests = 0;
    let refused = loop {
        let reply = stack.send(ann(40)).await;
        if reply.status != 200 {
            break reply;
        }
        sum += usage(&reply);
        requests += 1;
        hits(&service, ANN, sum).await;
        assert!(requests < 20, "{sum} and no end");
    };
    assert!(
        refused.status == 429 && sum > 150.0,
        "{} after {sum}: {}",
        refused.status,
        refused.text()
    );
    assert_eq!(refused.header("x-envoy-ratelimited"), "true");
    // What is refused took nothing: the service was asked, and hit no more.
    assert_eq!(service.hits(ANN) as f64, sum);
    assert_eq!(stack.send(chat_of("key-of-bob", 9, 9, false)).await.status, 200);
    let line = format!("consumer=ann model={LLAMA} status=200 prompt=");
    eventually(&line, async || stack.envoy.log().contains(&line).then_some(())).await;
    stack.assert_no_trap().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn streams_are_told_with_their_usage_and_what_took_nothing_is_not_told() {
    let (service, stack) = started(1_000_000).await;
    let stream = stack
        .send(chat_of("key-of-bob", 30, 30, true).json(&json!({
            "model": LLAMA, "max_tokens": 30, "stream": true,
            "stream_options": {"include_usage": true},
            "messages": [{"role": "user", "content": "How are you?"}],
        })))
        .await;
    let used = usage_of_stream(&stream);
    hits(&service, BOB, used).await;
    let asked = service.asked(BOB);
    let failed =
        stack.send(chat_of("key-of-bob", 9, 9, false).header("x-weir-fail", "error500")).await;
    assert!(failed.status >= 500, "{}", failed.status);
    let models = stack.send(Request::get("/v1/models").header("x-api-key", "key-of-bob")).await;
    assert_eq!(models.status, 200);
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert_eq!(service.hits(BOB) as f64, used);
    assert!(service.asked(BOB) <= asked + 2, "at most asked on the way in");
    stack.assert_no_trap().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_that_a_client_leaves_is_told_as_far_as_it_came() {
    let (service, stack) = started(1_000_000).await;
    let request = chat_of("key-of-ann", 500, 500, true).header("x-weir-frame-delay-ms", "20");
    let mut stream = stack.http.stream(stack.envoy.clients(), request).await.unwrap();
    let mut events = 0;
    while events < 10 {
        let (chunk, _) = stream.next().await.unwrap().unwrap();
        events += chunk.windows(6).filter(|bytes| bytes == b"data: ").count();
    }
    drop(stream);
    eventually("the cut stream is told", async || (service.hits(ANN) > 0).then_some(())).await;
    let told = service.hits(ANN);
    assert!((10..200).contains(&told), "{told}");
    stack.assert_no_trap().await;
}
