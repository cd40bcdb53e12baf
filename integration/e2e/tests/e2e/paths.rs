//! Other spellings of an API's path: a replica may serve them, so no filter may overlook them.

use serde_json::{Value, json};
use weir_harness::Request;

use crate::guardrail::EMAIL;
use crate::stack::{LAST_ROUTE, LLAMA, Plan, QWEN, Stack};

/// Redacts, and lets everything pass that is no inference API.
const ONLY_APIS: &str = "{unknown_paths: pass, rules: [{rules: [pii, secrets], action: redact}]}";

/// `/v1/chat/completions`, as servers (uvicorn, under which vLLM runs, decodes first) or proxies on the
/// way read it.
const SPELLINGS: [&str; 10] = [
    "/v1/chat/completions",
    "/v1/chat/completions?x=y",
    "/v1/chat/completions/",
    "//v1/chat/completions",
    "/v1//chat/completions",
    "/v1/./chat/completions",
    "/v1/x/../chat/completions",
    "/v1/chat%2Fcompletions",
    "/v1/chat/completions%2f",
    "/v1/%63hat/completions",
];

/// With a route that takes what names no model, too, to pool `llama`.
fn with_a_catch_all(plan: Plan) -> Plan {
    let any = "- name: any\n                match: {prefix: /}\n                route: {cluster: llama, timeout: 0s}\n";
    plan.replace(LAST_ROUTE, &format!("{any}              {LAST_ROUTE}"))
}

/// Sends a chat for `model` to `path`; answers with the pool and what the replica got.
async fn sent(stack: &Stack, path: &str, model: &str) -> (&'static str, Value) {
    let messages = json!([{"role": "user", "content": format!("I am {EMAIL}")}]);
    let reply =
        stack.send(Request::post(path).json(&json!({"model": model, "messages": messages})));
    let reply = reply.await;
    let replica = reply.header("x-weir-replica");
    assert_ne!(replica, "", "{path}: {} {}", reply.status, reply.text());
    let last = stack.http.send(replica.parse().unwrap(), Request::get("/_weir/last"));
    (stack.pool_of(&reply), last.await.unwrap().json().unwrap())
}

async fn assert_none_goes_round(stack: &Stack, forwarded_as: impl Fn(&str) -> String) {
    for path in SPELLINGS {
        let (pool, last) = sent(stack, path, "qwen").await;
        // By model-router's header; the catch-all would have led elsewhere.
        assert_eq!((pool, &last["path"]), ("qwen", &json!(forwarded_as(path))), "{path}");
        let body: Value = serde_json::from_str(last["body"].as_str().unwrap()).unwrap();
        assert_eq!(body["model"], QWEN, "{path}");
        assert_eq!(body["messages"][0]["content"], "I am [EMAIL]", "{path}");
    }
    // What no inference server takes for the API is none.
    for path in ["/V1/Chat/Completions", "/v1/chat%252Fcompletions", "/v1/other"] {
        let (pool, last) = sent(stack, path, LLAMA).await;
        assert!(pool == "llama" && last["body"].as_str().unwrap().contains(EMAIL), "{path}");
    }
    stack.assert_no_trap().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn no_spelling_of_a_path_goes_round_the_filters() {
    for plan in Plan::guarding_both(ONLY_APIS) {
        let stack = with_a_catch_all(plan).start().await;
        assert_none_goes_round(&stack, str::to_owned).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nor_does_one_where_envoy_normalises_paths_itself() {
    let manager = "stat_prefix: clients\n";
    let normalising = format!(
        "{manager}          normalize_path: true\n          merge_slashes: true\n          \
         path_with_escaped_slashes_action: UNESCAPE_AND_FORWARD\n"
    );
    let plan = with_a_catch_all(Plan::guarding(ONLY_APIS)).replace(manager, &normalising);
    let stack = plan.start().await;
    let chat = "/v1/chat/completions";
    let as_envoy_writes_it = |path: &str| match path {
        "/v1/chat/completions?x=y" => path.to_owned(),
        "/v1/chat/completions/" | "/v1/chat/completions%2f" => format!("{chat}/"),
        _ => chat.to_owned(),
    };
    assert_none_goes_round(&stack, as_envoy_writes_it).await;
}
