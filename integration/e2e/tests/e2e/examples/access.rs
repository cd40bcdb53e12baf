//! Who may use what: `jwt.yaml`, `api-keys.yaml`, `ip-allow.yaml`, `rbac.yaml`.

use serde_json::json;
use weir_harness::Request;

use super::example;
use crate::consumers::{models, signed};
use crate::stack::{LLAMA, Plan, QWEN, Stack, chat};

async fn status(stack: &Stack, request: Request) -> u16 {
    stack.send(request).await.status
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tokens_claim_says_which_models_its_bearer_may_use_and_sees() {
    let stack = example("jwt").start().await;
    let token = |claims: serde_json::Value, audience: &str, key: &[u8]| {
        let mut all =
            json!({"iss": "https://idp.example.com", "aud": audience, "exp": 4_000_000_000_u64});
        all.as_object_mut().unwrap().extend(claims.as_object().unwrap().clone());
        format!("Bearer {}", signed(&all, "try", key))
    };
    let key = b"a key to try it with, 32 bytes!!";
    let ask = |model: &str, bearer: &str| chat(model, "x").header("authorization", bearer);
    for (claims, status_of_qwen) in [
        (json!({"team": "research", "sub": "ann"}), 200),
        (json!({"sub": "service-7"}), 200),
        (json!({"team": "sales", "sub": "service-7"}), 404),
        (json!({"sub": "bob"}), 404),
        (json!({"team": ["research"]}), 404),
    ] {
        let bearer = token(claims.clone(), "inference", key);
        assert_eq!(status(&stack, ask(LLAMA, &bearer)).await, 200, "{claims}");
        assert_eq!(status(&stack, ask(QWEN, &bearer)).await, status_of_qwen, "{claims}");
        let list = Request::get("/v1/models").header("authorization", &bearer);
        let listed = models(&stack, list).await.contains(&QWEN.to_owned());
        assert_eq!(listed, status_of_qwen == 200, "{claims}");
    }
    let ann = || json!({"team": "research"});
    for bearer in [
        token(ann(), "elsewhere", key),
        token(ann(), "inference", b"another key, which is not known."),
        "Bearer nothing".to_owned(),
    ] {
        let answer = status(&stack, ask(LLAMA, &bearer)).await;
        assert!((401..=403).contains(&answer), "{answer}");
    }
    assert_eq!(status(&stack, chat(LLAMA, "x")).await, 401);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_says_who_asks_as_openais_and_anthropics_clients_send_it() {
    let stack = example("api-keys").start().await;
    for (header, prefix) in [("authorization", "Bearer "), ("x-api-key", "")] {
        for (key, model, expected) in [
            ("key-of-ann", QWEN, 200),
            ("key-of-batch", QWEN, 404),
            ("key-of-batch", LLAMA, 200),
            ("key-of-nobody", LLAMA, 401),
        ] {
            let request = chat(model, "x").header(header, format!("{prefix}{key}"));
            let reply = stack.send(request.header("x-consumer", "ann")).await;
            assert_eq!(reply.status, expected, "{header}: {key}: {}", reply.text());
            if expected == 200 {
                let echo = reply.json().unwrap()["weir_echo"].to_string();
                assert!(!echo.contains(key), "the replica has seen the key");
            }
        }
    }
    assert_eq!(status(&stack, chat(LLAMA, "x")).await, 401);
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_with_limits_are_taken_as_openais_and_anthropics_clients_send_them_and_no_replica_sees_one()
 {
    let fleet = Plan::shipped("envoy-config/fleet.yaml");
    // There is no Redis here.
    let fleet = fleet.replace("on_unavailable: deny", "on_unavailable: allow");
    for (shipped, plan) in [("token-limits", Plan::token_limits()), ("fleet", fleet)] {
        let stack = plan.start().await;
        for (header, prefix) in [("authorization", "Bearer "), ("x-api-key", "")] {
            let with = |key: &str| chat(LLAMA, "x").header(header, format!("{prefix}{key}"));
            let reply = stack.send(with("key-of-ann")).await;
            // Both at once, as of a client with a header of its own.
            let both = with("key-of-ann").header("authorization", "Bearer something-else");
            let both = if header == "x-api-key" { both } else { with("key-of-bob") };
            for reply in [reply, stack.send(both).await] {
                assert_eq!(reply.status, 200, "{shipped}: {header}: {}", reply.text());
                let echo = reply.json().unwrap()["weir_echo"].to_string();
                let hidden = ["key-of", "something-else"].iter().all(|key| !echo.contains(key));
                assert!(hidden, "{shipped}: {header}: the replica has seen a key");
            }
            assert_eq!(status(&stack, with("key-of-nobody")).await, 401, "{shipped}: {header}");
        }
        stack.assert_no_trap().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn only_clients_of_the_named_networks_are_served_whatever_they_say_of_themselves() {
    let own = "- remote_ip: {address_prefix: 127.0.0.0, prefix_len: 8}";
    let other = "- remote_ip: {address_prefix: 192.0.2.0, prefix_len: 24}";
    for (plan, expected) in
        [(example("ip-allow"), 200), (example("ip-allow").replace(own, other), 403)]
    {
        let stack = plan.start().await;
        assert_eq!(status(&stack, chat(LLAMA, "x")).await, expected);
        let forged = chat(LLAMA, "x").header("x-forwarded-for", "10.1.2.3");
        assert_eq!(status(&stack, forged).await, expected);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn envoys_rbac_decides_by_the_pool_and_the_model_that_weir_has_found() {
    let stack = example("rbac").start().await;
    let embed =
        |model: &str| Request::post("/v1/embeddings").json(&json!({"model": model, "input": "x"}));
    for (request, expected) in [
        (chat(LLAMA, "x"), 200),
        (chat("sql-expert", "x"), 200),
        (chat("gpt-4o-mini", "x"), 200),
        (chat(QWEN, "x"), 403),
        // By another name it is the same pool.
        (chat("qwen", "x"), 403),
        (embed(LLAMA), 200),
        (embed("sql-expert"), 403),
    ] {
        let reply = stack.send(request).await;
        assert_eq!(reply.status, expected, "{}", reply.text());
    }
    stack.assert_no_trap().await;
}
