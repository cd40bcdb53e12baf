//! Something less in place of a queue: `envoy-config/degrade.yaml` in real Envoy.

use std::time::Duration;

use serde_json::{Value, json};
use tokio::task::JoinSet;
use weir_harness::{HttpClient, Reply, Request};
use weir_replica::Timing;

use crate::stack::{LLAMA, Plan, QWEN, Stack, chat, eventually};

fn degrading() -> Plan {
    Plan::shipped("envoy-config/degrade.yaml")
}

/// Pushes views in which so many wait at each replica of the two pools.
async fn push(stack: &Stack, llama: u32, qwen: u32) {
    let pools = [("llama", llama, &stack.llama), ("qwen", qwen, &stack.qwen)];
    for (pool, waiting, fleet) in pools {
        let endpoints = fleet.replicas().iter().map(|replica| {
            json!({
                "address": replica.address().to_string(), "state": "ready", "age_ms": 5,
                "waiting": waiting, "running": 0, "kv_cache_use": 0.1,
            })
        });
        let endpoints: Vec<Value> = endpoints.collect();
        let pushed = stack.push_pool(pool, &endpoints).await;
        assert_eq!(pushed.status, 200, "{}", pushed.text());
    }
}

/// Asks with these views pushed anew each time, until the answer is as `fits` wants it: each worker looks every 50 ms.
async fn until(
    stack: &Stack,
    (llama, qwen): (u32, u32),
    model: &str,
    fits: impl Fn(&Reply) -> bool,
) -> Reply {
    let what = format!("{model} with queues of {llama} and {qwen}");
    eventually(&what, async || {
        push(stack, llama, qwen).await;
        let reply = stack.send(chat(model, "Hello")).await;
        fits(&reply).then_some(reply)
    })
    .await
}

/// The pool that serves once the worker knows of such a queue: its last look is older than 50 ms then.
async fn settled(stack: &Stack, queue: u32) -> &'static str {
    push(stack, queue, 0).await;
    tokio::time::sleep(Duration::from_millis(60)).await;
    stack.pool_of(&stack.send(chat(LLAMA, "Hello")).await)
}

#[tokio::test(flavor = "multi_thread")]
async fn while_a_pool_is_saturated_the_smaller_model_serves_until_it_has_room_again() {
    let stack = degrading().one_worker().prompt_access_log().start().await;
    let in_pool = |pool: &'static str| {
        let stack = &stack;
        move |reply: &Reply| reply.status == 200 && stack.pool_of(reply) == pool
    };
    let reply = until(&stack, (0, 0), LLAMA, in_pool("llama")).await;
    assert_eq!(reply.header("x-weir-degraded"), "");

    let reply = until(&stack, (5, 0), LLAMA, in_pool("qwen")).await;
    assert_eq!(reply.header("x-weir-degraded"), format!("model={QWEN}"));
    let echo = reply.json().unwrap()["weir_echo"]["body"].as_str().unwrap().to_owned();
    assert_eq!(serde_json::from_str::<Value>(&echo).unwrap()["model"], QWEN);
    // Who waits for the larger one gets it.
    assert_eq!(stack.pool_of(&stack.send(chat("llama-patient", "Hello")).await), "llama");

    // Between the marks the state is what it was: saturated still, and then not. A worker that is not asked for a
    // second forgets it, so this is tried again.
    eventually("a pool stays saturated above its lower mark", async || {
        until(&stack, (5, 0), LLAMA, in_pool("qwen")).await;
        (settled(&stack, 3).await == "qwen").then_some(())
    })
    .await;
    until(&stack, (2, 0), LLAMA, in_pool("llama")).await;
    assert_eq!(settled(&stack, 4).await, "llama");
    until(&stack, (5, 0), LLAMA, in_pool("qwen")).await;

    // Both: nothing is gained by the other, and its own requests are told to come back.
    let reply = until(&stack, (5, 5), LLAMA, in_pool("llama")).await;
    assert_eq!(reply.header("x-weir-degraded"), "");
    let reply = until(&stack, (5, 5), QWEN, |reply| reply.status == 429).await;
    assert_eq!(reply.header("retry-after-ms"), "2000");
    assert_eq!((reply.header("retry-after"), reply.header("x-weir-degraded")), ("2", "reply"));
    let error = &reply.json().unwrap()["error"];
    assert_eq!(
        (&error["code"], &error["type"]),
        (&json!("overloaded"), &json!("rate_limit_error"))
    );
    assert!(error["message"].as_str().unwrap().starts_with("All models are busy"), "{error}");

    let to_model = "weir_router_degraded_total.to.model.pool.llama";
    assert!(stack.stat(to_model).await > 0 && stack.stat("degraded_total.to.reply").await > 0);
    let log = stack.envoy.log();
    assert!(log.contains("pool \"llama\" is saturated, and the model"), "{log}");
    eventually("the access log says why", async || {
        let log = stack.envoy.log();
        let said = |decision: &str| log.contains(&format!("\"decision\":\"{decision}\""));
        (said(&format!("saturated={QWEN}")) && said("saturated=reply")).then_some(())
    })
    .await;
    stack.assert_no_trap().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn another_pool_serves_the_same_model_and_nothing_is_told_unless_a_policy_says_so() {
    let rule = "when_saturated: {model: qwen2.5-7b-instruct, enter: 1, leave: 0.6}";
    let pool = "when_saturated: {pool: qwen, enter: 0.5}";
    let plan =
        degrading().replace(rule, pool).replace("show_degraded: true", "show_degraded: false");
    let stack = plan.one_worker().start().await;
    let served = |reply: &Reply| stack.pool_of(reply) == "qwen";
    let reply = until(&stack, (3, 0), LLAMA, served).await;
    // The name stays; qwen's replicas, which do not know it, say so.
    assert_eq!((reply.status, reply.header("x-weir-degraded")), (404, ""));
    assert!(reply.text().contains(LLAMA), "{}", reply.text());
    assert!(stack.stat("weir_router_degraded_total.to.pool.pool.llama").await > 0);
    assert_eq!(stack.stat("weir_picks_ignored_total").await, 0);
}

/// Where a short answer comes from; `None` while it waits in a queue.
async fn asked(stack: &Stack) -> Option<&'static str> {
    let body = json!({
        "model": LLAMA, "max_tokens": 1, "messages": [{"role": "user", "content": "Hello"}],
    });
    let request = Request::post("/v1/chat/completions").json(&body);
    let client = HttpClient::http1();
    let reply = client.send(stack.envoy.clients(), request);
    let reply = tokio::time::timeout(Duration::from_secs(3), reply).await.ok()?.unwrap();
    Some(stack.pool_of(&reply))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_queue_that_the_sidecar_has_measured_degrades_and_its_end_does_not_linger() {
    let plan = degrading().replicas(|settings| {
        settings.max_running = 1;
        settings.output_tokens = 100_000;
        settings.timing = Timing {
            overhead: Duration::ZERO,
            prefill_token: Duration::ZERO,
            decode_token: Duration::from_millis(10),
            ..Timing::default()
        };
    });
    let stack = plan.start().await;
    let _sidecar = stack.sidecar().await;
    let serves = async |pool: &str| (asked(&stack).await == Some(pool)).then_some(());
    eventually("the larger model serves", async || serves("llama").await).await;

    // Eight streams without an end at each replica: one is served, and seven wait.
    let mut streams: JoinSet<()> = JoinSet::new();
    for index in 0..24 {
        let body = json!({
            "model": LLAMA, "stream": true, "messages": [{"role": "user", "content": "on and on"}],
        });
        let request = Request::post("/v1/chat/completions").json(&body);
        let address = stack.llama(index % 3);
        // The client gives up after a while; a slow machine may need longer.
        streams.spawn(async move {
            loop {
                let _ = HttpClient::http1().send(address, request.clone()).await;
            }
        });
    }
    eventually("the smaller model serves", async || serves("qwen").await).await;
    streams.abort_all();
    eventually("the larger model serves again", async || serves("llama").await).await;
    stack.assert_no_trap().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_done_keeps_envoy_from_starting_and_is_named_with_its_place() {
    let place = "policies.default.models[0].when_saturated";
    for (written, expected) in [
        ("{model: no-such-model}", ".model: \"no-such-model\" matches none of the policy's models"),
        ("{pool: no-such-pool}", ".pool: \"no-such-pool\" is the pool of none"),
        ("{model: llama-patient}", ".model: \"llama-patient\" is served by the same pool"),
        ("{model: llama-3.1-8b-instruct}", ".model: \"llama-3.1-8b-instruct\" leads back here"),
    ] {
        let rule = "{model: qwen2.5-7b-instruct, enter: 1, leave: 0.6}";
        let refused = degrading().replace(rule, written).try_start().await;
        let error = refused.err().unwrap_or_else(|| panic!("{written} was taken")).to_string();
        assert!(error.contains(&format!("{place}{expected}")), "{error}");
    }
}
