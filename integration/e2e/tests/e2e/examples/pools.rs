//! Where requests go: `lora.yaml`, `realtime-batch.yaml`, `original-dst.yaml`, `resilience.yaml`, `fallback-model.yaml`,
//! `fallback-pool.yaml`.

use std::collections::BTreeSet;
use std::fs;

use serde_json::{Value, json};
use weir_harness::{HttpClient, Request, workspace};
use weir_replica::FailureMode;

use super::example;
use crate::consumers::models;
use crate::stack::{LLAMA, QWEN, Stack, chat, echoed, eventually};

/// The pool that serves a request, and the request as it came there.
async fn served(stack: &Stack, request: Request) -> (&'static str, Value) {
    let reply = stack.send(request).await;
    assert_eq!(reply.status, 200, "{}", reply.text());
    (stack.pool_of(&reply), reply.json().unwrap()["weir_echo"].clone())
}

fn sidecar_file(name: &str) -> String {
    let path = format!("envoy-config/examples/sidecar/{name}.yaml");
    fs::read_to_string(workspace::file(path)).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn adapters_are_served_by_their_base_models_replicas_under_the_names_that_clients_know() {
    let stack = example("lora").start().await;
    for (name, sent) in [
        (LLAMA, LLAMA),
        ("sql-expert", "sql-expert"),
        ("sql", "sql-expert"),
        ("lora/sql-expert", "sql-expert"),
    ] {
        let (pool, echo) = served(&stack, chat(name, "x")).await;
        let body: Value = serde_json::from_str(echo["body"].as_str().unwrap()).unwrap();
        assert_eq!((pool, body["model"].as_str()), ("llama", Some(sent)), "{name}");
        assert_eq!(echoed(&echo, "x-gateway-base-model-name"), LLAMA);
    }
    // The replica says what it lacks.
    assert_eq!(stack.send(chat("lora/none", "x")).await.status, 404);
    let list = models(&stack, Request::get("/v1/models")).await;
    assert_eq!(list, [LLAMA, "sql", "sql-expert"]);
    let _sidecar = stack.sidecar().await;
    let reply = stack.send(chat("sql", "x")).await;
    assert_eq!(reply.status, 200);
    stack.assert_no_trap().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn batch_goes_to_its_own_pool_by_path_header_or_size_and_takes_so_many_requests_at_a_time() {
    let plan = example("realtime-batch").any_model().replace("concurrent: 16", "concurrent: 1");
    let stack = plan.start().await;
    let _sidecar = stack.sidecar_with(&sidecar_file("realtime-batch")).await;
    let small = || chat(LLAMA, "x");
    assert_eq!(served(&stack, small()).await.0, "llama");
    assert_eq!(served(&stack, small().header("x-workload", "batch")).await.0, "qwen");
    assert_eq!(served(&stack, chat(LLAMA, &"long ".repeat(60_000))).await.0, "qwen");
    let document = json!({"model": LLAMA, "messages": [{"role": "user", "content": "x"}]});
    let by_path = Request::post("/batch/v1/chat/completions").header("x-weir-echo", "1");
    let (pool, echo) = served(&stack, by_path.json(&document)).await;
    assert_eq!((pool, echo["path"].as_str()), ("qwen", Some("/v1/chat/completions")));
    let forged = small().header("x-gateway-base-model-name", "batch");
    assert_eq!(served(&stack, forged).await.0, "llama");
    assert_eq!(stack.send(Request::get("/batch/else")).await.status, 404);
    // One that goes on, and then another: batch is full, and the others do not notice.
    let stream = json!({"model": LLAMA, "stream": true, "messages": []});
    let slow = Request::post("/v1/chat/completions").header("x-workload", "batch").json(&stream);
    let slow = slow.header("x-weir-frame-bytes", "16").header("x-weir-frame-delay-ms", "50");
    let under_way = stack.http.stream(stack.envoy.clients(), slow).await.unwrap();
    assert_eq!(under_way.status, 200);
    assert_eq!(stack.send(small().header("x-workload", "batch")).await.status, 429);
    assert_eq!(served(&stack, small()).await.0, "llama");
    assert!(under_way.collect().await.complete);
    eventually("there is room again", async || {
        let reply = stack.send(small().header("x-workload", "batch")).await;
        (reply.status == 200).then_some(())
    })
    .await;
    stack.assert_no_trap().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_original_dst_cluster_dials_the_one_endpoint_that_was_picked_and_none_of_a_clients() {
    let stack = example("original-dst").start().await;
    assert_eq!(stack.send(chat(LLAMA, "x")).await.status, 503, "nothing is known yet");
    let _sidecar = stack.sidecar().await;
    for (model, pool) in [(LLAMA, "llama"), (QWEN, "qwen")] {
        for number in 0..8 {
            // An address at which nobody would answer.
            let request = chat(model, &number.to_string());
            let request = request.header("x-gateway-destination-endpoint", "127.0.0.1:1");
            let reply = stack.send(request).await;
            assert_eq!((reply.status, stack.pool_of(&reply)), (200, pool), "{}", reply.text());
            let echo = &reply.json().unwrap()["weir_echo"];
            let list = echoed(echo, "x-gateway-destination-endpoint");
            assert_eq!(list, reply.header("x-weir-replica"));
        }
    }
    stack.assert_no_trap().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_fails_before_anything_has_gone_out_is_served_by_the_next_endpoint_large_bodies_too() {
    let per_try = ("per_try_timeout: 60s", "per_try_timeout: 1s");
    let stack = example("resilience").replace(per_try.0, per_try.1).long_fresh().start().await;
    assert_eq!(stack.push(|_, _| ()).await.status, 200);
    let large = "a long text ".repeat(300_000);
    for mode in [FailureMode::Error500, FailureMode::Refuse, FailureMode::Reset] {
        for replica in &stack.llama.replicas()[..2] {
            replica.set_failure(mode).await;
        }
        for text in ["x", &large] {
            let reply = stack.send(chat(LLAMA, text)).await;
            assert_eq!(reply.status, 200, "{mode:?}: {}", reply.text());
            assert_eq!(reply.header("x-weir-replica"), stack.llama(2).to_string());
        }
    }
    // A stream whose first token does not come goes on, too, where the client says that it streams.
    for replica in &stack.llama.replicas()[..2] {
        replica.set_failure(FailureMode::Hang).await;
    }
    let stream = json!({"model": LLAMA, "stream": true, "messages": []});
    let request = Request::post("/v1/chat/completions").header("accept", "text/event-stream");
    let reply = stack.send(request.json(&stream)).await;
    assert_eq!((reply.status, reply.complete), (200, true), "{}", reply.text());
    assert!(reply.text().ends_with("data: [DONE]\n\n"));
}

#[tokio::test(flavor = "multi_thread")]
async fn another_model_serves_where_all_replicas_of_the_one_asked_for_fail() {
    let stack = example("fallback-model").start().await;
    let _sidecar = stack.sidecar().await;
    let ask = async |text: &str| {
        let reply = stack.send(chat(LLAMA, text)).await;
        assert_eq!(reply.status, 200, "{}", reply.text());
        let echo = reply.json().unwrap()["weir_echo"].clone();
        let body: Value = serde_json::from_str(echo["body"].as_str().unwrap()).unwrap();
        assert_eq!(body["messages"][0]["content"], text);
        (stack.pool_of(&reply), body["model"].as_str().unwrap().to_owned())
    };
    assert_eq!(ask("x").await, ("llama", LLAMA.to_owned()));
    // All fail before they answer, two by an error and one by a refused connection.
    for (replica, failure) in stack.llama.replicas().iter().zip([
        FailureMode::Error500,
        FailureMode::Error500,
        FailureMode::Refuse,
    ]) {
        replica.set_failure(failure).await;
    }
    for text in ["y".to_owned(), "long ".repeat(600_000)] {
        assert_eq!(ask(&text).await, ("qwen", QWEN.to_owned()), "{}", text.len());
    }
    // Trailers come after the last of the body that a filter is shown.
    let trailing = chat(LLAMA, "z").trailer("x-after", "1");
    let reply = HttpClient::http2().send(stack.envoy.clients(), trailing).await.unwrap();
    let body = reply.json().unwrap()["weir_echo"]["body"].clone();
    assert!(reply.status == 200 && body.as_str().unwrap().contains(QWEN), "{}", reply.text());
    let document =
        json!({"model": LLAMA, "stream": true, "messages": [{"role": "user", "content": "x"}]});
    let stream = stack.send(Request::post("/v1/chat/completions").json(&document)).await;
    assert_eq!((stream.status, stream.complete, stack.pool_of(&stream)), (200, true, "qwen"));
    assert!(stream.text().contains(QWEN), "{}", stream.text());
    eventually("the count", async || {
        (stack.stat("weir_attempts_renamed_total.done.yes").await >= 3).then_some(())
    })
    .await;
    let asked_for = stack.send(chat(QWEN, "x")).await;
    assert_eq!((asked_for.status, stack.pool_of(&asked_for)), (200, "qwen"));
    stack.assert_no_trap().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_second_private_pool_serves_what_the_first_cannot_and_there_is_no_third() {
    let stack = example("fallback-pool").any_model().start().await;
    let _sidecar = stack.sidecar_with(&sidecar_file("fallback-pool")).await;
    let ask = async |number: usize| stack.send(chat(LLAMA, &number.to_string())).await;
    let mut homes = BTreeSet::new();
    for number in 0..12 {
        let reply = ask(number).await;
        assert_eq!((reply.status, stack.pool_of(&reply)), (200, "llama"), "{}", reply.text());
        let echo = &reply.json().unwrap()["weir_echo"];
        let list = echoed(echo, "x-gateway-destination-endpoint");
        assert_eq!(list.split(',').next().unwrap(), reply.header("x-weir-replica"), "{list}");
        homes.insert(reply.header("x-weir-replica").to_owned());
    }
    assert!(homes.len() > 1, "{homes:?}");
    for replica in stack.llama.replicas() {
        replica.set_failure(FailureMode::Refuse).await;
    }
    for number in 0..6 {
        let reply = ask(number).await;
        assert_eq!((reply.status, stack.pool_of(&reply)), (200, "qwen"), "{}", reply.text());
    }
    for replica in stack.qwen.replicas() {
        replica.set_failure(FailureMode::Refuse).await;
    }
    let reply = ask(0).await;
    assert_eq!((reply.status, stack.pool_of(&reply)), (503, "-"), "{}", reply.text());
    stack.assert_no_trap().await;
}
