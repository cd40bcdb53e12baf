//! Mistakes between Weir, Envoy's routes and clusters, and the sidecar: each is counted and told.

use serde_json::{Value, json};
use weir_harness::Request;

use crate::envoy_config::{cluster, http_filters, model, route, settings};
use crate::stack::{LLAMA, Plan, Stack, chat, eventually};

/// Sends requests until one of them, which Envoy was asked about, went elsewhere than it was placed.
async fn send_until_ignored(stack: &Stack, pool: &str) {
    let name = format!("weir_picks_ignored_total.pool.{pool}");
    let ignored = async || {
        // A replica of another pool may say that it does not have the model.
        let status = stack.send(chat(LLAMA, "where does this go?")).await.status;
        assert!([200, 404].contains(&status), "{status}");
        (stack.stat(&name).await > 0).then_some(())
    };
    eventually(&name, ignored).await;
    assert!(stack.stat(&format!("weir_picks_asked_total.pool.{pool}")).await > 0);
}

fn lines_with(stack: &Stack, part: &str) -> usize {
    stack.envoy.log().lines().filter(|line| line.contains(part)).count()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cluster_without_override_host_is_told_of() {
    let plan = Plan::quickstart().long_fresh().edited(|config| {
        cluster(config, "llama").as_object_mut().unwrap().remove("load_balancing_policy");
    });
    let stack = plan.start().await;
    assert_eq!(stack.push(|_, _| ()).await.status, 200);
    send_until_ignored(&stack, "llama").await;
    let told = lines_with(&stack, "its cluster needs the load-balancing policy override_host");
    assert!((1..=2).contains(&told), "once for each worker: {}", stack.envoy.log());
    assert_eq!(lines_with(&stack, "no endpoint of the pool"), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_route_that_leads_to_another_pools_cluster_is_told_of() {
    let plan = Plan::quickstart().long_fresh().edited(|config| {
        // The match on the model's header was forgotten: qwen's route takes everything.
        let qwen = route(config, "qwen").clone();
        let taker = route(config, "llama");
        *taker = qwen;
        taker["name"] = json!("llama");
        taker["match"] = json!({"prefix": "/v1/chat"});
    });
    let stack = plan.start().await;
    assert_eq!(stack.push(|_, _| ()).await.status, 200);
    send_until_ignored(&stack, "llama").await;
    let told = lines_with(&stack, "which is no endpoint of the pool: does the route match");
    assert!((1..=2).contains(&told), "{}", stack.envoy.log());
}

#[tokio::test(flavor = "multi_thread")]
async fn endpoints_that_the_sidecar_names_otherwise_than_the_cluster_are_told_of() {
    let stack = Plan::quickstart().long_fresh().start().await;
    let pushed = stack.push(|_, endpoint: &mut Value| {
        let address = endpoint["address"].as_str().unwrap().replace("127.0.0.1", "[::1]");
        endpoint["address"] = json!(address);
    });
    assert_eq!(pushed.await.status, 200);
    send_until_ignored(&stack, "llama").await;
    assert!(lines_with(&stack, "localhost may be [::1] in one") >= 1, "{}", stack.envoy.log());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_goes_as_placed_and_what_a_retry_takes_elsewhere_is_no_mistake() {
    let stack = Plan::quickstart().long_fresh().start().await;
    assert_eq!(stack.push(|_, _| ()).await.status, 200);
    for _ in 0..20 {
        assert_eq!(stack.send(chat(LLAMA, "x")).await.status, 200);
    }
    // The replica that is named first does not listen: the next one of the list takes over.
    let dead = stack.push(|index, endpoint| {
        if index == 0 {
            endpoint["address"] = json!("127.0.0.1:1");
        } else {
            endpoint["waiting"] = json!(50);
        }
    });
    assert_eq!(dead.await.status, 200);
    assert!(stack.stat("weir_picks_asked_total.pool.llama").await > 0);
    assert_eq!(stack.stat("weir_picks_ignored_total").await, 0, "{}", stack.envoy.log());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_misspelt_pool_is_named_beside_those_that_there_are() {
    let plan = Plan::quickstart().edited(|config| {
        model(settings(config, "weir.model-router"), LLAMA)["pool"] = json!("lama");
    });
    let stack = plan.start().await;
    assert_eq!(stack.send(chat(LLAMA, "x")).await.status, 200);
    assert!(lines_with(&stack, "no snapshot has come of any pool") >= 1, "{}", stack.envoy.log());
    let stack = Plan::quickstart().edited(|config| {
        model(settings(config, "weir.model-router"), LLAMA)["pool"] = json!("lama");
    });
    let stack = stack.start().await;
    assert_eq!(stack.push(|_, _| ()).await.status, 200);
    for _ in 0..4 {
        assert_eq!(stack.send(chat(LLAMA, "x")).await.status, 200);
    }
    let told = lines_with(
        &stack,
        "pool \"lama\": Envoy's fallback policy chooses, because no snapshot has come of it; there are: llama",
    );
    assert!((1..=2).contains(&told), "once for each worker: {}", stack.envoy.log());
    assert_eq!(stack.stat("weir_picks_total.basis.none.pool.lama").await, 4);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_picker_before_its_router_is_told_of() {
    let plan = Plan::quickstart().edited(|config| {
        let filters = http_filters(config);
        let at = |name: &str| filters.iter().position(|filter| filter["name"] == name).unwrap();
        let (router, picker) = (at("weir.model-router"), at("weir.endpoint-picker"));
        filters.swap(router, picker);
        // The configuration of the VM is written once, where the first of them stands.
    });
    let stack = plan.start().await;
    assert_eq!(stack.push(|_, _| ()).await.status, 200);
    assert_eq!(stack.send(chat(LLAMA, "x")).await.status, 200);
    assert!(lines_with(&stack, "put it after model-router") >= 1, "{}", stack.envoy.log());
    assert_eq!(stack.stat("weir_picker_no_facts_total").await, 1);
    // What is no inference API needs no facts.
    stack.send(Request::get("/healthz")).await;
    assert_eq!(stack.stat("weir_picker_no_facts_total").await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_model_is_in_the_access_log_by_its_name() {
    let plan = Plan::quickstart().prompt_access_log().edited(|config| {
        let format = "refused %FILTER_STATE(wasm.weir.model:PLAIN)% %RESPONSE_CODE%\n";
        crate::envoy_config::connection_manager(config)["access_log"] = json!([{
            "name": "stdout",
            "typed_config": {
                "@type": "type.googleapis.com/envoy.extensions.access_loggers.stream.v3.StdoutAccessLog",
                "log_format": {"text_format_source": {"inline_string": format}},
            },
        }]);
    });
    let stack = plan.start().await;
    assert_eq!(stack.send(chat("gpt-5-turbo", "x")).await.status, 404);
    let told = async || stack.envoy.log().contains("refused gpt-5-turbo 404").then_some(());
    eventually("the name in the access log", told).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sidecar_that_has_fallen_silent_is_missed() {
    let stack = Plan::quickstart().start().await;
    assert_eq!(stack.push(|_, _| ()).await.status, 200);
    let line = "pool \"llama\": the last snapshot is ";
    eventually(line, async || {
        assert_eq!(stack.send(chat(LLAMA, "is anybody there?")).await.status, 200);
        (lines_with(&stack, line) > 0).then_some(())
    })
    .await;
}
