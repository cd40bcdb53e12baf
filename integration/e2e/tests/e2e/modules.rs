//! Each filter as a module of its own.

use serde_json::json;
use weir_harness::Request;

use crate::stack::{LLAMA, Plan, Stack, chat};

const ANCHORED: &str = "vm_config: *vm";

/// `vm_config` for one module, with the same `vm_id`, which is what shares data.
fn vm(module: &str) -> String {
    format!(
        "vm_config: {{vm_id: weir, runtime: envoy.wasm.runtime.v8, \
         code: {{local: {{filename: /etc/weir/{module}.wasm}}}}, \
         environment_variables: {{host_env_keys: [WEIR_INTAKE_KEY]}}}}"
    )
}

/// The shipped configuration with two of its filters in modules of their own.
fn picker_and_intake() -> Plan {
    let mut plan = Plan::quickstart().long_fresh();
    for module in ["endpoint-picker", "intake"] {
        let own = |vm: &str| {
            format!(
                "root_id: {module}\n                allow_on_headers_stop_iteration: true\n                \
                 failure_policy: FAIL_RELOAD\n                {vm}"
            )
        };
        plan = plan.replace(&own(ANCHORED), &own(&vm(module)));
    }
    plan
}

/// Pushes a view in which only one replica of `llama` is idle; returns its address.
async fn only_one_idle(stack: &Stack) -> String {
    let pushed = stack.push(|index, endpoint| {
        if index != 1 {
            endpoint["waiting"] = json!(300);
            endpoint["kv_cache_use"] = json!(0.99);
        }
    });
    assert_eq!(pushed.await.status, 200);
    stack.llama(1).to_string()
}

#[tokio::test(flavor = "multi_thread")]
async fn three_modules_work_together_like_the_suite() {
    let router = ("/etc/weir/suite.wasm", "/etc/weir/model-router.wasm");
    let stack = picker_and_intake().replace(router.0, router.1).start().await;
    let idle = only_one_idle(&stack).await;
    for model in [LLAMA, "gpt-4o", "sql-expert"] {
        let reply = stack.send(chat(model, "hello")).await;
        assert_eq!((reply.status, reply.header("x-weir-replica")), (200, idle.as_str()));
    }
    assert_eq!(stack.send(chat("nope", "hello")).await.status, 404);
    stack.wait_for_in_flight(0).await;
    stack.assert_no_trap().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_endpoint_picker_alone_reads_the_body_itself() {
    let policy = "default: {alternates: 2, fresh_ms: 600000}";
    let pool = "default: {pool: llama, fresh_ms: 600000, max_body_bytes: 5000}";
    let plan = picker_and_intake().replace(policy, pool).without_router();
    let stack = plan.vouched_for("x-gateway-base-model-name").start().await;
    let idle = only_one_idle(&stack).await;
    // Without model-router, whoever stands before Envoy chooses the route.
    let routed = |request: Request| request.header("x-gateway-base-model-name", LLAMA);
    for index in 0..5 {
        let reply = stack.send(routed(chat(LLAMA, &format!("{index}")))).await;
        assert_eq!((reply.status, reply.header("x-weir-replica")), (200, idle.as_str()));
    }
    let broken = routed(Request::post("/v1/chat/completions").body("{"));
    assert_eq!(stack.send(broken).await.json().unwrap()["error"]["code"], "malformed_json");
    let long = routed(chat(LLAMA, &"x".repeat(6000)));
    assert_eq!(stack.send(long).await.status, 413);
    let other =
        routed(Request::get("/health")).header("x-gateway-destination-endpoint", "127.0.0.1:1");
    assert_eq!(stack.send(other).await.status, 200);
    stack.assert_no_trap().await;
}
