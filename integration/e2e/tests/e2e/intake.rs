//! What the intake listener takes and what it refuses.

use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};
use weir_harness::{HttpClient, Reply, Request};
use weir_snapshot::signature::{BodyDigest, CHALLENGE_HEADER, HEADER, PATH, challenge, sign_push};

use crate::stack::{KEY, Plan, Stack, look_at};

fn body(epoch: u64, sequence: u64) -> String {
    body_of("llama", (epoch, sequence), 0)
}

fn body_of(pool: &str, (epoch, sequence): (u64, u64), sender: u64) -> String {
    json!({
        "version": 2, "pool": pool, "epoch": epoch, "sequence": sequence, "sender": sender,
        "endpoints": [{"address": "127.0.0.1:9", "state": "ready", "age_ms": 1, "waiting": 3}],
    })
    .to_string()
}

fn assert_refused(reply: &Reply, status: u16, part: &str) {
    let document = reply.json().unwrap();
    let error = &document["error"];
    assert_eq!(reply.status, status, "{document}");
    assert!(error["code"].is_string() && error["message"].is_string(), "{document}");
    assert!(document.to_string().contains(part), "{document} lacks {part}");
    assert_eq!(reply.header("content-type"), "application/json");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_snapshot_must_be_signed_whole_and_newer() {
    let stack = Plan::quickstart()
        .replace(
            "signing_key_env: WEIR_INTAKE_KEY}",
            "signing_key_env: WEIR_INTAKE_KEY, max_body_bytes: 4000}",
        )
        .start()
        .await;
    let signed = async |body: &str| stack.push_body(body).await;
    let unsigned = Request::post(PATH).body(body(1, 1));
    let unsigned = stack.http.send(stack.envoy.intake(), unsigned).await.unwrap();
    assert_refused(&unsigned, 401, "missing");
    assert_refused(&signed("{").await, 400, "malformed");
    let challenge = stack.challenge();
    let wrong = stack.post(&body(1, 1), &challenge, "another key of at least 16 bytes").await;
    assert_refused(&wrong, 401, "match");
    let of_another = sign_push(KEY.as_bytes(), &challenge, BodyDigest::of(body(1, 2).as_bytes()));
    let of_another = Request::post(PATH)
        .header(HEADER, of_another)
        .header(CHALLENGE_HEADER, &challenge)
        .body(body(1, 1));
    let of_another = stack.http.send(stack.envoy.intake(), of_another).await.unwrap();
    assert_refused(&of_another, 401, "match");
    assert_refused(
        &signed(&body(1, 1).replace("127.0.0.1:9", "not an address")).await,
        400,
        "endpoints[0].address",
    );
    assert_refused(
        &signed(&body(1, 1).replace("\"version\":2", "\"version\":9")).await,
        400,
        "version",
    );
    assert_refused(&signed(&" ".repeat(5000)).await, 413, "4000");
    assert_eq!(signed(&body(5, 5)).await.status, 200);
    for (epoch, sequence) in [(5, 5), (5, 4), (4, 99)] {
        assert_refused(&signed(&body(epoch, sequence)).await, 409, "out_of_order");
    }
    let other = signed(&body_of("llama", (5, 9), 7)).await;
    assert_refused(&other, 409, "\"held\":{\"epoch\":5,\"sender\":0,\"sequence\":5}");
    let accepted = signed(&body(6, 1)).await.json().unwrap();
    assert_eq!((&accepted["accepted"], &accepted["sequence"]), (&json!(true), &json!(1)));
    assert_view(&stack).await;
    assert_eq!(stack.stat("weir_intake_accepted_total").await, 2);
}

async fn assert_view(stack: &Stack) {
    let view = stack.look().await;
    assert_eq!(view.status, 200);
    let text = view.text();
    let parsed: Value = view.json().unwrap();
    assert!(text.contains("llama") && text.contains("127.0.0.1:9"), "{text}");
    assert!(!text.contains(KEY) && !parsed.is_null());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_look_must_be_signed_and_of_now() {
    let stack = Plan::quickstart().start().await;
    assert_eq!(stack.push_body(&body(1, 1)).await.status, 200);
    let send =
        async |request: Request| stack.http.send(stack.envoy.intake(), request).await.unwrap();
    assert_refused(&send(Request::get(PATH)).await, 401, "missing");
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    for (time, part) in [(now - 60, "expired"), (now + 60, "expired")] {
        assert_refused(&send(look_at(time)).await, 401, part);
    }
    assert_view(&stack).await;
    assert_eq!(stack.stat("weir_intake_looks_refused_total").await, 3);
    let log = stack.envoy.log();
    assert!(log.contains("weir.intake: refused (Unsigned)"), "{log}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_pushed_before_envoy_was_restarted_is_worth_nothing_after() {
    let before = Plan::quickstart().start().await;
    assert_eq!(before.push_body(&body(7, 7)).await.status, 200);
    let (captured, old) = (body(7, 7), before.challenge());
    drop(before);
    let after = Plan::quickstart().start().await;
    assert_refused(&after.post(&captured, &old, KEY).await, 401, "\"code\":\"challenge\"");
    // A challenge of the attacker's own making is no better, and cannot be signed.
    assert_refused(&after.post(&captured, &challenge(5), KEY).await, 401, "challenge");
    assert_eq!(after.look().await.text(), r#"{"pools":[]}"#);
    assert_eq!(after.push_body(&body(1, 1)).await.status, 200);
    assert_eq!(after.stat("weir_intake_refused_total").await, 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn both_workers_ask_for_the_same_challenge_and_take_pushes_in_turn() {
    let stack = Plan::quickstart().start().await;
    assert_eq!(stack.push_body(&body(1, 1)).await.status, 200);
    let challenge = stack.challenge();
    for sequence in 2..20 {
        // Connections of their own, so that both workers get some.
        let client = HttpClient::http1();
        let body = body(1, sequence);
        let signed = sign_push(KEY.as_bytes(), &challenge, BodyDigest::of(body.as_bytes()));
        let request = Request::post(PATH)
            .header(HEADER, signed)
            .header(CHALLENGE_HEADER, &challenge)
            .body(body);
        let reply = client.send(stack.envoy.intake(), request).await.unwrap();
        assert_eq!(reply.status, 200, "{}", reply.text());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn more_pool_names_than_there_are_slots_over_a_lifetime_are_no_problem() {
    let stack = Plan::quickstart().long_fresh().start().await;
    for index in 0..256 {
        let reply = stack.push_body(&body_of(&format!("old-{index}"), (1, 1), 0)).await;
        assert_eq!(reply.status, 200, "{index}: {}", reply.text());
    }
    // A pool is given up once it has not been pushed for two seconds.
    tokio::time::sleep(std::time::Duration::from_millis(2100)).await;
    assert_eq!(stack.push(|_, _| ()).await.status, 200);
    let reply = stack.send(crate::stack::chat(crate::stack::LLAMA, "x")).await;
    assert_eq!((reply.status, stack.pool_of(&reply)), (200, "llama"));
    assert_eq!(stack.stat("weir_picks_total.basis.load").await, 1);
    let view = stack.look().await.json().unwrap();
    let pools = view["pools"].as_array().unwrap();
    assert!(pools.len() == 256 && pools.iter().any(|pool| pool["pool"] == "llama"));
    stack.assert_no_trap().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_push_of_version_1_is_answered_and_logged_with_what_to_update() {
    let stack = Plan::quickstart().start().await;
    let old = body(1, 1).replace("\"version\":2", "\"version\":1").replace("\"sender\":0,", "");
    let request = Request::post(PATH).header(HEADER, "sha256=of the body alone").body(old);
    let reply = stack.http.send(stack.envoy.intake(), request).await.unwrap();
    assert_refused(&reply, 400, "update weir-sidecar");
    let log = stack.envoy.log();
    assert!(log.contains("weir.intake: refused (UnknownVersion)"), "{log}");
    assert!(log.contains("update weir-sidecar"), "{log}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_reply_names_the_pools_of_the_policies_of_this_vm() {
    for plan in Plan::both() {
        let stack = plan.start().await;
        let reply = stack.push(|_, _| ()).await.json().unwrap();
        assert_eq!(reply["pools"], json!(["llama", "qwen"]), "{reply}");
        assert!(reply["unpushed"].as_array().unwrap().contains(&json!("qwen")), "{reply}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn other_paths_and_methods_are_refused() {
    let stack = Plan::quickstart().start().await;
    let send =
        async |request: Request| stack.http.send(stack.envoy.intake(), request).await.unwrap();
    assert_refused(&send(Request::get("/")).await, 404, "not_found");
    assert_refused(&send(Request::post("/v1/chat/completions").body("{}")).await, 404, "path");
    let put = Request::new("PUT".parse().unwrap(), PATH).body("{}");
    assert_refused(&send(put).await, 405, "method");
    assert_refused(&send(Request::post(PATH)).await, 401, "missing");
}
