//! Limits with many keys, with the router's decision, alone in a chain, and with a real client.

use serde_json::json;
use weir_harness::run_concurrently;

use crate::envoy_config::{connection_manager, settings};
use crate::stack::{LLAMA, Plan, QWEN, eventually};
use crate::token_limits::{ann, chat_of, day_of_tokens, limited, usage};

#[tokio::test(flavor = "multi_thread")]
async fn a_hundred_thousand_keys_lie_in_as_much_memory_as_a_few() {
    let limits = json!([{"name": "r", "per": ["header:x-any"], "requests": 100, "window": "1d"}]);
    let mut stack = limited(&limits).start().await;
    let (client, address) = (stack.http.clone(), stack.envoy.clients());
    let send = async |keys: std::ops::Range<usize>| {
        let first = keys.start;
        let statuses = run_concurrently(64, keys.len(), |index| {
            let client = client.clone();
            let request = ann(5).header("x-any", format!("key {}", first + index));
            async move { client.send(address, request).await.unwrap().status }
        });
        let statuses = statuses.await;
        let admitted = statuses.iter().filter(|status| **status == 200).count();
        assert!(statuses.iter().all(|status| [200, 429].contains(status)));
        admitted
    };
    send(0..4_000).await;
    let before = stack.envoy.process().usage().unwrap().resident_bytes;
    let admitted = send(4_000..100_000).await;
    let after = stack.envoy.process().usage().unwrap().resident_bytes;
    let keys = stack.limits().await["limits"][0]["keys"].as_u64().unwrap();
    // Those that find no slot share one more, and are refused when that is used up.
    assert!(
        (60_000..=65_537).contains(&keys) && admitted < 70_000,
        "{keys} keys, {admitted} admitted"
    );
    assert!(stack.stat("weir_limit_overflowed_total").await > 0);
    // 65,536 slots of 80 bytes, and what else grows.
    assert!(after < before + (16 << 20), "{before} {after}");
    stack.assert_no_trap().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_limit_gives_a_cheaper_model_once_in_place_of_a_refusal() {
    let limits = json!([{"name": "large", "per": ["consumer"], "models": [LLAMA], "requests": 1,
        "window": "1d", "on_exceed": format!("downgrade({QWEN})")},
        {"name": "small", "per": ["consumer"], "models": [QWEN], "requests": 1, "window": "1d",
        "on_exceed": format!("downgrade({LLAMA})")}]);
    let format = "decided %FILTER_STATE(wasm.weir.decision:PLAIN)% %RESPONSE_CODE% %FILTER_STATE(wasm.weir.pool:PLAIN)%\n";
    let stack = limited(&limits)
        .edited(|config| {
            settings(config, "weir.gateway")["leave-state"] = json!(["decision", "pool"]);
            connection_manager(config)["access_log"] = json!([{
                "name": "stdout",
                "typed_config": {
                    "@type": "type.googleapis.com/envoy.extensions.access_loggers.stream.v3.StdoutAccessLog",
                    "log_format": {"text_format_source": {"inline_string": format}},
                },
            }]);
        })
        .start()
        .await;
    let mut pools = Vec::new();
    for _ in 0..3 {
        let reply = stack.send(ann(5).header("x-weir-echo", "1")).await;
        pools.push((reply.status, stack.pool_of(&reply)));
        if pools.len() == 2 {
            assert_eq!(reply.json().unwrap()["model"], QWEN, "{}", reply.text());
        }
    }
    assert_eq!(pools, [(200, "llama"), (200, "qwen"), (429, "-")], "never back again");
    // Who reads the log sees what was refused, too.
    for status in [200, 429] {
        let line = format!("decided limit={QWEN} {status} qwen");
        eventually(&line, async || stack.envoy.log().contains(&line).then_some(())).await;
    }
    stack.assert_no_trap().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn as_a_filter_of_its_own_it_asks_for_usage_and_takes_it_out_again() {
    let limits = day_of_tokens(100_000, "full")[0].clone();
    let filter = |name: &str| {
        json!({"policies": {"default": {"limits": [{"name": name, "tokens": limits["tokens"],
            "window": "1d", "reserve": "full"}]}}})
    };
    let stack = Plan::quickstart()
        .edited(|config| {
            let filters = crate::envoy_config::http_filters(config);
            let at = filters.iter().position(|f| f["name"] == "weir.endpoint-picker").unwrap();
            let mut own = filters[at].clone();
            own["name"] = json!("weir.token-limit");
            let plugin = &mut own["typed_config"]["config"];
            (plugin["name"], plugin["root_id"]) = (json!("weir.token-limit"), json!("token-limit"));
            plugin["configuration"]["value"] = filter("day");
            filters.insert(at, own);
        })
        .start()
        .await;
    let streamed = stack.send(chat_of("x", 30, 30, true)).await;
    assert!(streamed.complete && !streamed.text().contains("\"usage\":{"), "{}", streamed.text());
    let spent = stack.settled("day").await;
    let whole = stack.send(chat_of("x", 30, 30, false)).await;
    assert!((usage(&whole) - spent).abs() < 1.0, "{spent}");
    assert!((stack.settled("day").await - 2.0 * spent).abs() < 1.0);
    stack.assert_no_trap().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_openai_client_waits_as_long_as_it_is_told() {
    let limits = json!([{"name": "r", "per": ["consumer"], "requests": 60, "burst": 2, "window": "1m"},
        {"name": "t", "per": ["consumer"], "tokens": 1000, "window": "1m", "reserve": "full"}]);
    let stack = limited(&limits).start().await;
    let output =
        crate::clients::run("limited_openai.py", format!("http://{}", stack.envoy.clients())).await;
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    stack.assert_no_trap().await;
}
