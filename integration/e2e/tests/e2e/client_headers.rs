//! Headers that clients may not set, sent to every shipped configuration.

use std::fs;

use serde_json::{Value, json};
use weir_harness::{RawConnection, Request, workspace};

use crate::configuration::{connection_manager, shipped_listeners};
use crate::stack::{LLAMA, Plan, QWEN, Stack, chat, echoed};

/// The name as a client may spell it.
fn spellings(name: &str) -> [String; 3] {
    let words = name.split('-').map(|word| format!("{}{}", word[..1].to_uppercase(), &word[1..]));
    [name.to_owned(), name.to_uppercase(), words.collect::<Vec<_>>().join("-")]
}

/// What would mislead Envoy, Weir or a replica most in the header of that name.
fn misleading(name: &str, elsewhere: &str) -> String {
    match name {
        _ if name.contains("model-name") => QWEN.to_owned(),
        _ if name.contains("endpoint") || name.contains("host") => elsewhere.to_owned(),
        _ => "1".to_owned(),
    }
}

/// Sends a chat request for [`LLAMA`] with a header exactly as it is written here.
async fn sent(stack: &Stack, header: &str, value: &str) -> (u16, Value) {
    let body = format!(r#"{{"model":"{LLAMA}","messages":[{{"role":"user","content":"x"}}]}}"#);
    let mut connection = RawConnection::open(stack.envoy.clients()).await.unwrap();
    let head = "POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\nx-weir-echo: 1\r\n";
    let length = body.len();
    let request = format!("{head}{header}: {value}\r\ncontent-length: {length}\r\n\r\n{body}");
    connection.send(request).await.unwrap();
    let head = connection.read_head().await.unwrap();
    let body = connection.read_body(&head).await.unwrap();
    (head.status, serde_json::from_slice(&body).unwrap_or(Value::Null))
}

/// Whatever of these a client sends: the model in the body decides, only Weir's own values arrive, and
/// nothing is logged.
pub(crate) async fn assert_forgery_is_void(stack: &Stack) {
    // Whoever dials this would be seen: it is a replica of the other pool.
    let trap = &stack.qwen.replicas()[0];
    let elsewhere = trap.address().to_string();
    for name in weir_headers::OWNED.into_iter().chain(weir_headers::CLAIMS) {
        for spelling in spellings(name) {
            let forged = misleading(name, &elsewhere);
            let (status, answer) = sent(stack, &spelling, &forged).await;
            assert_eq!(status, 200, "{spelling}: {answer}");
            let echo = &answer["weir_echo"];
            let arrived = echoed(echo, name);
            match name {
                "x-gateway-model-name" | "x-gateway-base-model-name" => assert_eq!(arrived, LLAMA),
                "x-gateway-destination-endpoint" => assert!(!arrived.contains(&elsewhere)),
                _ => assert_eq!(arrived, "", "{spelling}"),
            }
        }
    }
    for name in ["x-gateway-model-name", "x-gateway-base-model-name"] {
        let elsewhere = stack.send(Request::get("/elsewhere").header(name, QWEN)).await;
        assert_eq!((elsewhere.status, stack.pool_of(&elsewhere)), (404, "-"), "{name}");
    }
    assert_eq!(trap.last_request(), Value::Null);
    assert_eq!(stack.stat("misconfigured").await, 0);
    let log = stack.envoy.log();
    let complaint = |line: &&str| line.contains("[error]") || line.contains("weir.model-router:");
    assert_eq!(log.lines().find(complaint), None);
    stack.assert_no_trap().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn no_header_of_a_client_chooses_route_policy_or_replica() {
    for plan in Plan::all_shipped() {
        let stack = plan.long_fresh().start().await;
        // Without a view the picker leaves the request to Envoy, with one it chooses: both must hold.
        assert_forgery_is_void(&stack).await;
        assert_eq!(stack.push(|_, _| ()).await.status, 200);
        assert_forgery_is_void(&stack).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_claim_stays_where_something_before_weir_vouches_for_it() {
    let claim = "x-gateway-inference-objective";
    let policies = "                    policies:\n                      default:\n                        models:";
    let trusting = format!("                    trust: {{objective: true}}\n{policies}");
    let plan = Plan::guardrail().vouched_for(claim).replace(policies, &trusting);
    let stack = plan.start().await;
    let reply =
        stack.send(chat(LLAMA, "x").header(claim, "batch").header("x-slo-ttft-ms", "9")).await;
    let echo = &reply.json().unwrap()["weir_echo"];
    assert_eq!((echoed(echo, claim), echoed(echo, "x-slo-ttft-ms")), ("batch".into(), "".into()));
}

#[test]
fn what_is_removed_is_removed_from_clients_alone() {
    for (path, listener) in shipped_listeners() {
        let manager = connection_manager(&listener);
        let extensions = &manager["early_header_mutation_extensions"];
        let mutations = extensions[0]["typed_config"]["mutations"].as_array();
        let removed = mutations.into_iter().flatten().map(|mutation| &mutation["remove"]);
        let removed: Vec<&str> = removed.filter_map(Value::as_str).collect();
        let listed: Vec<&str> =
            weir_headers::OWNED.into_iter().chain(weir_headers::CLAIMS).collect();
        // The intake's, and one for the metrics of the compose harness.
        let for_clients = ![json!("intake"), json!("metrics")].contains(&listener["name"]);
        assert_eq!(
            removed,
            if for_clients { listed } else { Vec::new() },
            "{path}: {}",
            listener["name"]
        );
    }
}

#[test]
fn every_header_is_documented() {
    let page = fs::read_to_string(workspace::file("filters/README.md")).unwrap();
    for name in weir_headers::OWNED.into_iter().chain(weir_headers::CLAIMS) {
        assert!(page.contains(&format!("`{name}`")), "{name}");
    }
}

/// Headers of responses alone: a client that sends one chooses nothing by it.
const TOLD: [&str; 1] = ["x-weir-degraded"];

/// Whoever adds a header to a filter lists it, or a client could send it.
#[test]
fn every_header_that_a_filter_names_is_listed() {
    let mut found = 0;
    for folder in ["filters", "shared/snapshot/src"] {
        // host-probe is a test's own filter.
        let product = |path: &std::path::PathBuf| {
            !path.components().any(|part| part.as_os_str() == "host-probe")
        };
        for path in sources(&workspace::file(folder)).into_iter().filter(product) {
            let text = fs::read_to_string(&path).unwrap();
            for literal in text.split('"').skip(1).step_by(2) {
                let ours = ["x-gateway-", "x-llm-d-", "x-slo-", "x-weir-"];
                let told = TOLD.contains(&literal);
                if !told && ours.iter().any(|prefix| literal.starts_with(prefix)) {
                    let name = literal.as_bytes();
                    let listed = weir_headers::is_owned(name) || weir_headers::is_claim(name);
                    assert!(listed, "{}: {literal}", path.display());
                    found += 1;
                }
            }
        }
    }
    assert!(found >= 5, "{found}");
}

fn sources(folder: &std::path::Path) -> Vec<std::path::PathBuf> {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let below = |path: std::path::PathBuf| match path.is_dir() {
        true => sources(&path),
        false => vec![path],
    };
    let files = entries.flat_map(below);
    files.filter(|path| path.extension().is_some_and(|extension| extension == "rs")).collect()
}

/// Envoy's router obeys headers about time limits and retries, and takes them from nobody outside: a client could make every
/// replica look as if it failed.
async fn assert_sets_nothing(plan: Plan) {
    let stack = plan.start().await;
    for forwarded in ["", "10.0.0.1"] {
        let request = chat(LLAMA, "x")
            .header("x-forwarded-for", forwarded)
            .header("x-envoy-upstream-rq-timeout-ms", "1")
            .header("x-envoy-upstream-rq-per-try-timeout-ms", "1")
            .header("x-weir-frame-bytes", "100")
            .header("x-weir-frame-delay-ms", "20");
        let reply = stack.send(request).await;
        assert_eq!((reply.status, reply.complete), (200, true), "{forwarded:?}");
    }
    assert_eq!(stack.stat("weir_picker_failures_total").await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_sets_neither_time_limits_nor_retries() {
    assert_sets_nothing(Plan::quickstart()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nor_does_one_under_failover() {
    assert_sets_nothing(Plan::shipped("envoy-config/failover.yaml")).await;
}
