//! `canary.yaml`.

use weir_harness::{HttpClient, Reply, Request};
use weir_replica::FailureMode;

use super::example;
use crate::stack::{Plan, Stack, chat, eventually};

fn request(model: &str, session: &str) -> Request {
    chat(model, "and then?").header("x-session-id", session)
}

/// On a connection of its own, so that either worker may get it.
async fn send(stack: &Stack, session: &str) -> Reply {
    let request = request("assistant", session);
    HttpClient::http1().send(stack.envoy.clients(), request).await.unwrap()
}

/// Sessions of the model's canary.
async fn of_canary(stack: &Stack, count: usize) -> Vec<String> {
    let mut found = Vec::new();
    for number in 0.. {
        let session = format!("session {number}");
        if stack.pool_of(&send(stack, &session).await) == "qwen" {
            found.push(session);
        }
        if found.len() == count {
            break;
        }
    }
    found
}

#[tokio::test(flavor = "multi_thread")]
async fn sessions_are_split_by_weight_and_each_stays_where_it_is_whichever_worker_serves_it() {
    let stack = example("canary").start().await;
    for (model, least, most) in [("assistant", 3, 20), ("compared", 35, 65)] {
        let mut canary = 0;
        for number in 0..100 {
            let session = format!("session {number}");
            let pools = [stack.send(request(model, &session)).await, {
                let http = HttpClient::http1();
                http.send(stack.envoy.clients(), request(model, &session)).await.unwrap()
            }]
            .map(|reply| stack.pool_of(&reply));
            assert!(pools[0] == pools[1] && pools[0] != "-", "{pools:?}");
            canary += usize::from(pools[0] == "qwen");
        }
        assert!((least..=most).contains(&canary), "{model}: {canary} of 100");
    }
    // What the client named stays its model's name; the replica is sent its own.
    let reply = stack.send(request("assistant", "session 1")).await;
    let echo = &reply.json().unwrap()["weir_echo"];
    assert_eq!(crate::stack::echoed(echo, "x-gateway-model-name"), "assistant");
    assert_eq!(stack.stat("weir_router_split_total").await, 401);
    stack.assert_no_trap().await;
}

/// The canary is probed sooner than shipped, and its failures are not so soon forgotten.
fn plan(probe_after: &str) -> Plan {
    let shipped = "{failures: 5, within: 10s, probe_after: 30s}";
    let canary = format!("{{failures: 5, within: 600s, probe_after: {probe_after}}}");
    example("canary").replace(shipped, &canary)
}

async fn fail(stack: &Stack, mode: FailureMode) {
    for replica in stack.qwen.replicas() {
        replica.set_failure(mode).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_canary_that_fails_loses_its_share_in_all_workers_and_gets_it_back_when_it_serves() {
    let stack = plan("1s").start().await;
    let sessions = of_canary(&stack, 2).await;
    fail(&stack, FailureMode::Error500).await;
    for _ in 0..5 {
        assert_eq!(send(&stack, &sessions[0]).await.status, 500);
    }
    for session in &sessions {
        let reply = send(&stack, session).await;
        assert_eq!((reply.status, stack.pool_of(&reply)), (200, "llama"));
    }
    assert_eq!(stack.stat("weir_router_split_cuts_total").await, 1);
    assert!(stack.envoy.log().contains("the share \"qwen2.5-7b-instruct\" of a split is cut"));
    fail(&stack, FailureMode::None).await;
    eventually("the canary has its share again", async || {
        let reply = send(&stack, &sessions[1]).await;
        assert_eq!(reply.status, 200);
        (stack.pool_of(&reply) == "qwen").then_some(())
    })
    .await;
    for session in &sessions {
        assert_eq!(stack.pool_of(&send(&stack, session).await), "qwen");
    }
    stack.assert_no_trap().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_canary_that_breaks_off_its_answers_or_is_gone_loses_its_share_too() {
    for (mode, status) in [(FailureMode::CutMidstream, 200), (FailureMode::Refuse, 503)] {
        let stack = plan("600s").start().await;
        let session = of_canary(&stack, 1).await.pop().unwrap();
        fail(&stack, mode).await;
        for _ in 0..5 {
            let reply = send(&stack, &session).await;
            assert_eq!((reply.status, reply.complete), (status, status != 200), "{mode:?}");
        }
        // The end of a response is told a little after its last byte.
        eventually("the share is cut", async || {
            let reply = send(&stack, &session).await;
            (stack.pool_of(&reply) == "llama").then_some(())
        })
        .await;
    }
}
