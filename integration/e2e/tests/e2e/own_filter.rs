//! A filter that a user has written with the official SDK and `weir-sdk`, in a module of its own beside Weir's: the example of
//! `filters/sdk/README.md`. It says in `x-seen` what it has read.

use serde_json::json;
use weir_harness::{Request, workspace};

use crate::envoy_config::{insert_filter, settings};
use crate::stack::{LLAMA, Plan, Stack, chat, echoed};

const ROUTER: &str = "envoy.filters.http.router";

/// The filter. The same `vm_id` as Weir's and other code: a VM of its own with the same shared data.
const OWN: &str = r#"
name: own
typed_config:
  "@type": type.googleapis.com/envoy.extensions.filters.http.wasm.v3.Wasm
  config:
    name: own
    vm_config: {vm_id: weir, runtime: envoy.wasm.runtime.v8, code: {local: {filename: /etc/weir/sdk-example.wasm}}}
"#;

/// Both shipped forms of the chain with the filter after Weir's.
fn both() -> [Plan; 2] {
    let [apart, one] = Plan::both();
    let one = one.edited(|config| {
        settings(config, "weir.gateway")["leave-state"] = json!(["facts", "pool", "endpoint"]);
    });
    [apart, one].map(|plan| plan.edited(|config| insert_filter(config, ROUTER, OWN)))
}

async fn seen(stack: &Stack, model: &str) -> String {
    let reply = stack.send(chat(model, "hello")).await;
    assert_eq!(reply.status, 200, "{}", reply.text());
    reply.header("x-seen").to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn it_reads_the_facts_the_pool_and_the_load_that_was_pushed() {
    for plan in both() {
        let stack = plan.start().await;
        let reply = stack.push(|index, endpoint| {
            endpoint["waiting"] = json!([0, 3, 3][index]);
            endpoint["kv_cache_use"] = json!(0.0);
            if index == 2 {
                endpoint["state"] = json!("draining");
            }
        });
        assert_eq!(reply.await.status, 200);
        let reply = stack.send(chat("gpt-4o", "hello")).await;
        assert_eq!(reply.status, 200);
        let (seen, idle) = (reply.header("x-seen"), stack.llama(0));
        let (facts, rest) = seen.split_once("; ").unwrap();
        // What Weir itself has read of the same request, and sent to the replica.
        let facts: Vec<&str> = facts.split(' ').collect();
        let [model, to, pool, prompt, stream] = facts[..] else { panic!("{seen}") };
        assert_eq!([model, pool, stream], ["model=gpt-4o", "pool=llama", "stream=false"]);
        assert_eq!(to, format!("to={LLAMA}"));
        let tokens: u32 = prompt.strip_prefix("prompt=").unwrap().parse().unwrap();
        assert!((1..20).contains(&tokens), "{seen}");
        // The mean of the two that take requests: none of 5 in the queue, and 3 of 5.
        assert_eq!(rest, format!("ready=2 used=0.30; endpoint={idle}"));
        let echo = &reply.json().unwrap()["weir_echo"];
        assert_eq!(
            echoed(echo, "x-gateway-destination-endpoint").split(',').next(),
            Some(idle.to_string().as_str())
        );
        stack.assert_no_trap().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn it_follows_each_push_in_every_worker() {
    let [plan, _] = both();
    let stack = plan.start().await;
    assert!(seen(&stack, LLAMA).await.contains("; no load; "), "nothing was pushed yet");
    for (waiting, used) in [(5, "used=1.00"), (1, "used=0.20"), (10, "used=2.00")] {
        let pushed = stack.push(|_, endpoint| {
            endpoint["waiting"] = json!(waiting);
            endpoint["kv_cache_use"] = json!(0.0);
        });
        assert_eq!(pushed.await.status, 200);
        for _ in 0..8 {
            let seen = seen(&stack, LLAMA).await;
            assert!(seen.contains(used), "{seen}");
        }
    }
    stack.assert_no_trap().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_inference_request_has_no_facts_and_passes() {
    let [_, plan] = both();
    let stack = plan.start().await;
    let reply = stack.send(Request::get("/health")).await;
    assert_eq!(reply.header("x-seen"), "no facts; no load; endpoint=");
    stack.assert_no_trap().await;
}

/// The page says that a filter with another `vm_id` sees no load.
#[tokio::test(flavor = "multi_thread")]
async fn with_another_vm_id_it_reads_the_facts_and_no_load() {
    let own = OWN.replace("vm_id: weir", "vm_id: own");
    let plan = Plan::quickstart().edited(|config| insert_filter(config, ROUTER, &own));
    let stack = plan.start().await;
    assert_eq!(stack.push(|_, _| ()).await.status, 200);
    let seen = seen(&stack, LLAMA).await;
    assert!(seen.contains("pool=llama") && seen.contains("; no load; "), "{seen}");
    stack.assert_no_trap().await;
}

#[test]
fn no_module_of_weir_contains_the_sdk() {
    let functions = |name: &str| {
        let path = workspace::file(format!("target/weir/{name}.functions"));
        std::fs::read_to_string(path).unwrap()
    };
    for name in [
        "suite",
        "model-router",
        "token-limit",
        "guardrail",
        "endpoint-picker",
        "intake",
        "attempt",
    ] {
        let functions = functions(name);
        assert!(functions.contains("weir_host::") && !functions.contains("proxy_wasm::"), "{name}");
    }
    assert!(functions("sdk-example").contains("proxy_wasm::"), "names say whose they are");
}
