//! Limits in real Envoy with two workers.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};
use weir_harness::{Reply, Request};
use weir_snapshot::signature::{HEADER, TIME_HEADER, sign_look};

use crate::envoy_config::settings;
use crate::stack::{KEY, LLAMA, Plan, Stack, eventually};

const LIMITS_PATH: &str = "/weir/v1/limits";

/// `envoy-config/token-limits.yaml` with these limits in place of its own.
pub(crate) fn limited(limits: &Value) -> Plan {
    let limits = limits.clone();
    Plan::token_limits().edited(|config| {
        let gateway = settings(config, "weir.gateway");
        gateway["token-limit"]["policies"]["default"]["limits"] = limits;
    })
}

pub(crate) fn day_of_tokens(tokens: u64, reserve: &str) -> Value {
    json!([{"name": "day", "per": ["consumer"], "tokens": tokens, "window": "1d", "reserve": reserve}])
}

/// A chat of ann's, whose answer has so many tokens.
pub(crate) fn chat_of(key: &str, max_tokens: u64, tokens: u64, stream: bool) -> Request {
    Request::post("/v1/chat/completions")
        .header("x-api-key", key)
        .header("x-weir-output-tokens", tokens.to_string())
        .json(&json!({
            "model": LLAMA, "max_tokens": max_tokens, "stream": stream,
            "messages": [{"role": "user", "content": "How are you today, and what is new?"}],
        }))
}

pub(crate) fn ann(tokens: u64) -> Request {
    chat_of("key-of-ann", tokens, tokens, false)
}

impl Stack {
    /// What the gateway shows of its limits.
    pub(crate) async fn limits(&self) -> Value {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
        let request = Request::get(LIMITS_PATH)
            .header(TIME_HEADER, now.to_string())
            .header(HEADER, sign_look(KEY.as_bytes(), LIMITS_PATH, now));
        let reply = self.http.send(self.envoy.intake(), request).await.unwrap();
        assert_eq!(reply.status, 200, "{}", reply.text());
        reply.json().unwrap()
    }

    /// What the busiest key of a limit has spent and reserved.
    pub(crate) async fn spent(&self, name: &str) -> (f64, f64) {
        let document = self.limits().await;
        let limits = document["limits"].as_array().unwrap().iter();
        let limit = limits.into_iter().find(|limit| limit["name"] == name).unwrap();
        let number = |member: &str| limit["busiest"][0][member].as_f64().unwrap_or_default();
        (number("spent"), number("reserved"))
    }

    /// Waits until nothing is reserved, and answers with what is spent.
    pub(crate) async fn settled(&self, name: &str) -> f64 {
        eventually("everything is settled", async || {
            let (spent, reserved) = self.spent(name).await;
            (reserved == 0.0).then_some(spent)
        })
        .await
    }
}

pub(crate) fn usage(reply: &Reply) -> f64 {
    reply.json().unwrap()["usage"]["total_tokens"].as_f64().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_runs_into_its_limit_and_is_admitted_again_when_it_was_told() {
    let limits = json!([{"name": "minute", "per": ["consumer"], "tokens": 600, "burst": 200,
        "window": "10s", "reserve": "full"}]);
    let stack = limited(&limits).start().await;
    let mut left = Vec::new();
    let refused = loop {
        let reply = stack.send(ann(40)).await;
        left.push(reply.header("x-ratelimit-remaining-tokens").parse::<u64>().unwrap());
        if reply.status != 200 {
            break reply;
        }
        assert!(left.len() < 50, "{left:?}");
    };
    assert_eq!(refused.status, 429);
    assert_eq!(refused.json().unwrap()["error"]["code"], "rate_limit_exceeded");
    assert_eq!(refused.header("ratelimit-policy"), "\"minute\";q=200;w=4");
    let wait: u64 = refused.header("retry-after-ms").parse().unwrap();
    assert!(refused.header("retry-after").parse::<u64>().unwrap() * 1_000 >= wait);
    // Another key has a limit of its own.
    assert_eq!(stack.send(chat_of("key-of-bob", 40, 40, false)).await.status, 200);
    tokio::time::sleep(Duration::from_millis(wait)).await;
    assert_eq!(stack.send(ann(40)).await.status, 200);
    stack.assert_no_trap().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_charged_is_what_replicas_report_whole_and_streamed_in_every_dialect() {
    let stack = limited(&day_of_tokens(100_000, "full")).start().await;
    let mut sum = usage(&stack.send(ann(30)).await);
    assert_eq!(stack.settled("day").await.round(), sum);
    // The prompt is cached now, and counts all the same.
    sum += usage(&stack.send(ann(30)).await);
    let streamed = stack.send(chat_of("key-of-ann", 30, 30, true)).await;
    assert!(streamed.complete && !streamed.text().contains("\"usage\":{"), "{}", streamed.text());
    assert!(streamed.text().ends_with("data: [DONE]\n\n"));
    sum += sum / 2.0;
    assert!((stack.settled("day").await - sum).abs() < 1.0);
    let message =
        json!({"model": LLAMA, "max_tokens": 9, "messages": [{"role": "user", "content": "Hi"}]});
    let before = stack.settled("day").await;
    let reply = stack
        .send(Request::post("/v1/messages").header("x-api-key", "key-of-ann").json(&message))
        .await;
    let counts = reply.json().unwrap()["usage"].clone();
    let charged = ["input_tokens", "output_tokens", "cache_read_input_tokens"]
        .map(|name| counts[name].as_f64().unwrap_or_default());
    let after = stack.settled("day").await;
    assert!(
        (after - before - charged.iter().sum::<f64>()).abs() < 1.0,
        "{before} {after} {counts}"
    );
    stack.assert_no_trap().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_is_the_same_byte_for_byte_as_without_limits() {
    let without = Plan::one_filter().start().await;
    let with = limited(&day_of_tokens(1_000_000, "full")).start().await;
    let same = |text: &str| {
        // Ids and times differ from request to request.
        let events = text.split("data: ").map(|event| {
            let mut value: Value = serde_json::from_str(event.trim()).unwrap_or_default();
            if let Some(members) = value.as_object_mut() {
                members.retain(|name, _| !["id", "created"].contains(&name.as_str()));
            }
            (value, event.len())
        });
        events.collect::<Vec<_>>()
    };
    for frame in ["1", "7", "40", "4000"] {
        let request = || {
            chat_of("key-of-ann", 12, 12, true)
                .header("x-weir-frame-bytes", frame)
                .header("x-weir-reply-text", "Gr%C3%BC%C3%9Fe%2C%20%E4%BD%A0%E5%A5%BD")
        };
        let (plain, limited) = (without.send(request()).await, with.send(request()).await);
        assert_eq!(same(&plain.text()), same(&limited.text()), "frames of {frame}");
    }
    let asked = with
        .send(chat_of("key-of-ann", 12, 12, true).json(&json!({
            "model": LLAMA, "max_tokens": 12, "stream": true,
            "stream_options": {"include_usage": true},
            "messages": [{"role": "user", "content": "Hi"}],
        })))
        .await;
    assert!(asked.text().contains("\"usage\":{"), "{}", asked.text());
    with.assert_no_trap().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_that_a_client_leaves_is_charged_for_what_came() {
    let stack = limited(&day_of_tokens(100_000, "full")).start().await;
    let request = chat_of("key-of-ann", 500, 500, true).header("x-weir-frame-delay-ms", "20");
    let mut stream = stack.http.stream(stack.envoy.clients(), request).await.unwrap();
    let mut events = 0;
    while events < 10 {
        let (chunk, _) = stream.next().await.unwrap().unwrap();
        events += chunk.windows(6).filter(|bytes| bytes == b"data: ").count();
    }
    let (_, reserved) = stack.spent("day").await;
    assert!(reserved > 500.0, "{reserved}");
    drop(stream);
    let spent = stack.settled("day").await;
    assert!((10.0..200.0).contains(&spent), "{spent}");
    stack.assert_no_trap().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn errors_and_local_replies_are_charged_nothing_and_several_choices_all() {
    let stack = limited(&day_of_tokens(100_000, "full")).start().await;
    let failing = ann(40).header("x-weir-fail", "error500");
    let status = stack.send(failing).await.status;
    assert!(status >= 500, "{status}");
    let unknown = Request::post("/v1/chat/completions")
        .header("x-api-key", "key-of-ann")
        .json(&json!({"model": "nope", "messages": []}));
    assert_eq!(stack.send(unknown).await.status, 404);
    assert_eq!(stack.settled("day").await, 0.0);
    let three = Request::post("/v1/chat/completions")
        .header("x-api-key", "key-of-ann")
        .header("x-weir-output-tokens", "20")
        .json(&json!({"model": LLAMA, "n": 3, "max_tokens": 20,
            "messages": [{"role": "user", "content": "Hi"}]}));
    let reply = stack.send(three).await;
    assert_eq!(reply.json().unwrap()["choices"].as_array().unwrap().len(), 3);
    assert!((stack.settled("day").await - usage(&reply)).abs() < 1.0);
    stack.assert_no_trap().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_guardrail_blocks_is_charged_nothing_and_what_it_redacts_in_full() {
    let plan = limited(&day_of_tokens(100_000, "full")).edited(|config| {
        let rule = |action: &str, kind: &str| json!({"rules": [kind], "action": action});
        let rules = [rule("redact", "pii"), rule("block", "secrets")];
        settings(config, "weir.gateway")["guardrail"] =
            json!({"policies": {"default": {"rules": rules}}});
    });
    let stack = plan.start().await;
    let ask = |text: &str| {
        Request::post("/v1/chat/completions").header("x-api-key", "key-of-ann").json(&json!({
            "model": LLAMA, "max_tokens": 40, "messages": [{"role": "user", "content": text}],
        }))
    };
    let blocked = stack
        .send(ask("my key is AKIAIOSFODNN7EXAMPLF and ghp_1234567890abcdefghijABCDEFGHIJ123456"))
        .await;
    assert_eq!(blocked.status, 400, "{}", blocked.text());
    assert_eq!(stack.settled("day").await, 0.0);
    let answer = ask("Hi").header("x-weir-reply-text", "It%20is%20c%40d.com");
    let reply = stack.send(answer).await;
    assert!(reply.text().contains("[EMAIL]"), "{}", reply.text());
    let once = usage(&reply);
    assert!((stack.settled("day").await - once).abs() < 1.0);
    let stream = ask("Hi").header("x-weir-reply-text", "It%20is%20c%40d.com").json(&json!({
        "model": LLAMA, "max_tokens": 40, "stream": true,
        "messages": [{"role": "user", "content": "Hi"}],
    }));
    let reply = stack.send(stream).await;
    assert!(reply.text().contains("[EMAIL]") && !reply.text().contains("\"usage\":{"));
    assert!(reply.text().ends_with("data: [DONE]\n\n"), "{}", reply.text());
    assert!((stack.settled("day").await - 2.0 * once).abs() < 2.0);
    stack.assert_no_trap().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_forged_identity_is_nobodys_and_nobody_else_sees_the_limits() {
    let limits = json!([{"name": "r", "per": ["consumer"], "requests": 2, "window": "1d"}]);
    let stack = limited(&limits).start().await;
    for (forged, status) in [("bob", 200), ("cid", 200), ("dora", 429)] {
        assert_eq!(
            stack.send(ann(5).header("x-consumer", forged)).await.status,
            status,
            "{forged}"
        );
    }
    let unsigned = Request::get(LIMITS_PATH);
    let reply = stack.http.send(stack.envoy.intake(), unsigned).await.unwrap();
    assert_eq!(reply.status, 401, "{}", reply.text());
    let shown = stack.limits().await.to_string();
    assert!(!shown.contains("ann") && !stack.envoy.log().contains("key-of-ann"), "{shown}");
    assert_eq!(stack.spent("r").await.0, 2.0);
}
