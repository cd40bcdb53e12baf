//! Where Envoy's own filters stand beside Weir, and what is told of mistakes that show nowhere else.

use serde_json::json;
use weir_harness::Request;

use crate::envoy_config::{insert_filter, model, route, settings, virtual_host};
use crate::stack::{LLAMA, Plan, Stack, chat, eventually};

const GATE: &str = r#"{name: gate, typed_config: {"@type": type.googleapis.com/envoy.extensions.filters.http.rbac.v3.RBAC}}"#;

/// The gateway with RBAC before the filter `before`, whose rule stands at the model's route or at the virtual host.
fn gated(before: &str, at_route: bool) -> Plan {
    let principals = json!([{"header": {"name": "x-team", "present_match": true}}]);
    let policy = json!({"permissions": [{"any": true}], "principals": principals});
    let rule = json!({"gate": {
        "@type": "type.googleapis.com/envoy.extensions.filters.http.rbac.v3.RBACPerRoute",
        "rbac": {"rules": {"action": "ALLOW", "policies": {"team": policy}}},
    }});
    Plan::one_filter().edited(|config| {
        insert_filter(config, before, GATE);
        let place = if at_route { route(config, "llama") } else { virtual_host(config) };
        place["typed_per_filter_config"] = rule;
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn a_filter_with_settings_per_route_belongs_after_weir_or_has_them_at_the_virtual_host() {
    for (before, at_route, status) in [
        ("envoy.filters.http.router", true, 403),
        ("weir.gateway", false, 403),
        // What the README warns of: no model is known yet, so the first route has no such rule.
        ("weir.gateway", true, 200),
    ] {
        let stack = gated(before, at_route).start().await;
        let told = format!("before {before}, at the route: {at_route}");
        assert_eq!(stack.send(chat(LLAMA, "x")).await.status, status, "{told}");
        assert_eq!(stack.send(chat(LLAMA, "x").header("x-team", "a")).await.status, 200, "{told}");
    }
}

/// Waits until `metric` counts, and expects `line` in Envoy's log once for each worker at most.
async fn is_told(stack: &Stack, metric: &str, line: &str) {
    eventually(metric, async || (stack.stat(metric).await > 0).then_some(())).await;
    let log = stack.envoy.log();
    let told = log.lines().filter(|found| found.contains(line)).count();
    assert!((1..=2).contains(&told), "{log}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_list_for_a_cluster_that_takes_one_address_is_told_of() {
    let plan = Plan::shipped("envoy-config/examples/original-dst.yaml");
    let stack = plan.replace("alternates: 0", "alternates: 2").long_fresh().start().await;
    assert_eq!(stack.push(|_, _| ()).await.status, 200);
    assert_eq!(stack.send(chat(LLAMA, "x")).await.status, 503);
    is_told(&stack, "weir_picks_hostless_total.pool.llama", "needs alternates: 0").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_of_nobody_are_told_of_where_it_matters_who_asks() {
    let plan = Plan::quickstart().edited(|config| {
        let router = settings(config, "weir.model-router");
        router["trust"] = json!({"consumer": [{"header": "x-consumer"}]});
        model(router, LLAMA)["consumers"] = json!(["ann"]);
    });
    let stack = plan.start().await;
    assert_eq!(stack.send(chat(LLAMA, "x")).await.status, 404);
    is_told(&stack, "weir_router_nobody_total", "has jwt_authn `payload_in_metadata`?").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn decisions_of_limits_have_labels_for_prometheus() {
    let stack = Plan::token_limits().start().await;
    assert_eq!(stack.send(chat(LLAMA, "x").header("x-api-key", "key-of-ann")).await.status, 200);
    eventually("a sample", async || {
        let page = Request::get("/stats/prometheus?filter=weir");
        let page = stack.http.send(stack.envoy.admin(), page).await.unwrap().text();
        let of = |line: &&str| line.starts_with("weir_limit_requests_total{");
        let labels =
            |line: &&str| line.contains("decision=\"admitted\"") && line.contains("limit=\"");
        page.lines().filter(of).find(labels).map(|_| ())
    })
    .await;
}
