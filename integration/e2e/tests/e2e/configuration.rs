//! Configurations that are refused, changed while Envoy runs, or different for each route.

use serde_json::{Value, json};
use weir_harness::{HarnessError, Request};

use crate::guardrail::REDACTING;
use crate::stack::{LAST_ROUTE, LLAMA, Plan, Stack, chat, eventually};

#[tokio::test(flavor = "multi_thread")]
async fn a_mistake_keeps_envoy_from_starting_and_is_named_in_its_log() {
    let cases = [
        ("root_id: model-router", "root_id: model-rooter", "\"model-rooter\""),
        ("alternates: 2,", "alternatives: 2,", "unknown field `alternatives`"),
        (", base_model: llama-3.1-8b-instruct}", "}", "policies.default.models[1].base_model"),
        (
            "value: {signing_key_env: WEIR_INTAKE_KEY}",
            "value: {}",
            "exactly one of signing_key_env",
        ),
        ("host_env_keys: [WEIR_INTAKE_KEY]", "host_env_keys: [HOME]", "is not set in the VM"),
    ];
    for (shipped, mistaken, message) in cases {
        match Plan::quickstart().replace(shipped, mistaken).try_start().await {
            Err(HarnessError::Ended { log, .. }) => assert!(log.contains(message), "{log}"),
            Err(other) => panic!("{mistaken}: {other}"),
            Ok(_) => panic!("{mistaken} was taken"),
        }
    }
}

/// The default policy of model-router in the listeners' JSON.
fn default_policy(listeners: &mut [Value]) -> &mut Value {
    let manager = &mut listeners[0]["filter_chains"][0]["filters"][0]["typed_config"];
    let mut filters = manager["http_filters"].as_array_mut().unwrap().iter_mut();
    let router = filters.find(|filter| filter["name"] == "weir.model-router").unwrap();
    let policy = "/typed_config/config/configuration/value/policies/default";
    router.pointer_mut(policy).unwrap()
}

/// The connection manager of a listener.
pub(crate) fn connection_manager(listener: &Value) -> &Value {
    &listener["filter_chains"][0]["filters"][0]["typed_config"]
}

/// The listeners of every shipped file for an Envoy of its own, with the file's name.
pub(crate) fn shipped_listeners() -> Vec<(String, Value)> {
    let folder = std::fs::read_dir(weir_harness::workspace::file("envoy-config")).unwrap();
    let paths = folder.map(|entry| entry.unwrap().path());
    let files = paths.filter(|path| path.extension().is_some_and(|extension| extension == "yaml"));
    let mut listeners = Vec::new();
    for path in files {
        let text = std::fs::read_to_string(&path).unwrap();
        let config: Value = serde_saphyr::from_str(&text).unwrap();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        let list = config["static_resources"]["listeners"].as_array().cloned();
        listeners.extend(list.into_iter().flatten().map(|listener| (name.clone(), listener)));
    }
    assert!(listeners.len() >= 6);
    listeners
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bad_live_update_is_refused_and_the_old_configuration_goes_on() {
    let mut stack = Plan::quickstart().start_dynamic().await;
    assert_eq!(stack.send(chat("qwen", "x")).await.status, 200);
    let bad = |listeners: &mut Vec<Value>| default_policy(listeners)["colour"] = json!("red");
    assert!(!stack.envoy.update_listeners(bad).await.unwrap());
    let log = stack.envoy.log();
    assert!(log.contains("unknown field `colour`"), "{log}");
    for client in [weir_harness::HttpClient::http1(), weir_harness::HttpClient::http2()] {
        let reply = client.send(stack.envoy.clients(), chat("qwen", "x")).await.unwrap();
        assert_eq!(reply.status, 200);
    }
    let good = |listeners: &mut Vec<Value>| {
        let policy = default_policy(listeners);
        policy.as_object_mut().unwrap().remove("colour");
        let alias = json!({"name": "fresh", "pool": "llama", "rewrite": LLAMA});
        policy["models"].as_array_mut().unwrap().push(alias);
    };
    assert!(stack.envoy.update_listeners(good).await.unwrap());
    let served = async || {
        let client = weir_harness::HttpClient::http1();
        let reply = client.send(stack.envoy.clients(), chat("fresh", "x")).await;
        // While the old listener is drained, a connection to it may end.
        reply.ok().filter(|reply| reply.status == 200)
    };
    eventually("serving by the new configuration", served).await;
    stack.assert_no_trap().await;
}

/// Requests with `x-tenant: batch` come by a route of their own, with the policy `batch`.
fn two_policies(route_fields: &str) -> Plan {
    let last_route = format!("              {LAST_ROUTE}");
    let batch = format!(
        "              - name: batch\n                \
         match: {{prefix: /, headers: [{{name: x-tenant, string_match: {{exact: batch}}}}]}}\n\
         {route_fields}                direct_response: {{status: 404}}\n{last_route}"
    );
    let last_model =
        "                        - {name: qwen, pool: qwen, rewrite: qwen2.5-7b-instruct}\n";
    let only_batch = format!(
        "{last_model}                      batch:\n                        models:\n{}",
        last_model.replace("{name: qwen,", "{name: only-batch,")
    );
    let picker = "default: {alternates: 2, fresh_ms: 1000}";
    let two = format!("{picker}\n                      batch: {{alternates: 0}}");
    Plan::quickstart()
        .replace(&last_route, &batch)
        .replace(last_model, &only_batch)
        .replace(picker, &two)
}

async fn assert_two_policies(stack: &Stack) {
    let cases = [
        ("qwen", false, 200),
        ("qwen", true, 404),
        ("only-batch", true, 200),
        ("only-batch", false, 404),
    ];
    for (model, batch, status) in cases {
        let mut request = chat(model, "x");
        if batch {
            request = request.header("x-tenant", "batch");
        }
        assert_eq!(stack.send(request).await.status, status, "{model}, batch {batch}");
    }
}

/// As README.md writes it.
pub(crate) const METADATA: &str = "metadata: {filter_metadata: {weir: {policy: batch}}}";

#[tokio::test(flavor = "multi_thread")]
async fn a_route_names_its_policy_in_its_metadata() {
    let stack = two_policies(&format!("                {METADATA}\n")).start().await;
    assert_two_policies(&stack).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_policy_can_be_given_by_route_name() {
    let value = "                  value:\n                    policies:";
    let routes =
        value.replace("policies:", "routes: {batch: batch}\n                    policies:");
    let stack = two_policies("").replace(value, &routes).start().await;
    assert_two_policies(&stack).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_route_that_names_an_unknown_policy_fails_closed_in_the_clients_dialect() {
    let metadata = METADATA.replace("batch", "nowhere");
    let stack = two_policies(&format!("                {metadata}\n")).start().await;
    let reply = stack.send(chat("qwen", "x").header("x-tenant", "batch")).await;
    assert_eq!((reply.status, stack.pool_of(&reply)), (500, "-"));
    assert_eq!(reply.json().unwrap()["error"]["code"], "gateway_misconfigured");
    let anthropic = Request::post("/v1/messages").header("x-tenant", "batch");
    let anthropic = stack.send(anthropic.json(&json!({"model": "qwen"}))).await;
    assert_eq!(anthropic.json().unwrap()["error"]["type"], "api_error");
    let log = stack.envoy.log();
    let named = "weir.model-router: route \"batch\": its metadata (filter_metadata.weir.policy) asks for the policy \"nowhere\"";
    assert!(log.contains(named) && log.contains("which is none of: batch, default"), "{log}");
    assert_eq!(stack.stat("weir_router_misconfigured_total").await, 2);
    assert_eq!(stack.send(chat("qwen", "x")).await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_missing_allow_on_headers_stop_iteration_is_an_error_and_no_hang() {
    let option = "                allow_on_headers_stop_iteration: true\n";
    for plan in Plan::both() {
        assert_missing_option_is_an_error(plan.replace(option, "").start().await).await;
    }
}

async fn assert_missing_option_is_an_error(stack: Stack) {
    for _ in 0..8 {
        // Connections of their own, so that both workers find it out.
        let client = weir_harness::HttpClient::http1();
        let reply = client.send(stack.envoy.clients(), chat("qwen", "x")).await.unwrap();
        assert_eq!(reply.status, 500, "{}", reply.text());
        assert_eq!(reply.json().unwrap()["error"]["code"], "gateway_misconfigured");
    }
    let pushed = stack.push(|_, _| ()).await;
    assert_eq!(pushed.status, 503, "{}", pushed.text());
    assert!(pushed.text().contains("allow_on_headers_stop_iteration"));
    let log = stack.envoy.log();
    let lines = log.lines().filter(|line| line.contains("lacks `allow_on_headers")).count();
    // One for each worker that noticed: the router's, and the intake's.
    assert!((2..=4).contains(&lines), "{log}");
    // Once for each worker that noticed, and for each request in 10 s that was held on trial.
    let noticed = stack.stat("weir_router_misconfigured_total").await;
    assert!(noticed >= 1, "{}", stack.envoy.log());
    assert_eq!(stack.send(Request::get("/v1/models")).await.status, 200);
    stack.assert_no_trap().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_filter_that_alone_lacks_the_option_is_no_hang_either() {
    // The router has held the body, so all of it is there with the headers that the guardrail sees.
    let option = "                root_id: guardrail\n                allow_on_headers_stop_iteration: true\n";
    let without = "                root_id: guardrail\n";
    let stack = Plan::guarding(REDACTING).replace(option, without).start().await;
    let reply = stack.send(chat("qwen", "x")).await;
    assert_eq!(reply.status, 500, "{}", reply.text());
    assert_eq!(reply.json().unwrap()["error"]["code"], "gateway_misconfigured");
    assert!(stack.envoy.log().contains("lacks `allow_on_headers"), "{}", stack.envoy.log());
    stack.assert_no_trap().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_missing_option_is_an_error_for_the_response_to_a_get_too() {
    let option = "                allow_on_headers_stop_iteration: true\n";
    let any = format!(
        "- name: any\n                match: {{prefix: /}}\n                route: {{cluster: llama}}\n              {LAST_ROUTE}"
    );
    for plan in Plan::guarding_both(REDACTING) {
        let stack = plan.replace(option, "").replace(LAST_ROUTE, &any).start().await;
        for _ in 0..4 {
            let client = weir_harness::HttpClient::http1();
            let reply = client.send(stack.envoy.clients(), Request::get("/metrics")).await.unwrap();
            assert_eq!(reply.status, 500, "{}", reply.text());
            assert_eq!(reply.json().unwrap()["error"]["code"], "gateway_misconfigured");
        }
        assert!(stack.envoy.log().contains("lacks `allow_on_headers"), "{}", stack.envoy.log());
        stack.assert_no_trap().await;
    }
}
