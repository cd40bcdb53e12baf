//! What the workers of an Envoy know of each other's conversations, and of replicas that were restarted.

use serde_json::{Value, json};
use weir_harness::{HttpClient, Reply, Request};

use crate::stack::{LLAMA, Plan, Stack, eventually};

const MATCHED: &str = "weir_prefix_matched_tokens_total";

/// One turn of a conversation, on a connection of its own, so that either worker may get it. Answers with the prompt
/// tokens that were expected in the replica's cache, too.
async fn turn(stack: &Stack, messages: &[Value]) -> (Reply, u64) {
    let before = stack.stat(MATCHED).await;
    let body = json!({"model": LLAMA, "messages": messages});
    let request = Request::post("/v1/chat/completions").json(&body);
    let reply = HttpClient::http1().send(stack.envoy.clients(), request).await.unwrap();
    assert_eq!(reply.status, 200);
    (reply, stack.stat(MATCHED).await - before)
}

fn opening(name: &str) -> Vec<Value> {
    let words = format!("conversation {name}: {}", "about something else ".repeat(60));
    vec![json!({"role": "user", "content": words})]
}

fn goes_on(messages: &mut Vec<Value>, reply: &Reply) {
    let document = reply.json().unwrap();
    messages.push(document["choices"][0]["message"].clone());
    messages.push(json!({"role": "user", "content": "and then?"}));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_conversation_that_began_on_one_worker_is_placed_by_its_prefix_on_every_other() {
    for plan in Plan::both() {
        let stack = plan.long_fresh().start().await;
        assert_eq!(stack.push(|_, _| ()).await.status, 200);
        let mut messages = opening("one");
        let (reply, matched) = turn(&stack, &messages).await;
        assert_eq!(matched, 0, "nobody has seen it");
        let told =
            async || (stack.stat("weir_prefix_shares_total.what.told").await == 1).then_some(());
        eventually("the worker tells the others", told).await;
        goes_on(&mut messages, &reply);
        let home = reply.header("x-weir-replica").to_owned();
        // That one of two workers gets all of them by chance happens once in 32,000 runs.
        for attempt in 0..16 {
            let (reply, matched) = turn(&stack, &messages).await;
            assert!(matched > 200, "connection {attempt}: {matched}");
            assert_eq!(reply.header("x-weir-replica"), home);
        }
        assert!(stack.stat("weir_prefix_shares_total.what.taken").await > 0);
        assert_eq!(stack.stat("weir_undecodable_total").await, 0);
        stack.assert_no_trap().await;
    }
}

/// The generation of a replica, as the gateway shows it.
async fn generation(stack: &Stack, address: &str) -> Option<u64> {
    let view = stack.look().await.json().ok()?;
    let endpoints = view["pools"].as_array()?.iter().flat_map(|pool| pool["endpoints"].as_array());
    let found = endpoints.flatten().find(|endpoint| endpoint["address"] == address)?;
    found["generation"].as_u64()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replica_that_was_restarted_is_forgotten_by_every_worker() {
    let stack = Plan::quickstart().start().await;
    let _sidecar = stack.sidecar().await;
    for round in 0..5 {
        let mut messages = opening(&format!("{round}"));
        let (reply, _) = turn(&stack, &messages).await;
        goes_on(&mut messages, &reply);
        let home = reply.header("x-weir-replica").to_owned();
        let (_, matched) = turn(&stack, &messages).await;
        assert!(matched > 200, "round {round}: {matched}");

        let before = generation(&stack, &home).await;
        assert!(before.is_some());
        let replicas = stack.llama.replicas();
        replicas.iter().find(|replica| replica.address().to_string() == home).unwrap().restart();
        let changed = async || (generation(&stack, &home).await != before).then_some(());
        eventually("the sidecar notices the restart", changed).await;
        let (reply, matched) = turn(&stack, &messages).await;
        assert_eq!(matched, 0, "round {round}");
        let cached = &reply.json().unwrap()["usage"]["prompt_tokens_details"]["cached_tokens"];
        assert_eq!(cached.as_u64().unwrap_or(0), 0, "the replica is empty");
    }
    stack.assert_no_trap().await;
}
