//! Sidecar and replicas that die, refuse, or break off.

use std::time::Duration;

use serde_json::{Value, json};
use weir_harness::Request;
use weir_replica::FailureMode;

use crate::stack::{LLAMA, Plan, Stack, chat, eventually};

/// Epoch and sequence of pool `llama` as the filters know them.
async fn version(stack: &Stack) -> (u64, u64) {
    let view = stack.look().await.json().unwrap();
    let pools = view["pools"].as_array().cloned().unwrap_or_default();
    let pool = pools.into_iter().find(|pool| pool["pool"] == "llama").unwrap_or_default();
    (pool["epoch"].as_u64().unwrap_or(0), pool["sequence"].as_u64().unwrap_or(0))
}

async fn assert_served(stack: &Stack, count: usize) {
    for index in 0..count {
        let reply = stack.send(chat(LLAMA, &format!("question {index}"))).await;
        assert_eq!(reply.status, 200, "{}", reply.text());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_go_on_without_the_sidecar_and_its_successor_is_believed() {
    let stack = Plan::quickstart().start().await;
    let mut sidecar = stack.sidecar().await;
    assert_served(&stack, 5).await;
    let first = version(&stack).await;
    assert!(first.0 > 0 && first.1 > 0, "{first:?}");
    sidecar.process().kill();
    let last = version(&stack).await;
    assert_served(&stack, 5).await;
    // Longer than `fresh_ms`: now the picker works from stale data.
    tokio::time::sleep(Duration::from_millis(1200)).await;
    assert_served(&stack, 5).await;
    sidecar.restart().await.unwrap();
    let renewed = async || Some(version(&stack).await).filter(|now| now.0 > last.0);
    let now = eventually("a push by the new sidecar", renewed).await;
    assert!(now.0 > last.0, "{now:?} after {last:?}");
    assert_served(&stack, 5).await;
    stack.assert_no_trap().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn when_the_chosen_replica_refuses_the_next_of_the_list_answers() {
    for plan in Plan::both() {
        assert_next_answers(plan.long_fresh().start().await).await;
    }
}

async fn assert_next_answers(stack: Stack) {
    assert_eq!(stack.push(|_, _| ()).await.status, 200);
    let question = chat(LLAMA, &"the same long beginning ".repeat(50));
    let home = stack.send(question.clone()).await.header("x-weir-replica").to_owned();
    let replicas = stack.llama.replicas();
    let chosen = replicas.iter().find(|replica| replica.address().to_string() == home).unwrap();
    chosen.set_failure(FailureMode::Refuse).await;
    // The view still calls it ready, so it stays the first of the list.
    for _ in 0..10 {
        let reply = stack.send(question.clone()).await;
        assert_eq!(reply.status, 200, "{}", reply.text());
        assert_ne!(reply.header("x-weir-replica"), home);
    }
    stack.wait_for_in_flight(0).await;
    assert!(stack.stat("cluster.llama.upstream_rq_retry_success").await > 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reply_that_breaks_off_is_an_error_for_the_client_and_leaves_nothing_in_flight() {
    for plan in Plan::both() {
        assert_breaking_off_is_booked(plan.long_fresh().start().await).await;
    }
}

async fn assert_breaking_off_is_booked(stack: Stack) {
    assert_eq!(stack.push(|_, _| ()).await.status, 200);
    let body = |stream: bool| json!({"model": LLAMA, "stream": stream, "messages": []});
    for stream in [true, false] {
        let request = Request::post("/v1/chat/completions").json(&body(stream));
        let reply = stack.send(request.header("x-weir-fail", "cut_midstream")).await;
        assert!(!reply.complete, "stream {stream}: {reply:?}");
    }
    stack.wait_for_in_flight(0).await;
    assert_served(&stack, 3).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_burst_is_served_while_a_replica_refuses_and_no_data_says_so() {
    for plan in Plan::both() {
        let stack = plan.start().await;
        stack.llama.replicas().last().unwrap().set_failure(FailureMode::Refuse).await;
        let ask = |index: usize| {
            let (http, address) = (stack.http.clone(), stack.envoy.clients());
            let request = chat(LLAMA, &format!("question {index}"));
            tokio::spawn(async move { http.send(address, request).await.unwrap().status })
        };
        for client in (0..90).map(ask).collect::<Vec<_>>() {
            assert_eq!(client.await.unwrap(), 200);
        }
        assert!(stack.stat("cluster.llama.upstream_rq_retry_success").await > 0);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_in_flight_are_counted_until_their_clients_leave() {
    let stack = Plan::quickstart().long_fresh().start().await;
    assert_eq!(stack.push(|_, _| ()).await.status, 200);
    let hanging = |index: usize| {
        let (http, address) = (stack.http.clone(), stack.envoy.clients());
        let request = chat(LLAMA, &format!("{index}")).header("x-weir-fail", "hang");
        tokio::spawn(async move { http.send(address, request).await })
    };
    let clients: Vec<_> = (0..5).map(hanging).collect();
    stack.wait_for_in_flight(5).await;
    clients.iter().for_each(tokio::task::JoinHandle::abort);
    stack.wait_for_in_flight(0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn errors_of_a_replica_reach_the_client_as_they_are() {
    let stack = Plan::quickstart().start().await;
    let reply = stack.send(chat(LLAMA, "x").header("x-weir-fail", "error500")).await;
    assert_eq!(reply.status, 500);
    assert_eq!(reply.json().unwrap()["error"]["type"], "InternalServerError");
    assert_ne!(reply.json().unwrap()["error"]["code"], Value::Null);
}
