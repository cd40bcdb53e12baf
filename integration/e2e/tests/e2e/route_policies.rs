//! A route's own policy, in every shipped configuration.

use serde_json::Value;
use weir_harness::{HarnessError, Request};

use crate::configuration::METADATA;
use crate::stack::{LAST_ROUTE, LLAMA, Plan, QWEN, Stack, chat, echoed};

/// The picker's policy as shipped, with where it stands in each file.
const SHIPPED: [(&str, &str); 3] = [
    ("quickstart.yaml", "                      default: {alternates: 2, fresh_ms: 1000}\n"),
    ("guardrail.yaml", "                      default: &picker {alternates: 2, fresh_ms: 1000}\n"),
    ("one-filter.yaml", "                        default: {alternates: 2, fresh_ms: 1000}\n"),
];

/// A shipped file whose picker has a second policy, `batch`, with the first endpoint alone.
fn with_batch(file: &str) -> Plan {
    let (_, policy) = SHIPPED.into_iter().find(|(name, _)| *name == file).unwrap();
    let indent = " ".repeat(policy.len() - policy.trim_start().len());
    let batch = format!("{policy}{indent}batch: {{alternates: 0, fresh_ms: 600000}}\n");
    Plan::shipped(&format!("envoy-config/{file}")).replace(policy, &batch).long_fresh()
}

/// With `metadata` at the route of the models of pool `llama`.
fn on_llama(plan: Plan, metadata: &str) -> Plan {
    let route = "                route: {cluster: llama, timeout: 0s}\n";
    plan.replace(route, &format!("{route}                {metadata}\n"))
}

/// How many endpoints the picker lists for a request.
async fn endpoints(stack: &Stack, request: Request) -> usize {
    let reply = stack.send(request).await;
    assert_eq!(reply.status, 200, "{}", reply.text());
    let list = echoed(&reply.json().unwrap()["weir_echo"], "x-gateway-destination-endpoint");
    list.split(',').filter(|endpoint| !endpoint.is_empty()).count()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_policy_of_a_models_route_holds_where_filters_stand_apart() {
    for file in ["quickstart.yaml", "guardrail.yaml"] {
        let plan = with_batch(file);
        // guardrail.yaml has the policy for every filter.
        let plan = match file {
            "guardrail.yaml" => plan.replace(
                "                      strict:\n                        rules:",
                "                      batch: {}\n                      strict:\n                        rules:",
            ),
            _ => plan,
        };
        let stack = on_llama(plan, METADATA).start().await;
        assert_eq!(stack.push(|_, _| ()).await.status, 200);
        assert_eq!(endpoints(&stack, chat(LLAMA, "x")).await, 1, "{file}");
        let shipped = Plan::shipped(&format!("envoy-config/{file}")).long_fresh().start().await;
        assert_eq!(shipped.push(|_, _| ()).await.status, 200);
        assert_eq!(endpoints(&shipped, chat(LLAMA, "x")).await, 3, "{file}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_misspelt_policy_of_a_models_route_is_refused() {
    for file in ["quickstart.yaml", "guardrail.yaml"] {
        let misspelt = METADATA.replace("batch", "bacth");
        let stack = on_llama(with_batch(file), &misspelt).start().await;
        assert_refused(&stack, chat(LLAMA, "x"), "bacth").await;
        // The other route's policy is there.
        assert_eq!(stack.send(chat(QWEN, "x")).await.status, 200, "{file}");
    }
}

async fn assert_refused(stack: &Stack, request: Request, policy: &str) {
    let reply = stack.send(request).await;
    let document = reply.json().unwrap_or(Value::Null);
    let told = (reply.status, &document["error"]["code"], stack.pool_of(&reply));
    assert_eq!(told, (500, &Value::from("gateway_misconfigured"), "-"));
    let log = stack.envoy.log();
    assert!(log.contains(&format!("asks for the policy {policy:?}")), "{log}");
}

/// one-filter.yaml with a route for `x-tenant: batch`, which is chosen before the model is known.
fn one_filter(metadata: &str, asks: bool) -> Plan {
    let route = format!(
        "- name: batch\n                match: {{prefix: /, headers: [{{name: x-tenant, string_match: {{exact: batch}}}}]}}\n                \
         {metadata}\n                direct_response: {{status: 404}}\n              {LAST_ROUTE}"
    );
    let models = "                      policies:\n                        default:\n                          models:\n";
    let batch = format!(
        "                      policies:\n                        batch: {{models: [{{name: {LLAMA}, pool: llama}}]}}\n{}",
        &models["                      policies:\n".len()..]
    );
    let plan = with_batch("one-filter.yaml").replace(LAST_ROUTE, &route).replace(models, &batch);
    let off = "                    policy-by-route: false\n";
    if asks { plan.replace(off, "") } else { plan }
}

#[tokio::test(flavor = "multi_thread")]
async fn in_one_filter_the_first_routes_policy_holds_once_routes_are_asked() {
    let stack = one_filter(METADATA, true).start().await;
    assert_eq!(stack.push(|_, _| ()).await.status, 200);
    let request = || chat(LLAMA, "x").header("x-tenant", "batch");
    assert_eq!(endpoints(&stack, request()).await, 1);
    assert_eq!(endpoints(&stack, chat(LLAMA, "x")).await, 3);
    drop(stack);
    let stack = one_filter(&METADATA.replace("batch", "bacth"), true).start().await;
    assert_refused(&stack, request(), "bacth").await;
    assert_eq!(stack.send(chat(LLAMA, "x")).await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn one_filter_as_shipped_takes_no_second_policy_that_would_do_nothing() {
    match one_filter(METADATA, false).try_start().await {
        Err(HarnessError::Ended { log, .. }) => {
            assert!(log.contains("policy-by-route: leaves the policy `default`"), "{log}");
        }
        Err(other) => panic!("{other}"),
        Ok(_) => panic!("it was taken"),
    }
}

#[test]
fn one_filter_says_that_routes_have_no_policies_there() {
    let text =
        std::fs::read_to_string(weir_harness::workspace::file("envoy-config/one-filter.yaml"));
    let text = text.unwrap();
    assert!(
        text.contains("policy-by-route: false")
            && text.contains("needs `policy-by-route: false` taken out")
    );
}
