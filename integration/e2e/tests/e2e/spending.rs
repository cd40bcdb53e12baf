//! What consumers have spent, at the sidecar.

use serde_json::{Value, json};
use weir_harness::{Request, Sidecar};

use crate::envoy_config::settings;
use crate::stack::{LLAMA, Plan, QWEN, Stack, eventually};
use crate::token_limits::{ann, chat_of, usage};

/// `envoy-config/token-limits.yaml`, whose policy may name consumers.
fn shown(shows: bool) -> Plan {
    Plan::token_limits().edited(|config| {
        let limits = &mut settings(config, "weir.gateway")["token-limit"];
        limits["policies"]["default"]["show_consumers"] = json!(shows);
    })
}

async fn page(stack: &Stack, sidecar: &Sidecar, path: &str) -> String {
    let reply = stack.http.send(sidecar.address(), Request::get(path)).await.unwrap();
    assert_eq!(reply.status, 200, "{}", reply.text());
    reply.text()
}

/// Waits until the rows at `/usage` are as expected.
async fn rows(stack: &Stack, sidecar: &Sidecar, expected: &Value) -> Value {
    let what = format!("{expected} at /usage");
    eventually(&what, async || {
        let document: Value = serde_json::from_str(&page(stack, sidecar, "/usage").await).unwrap();
        (rounded(&document["usage"]) == rounded(expected)).then_some(document)
    })
    .await
}

/// Rows with costs to a millionth of a millionth: parsing may change the last bit.
fn rounded(rows: &Value) -> Value {
    let mut rows = rows.clone();
    for row in rows.as_array_mut().unwrap() {
        row["cost"] = json!((row["cost"].as_f64().unwrap() * 1e12).round());
    }
    rows
}

/// A row, from the usages that replicas told. The shipped prices: 0.5 and 1.5 a million, cached prompts 0.05.
fn row(consumer: Option<&str>, model: &str, usages: &[Value]) -> Value {
    let sum = |pointer: &str| {
        usages.iter().filter_map(|usage| usage.pointer(pointer)?.as_u64()).sum::<u64>()
    };
    let (prompt, completion) = (sum("/prompt_tokens"), sum("/completion_tokens"));
    let cached = sum("/prompt_tokens_details/cached_tokens");
    let cost = (prompt - cached) * 500 + cached * 50 + completion * 1_500;
    json!({"consumer": consumer, "model": model, "requests": usages.len(), "prompt_tokens": prompt,
        "cached_tokens": cached, "completion_tokens": completion, "reasoning_tokens": 0,
        "cost": cost as f64 / 1e9})
}

async fn ask(stack: &Stack, request: Request) -> Value {
    let reply = stack.send(request).await;
    assert!(reply.status == 200 && usage(&reply) > 0.0, "{}", reply.text());
    reply.json().unwrap()["usage"].clone()
}

/// The same of another model.
fn of_qwen(request: Request) -> Request {
    request.json(&json!({
        "model": QWEN, "max_tokens": 9, "messages": [{"role": "user", "content": "Hi"}],
    }))
}

#[tokio::test(flavor = "multi_thread")]
async fn the_sidecar_shows_what_each_consumer_spent_on_each_model_and_a_new_one_does_too() {
    let stack = shown(true).start().await;
    let mut sidecar = stack.sidecar().await;
    let first = [ask(&stack, ann(30)).await, ask(&stack, ann(20)).await];
    let bob = [ask(&stack, of_qwen(chat_of("key-of-bob", 9, 9, false))).await];
    // What took nothing is not there.
    let failing = of_qwen(ann(5)).header("x-weir-fail", "error500");
    assert!(stack.send(failing).await.status >= 500);
    let expected = json!([row(Some("ann"), LLAMA, &first), row(Some("bob"), QWEN, &bob)]);
    let document = rows(&stack, &sidecar, &expected).await;
    let since = document["gateways"][0]["counts_since_ms"].as_u64();
    assert!(since.is_some_and(|since| since > 1_600_000_000_000), "{document}");
    let csv = page(&stack, &sidecar, "/usage.csv").await;
    let line = format!("ann,{LLAMA},2,{},", expected[0]["prompt_tokens"]);
    assert!(csv.starts_with("consumer,model,requests,") && csv.contains(&line), "{csv}");
    // It is the gateway that counts: another sidecar is told all of it again.
    sidecar.restart().await.unwrap();
    rows(&stack, &sidecar, &expected).await;
    let more = [first[0].clone(), first[1].clone(), ask(&stack, ann(10)).await];
    let expected = json!([row(Some("ann"), LLAMA, &more), row(Some("bob"), QWEN, &bob)]);
    rows(&stack, &sidecar, &expected).await;
    stack.assert_no_trap().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_is_named_where_the_policy_does_not_say_so_and_streams_count() {
    let stack = shown(false).start().await;
    let sidecar = stack.sidecar().await;
    let usages =
        [ask(&stack, ann(30)).await, ask(&stack, chat_of("key-of-bob", 30, 30, false)).await];
    let streamed = stack.send(chat_of("key-of-bob", 30, 30, true)).await;
    assert!(streamed.complete && !streamed.text().contains("\"usage\":{"));
    // A stream of the same chat takes the same.
    let prompt: u64 = usages.iter().map(|usage| usage["prompt_tokens"].as_u64().unwrap()).sum();
    let expected = (Value::Null, json!(LLAMA), json!(3), json!(prompt * 3 / 2), json!(90));
    let document = eventually("three requests of nobody", async || {
        let text = page(&stack, &sidecar, "/usage").await;
        let document: Value = serde_json::from_str(&text).unwrap();
        let row = &document["usage"][0];
        let of = |name: &str| row[name].clone();
        let found = (
            of("consumer"),
            of("model"),
            of("requests"),
            of("prompt_tokens"),
            of("completion_tokens"),
        );
        (found == expected && document["usage"][1].is_null()).then_some(text)
    })
    .await;
    assert!(!document.contains("ann"), "{document}");
    assert!(!stack.envoy.log().contains("key-of-ann"));
    stack.assert_no_trap().await;
}
