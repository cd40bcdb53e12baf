//! A filter per attempt, configured as filters/README.md says: `attempt` in both clusters.

use std::time::Duration;

use serde_json::json;
use weir_harness::{HarnessError, HttpClient, Request, workspace};
use weir_replica::{FailureMode, Replica};

use crate::documents::blocks;
use crate::stack::{LLAMA, Plan, Stack, chat, eventually};

const CONNECT: &str = "    connect_timeout: 1s\n";
const CLIENTS: &str = "            - name: inference\n";

/// The plan with the block of filters/README.md in each cluster, and attempts shown to clients in a header.
pub(crate) fn with_attempts(plan: Plan) -> Plan {
    let page = std::fs::read_to_string(workspace::file("filters/README.md")).unwrap();
    let block = blocks(&page, "yaml").into_iter().find(|block| block.contains("root_id: attempt"));
    let indented = block.unwrap().lines().map(|line| format!("    {line}\n")).collect::<String>();
    let shown = format!(
        "{CLIENTS}              response_headers_to_add:\n              \
         - header: {{key: x-attempts, value: \"%FILTER_STATE(wasm.weir.attempts:PLAIN)%\"}}\n"
    );
    plan.replace(CONNECT, &format!("{CONNECT}{indented}")).replace(CLIENTS, &shown)
}

/// The same with HTTP/2 to the replicas, which carries trailers.
fn over_http2(plan: Plan) -> Plan {
    let http1 = "explicit_http_config: {http_protocol_options: {}}";
    with_attempts(plan).replace(http1, "explicit_http_config: {http2_protocol_options: {}}")
}

/// How many attempts have ended that way.
async fn ended(stack: &Stack, outcome: &str) -> u64 {
    stack.stat(&format!("weir_attempts_total.outcome.{outcome}")).await
}

async fn wait_for(stack: &Stack, outcome: &str, count: u64) {
    let counted = async || (ended(stack, outcome).await == count).then_some(());
    eventually(&format!("{count} attempts that ended as {outcome}"), counted).await;
}

/// A raw reply of the replica: bytes that any edit would change.
fn raw(status: u16, body: &[u8]) -> serde_json::Value {
    use base64::Engine as _;
    let body = base64::engine::general_purpose::STANDARD.encode(body);
    json!({"status": status, "headers": [["content-type", "application/octet-stream"]], "body_base64": body})
}

async fn assert_bytes_pass(stack: &Stack, http: &HttpClient) {
    for length in [0, 1, 1000, 300_000] {
        let bytes: Vec<u8> = (0..length).map(|index: u32| (index % 251) as u8).collect();
        let document =
            json!({"model": LLAMA, "messages": [], "weir_reply": {"raw": raw(200, &bytes)}});
        let request = Request::post("/v1/chat/completions").json(&document);
        let request =
            request.header("x-weir-frame-bytes", "997").header("x-weir-trailers", "x-after=2");
        let reply = http.send(stack.envoy.clients(), request).await.unwrap();
        assert_eq!((reply.status, reply.complete), (200, true));
        assert_eq!(reply.body.as_ref(), bytes, "{length} bytes");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn bodies_streams_and_trailers_pass_an_attempt_unchanged() {
    for plan in Plan::both() {
        let stack = over_http2(plan.long_fresh()).start().await;
        assert_eq!(stack.push(|_, _| ()).await.status, 200);
        let http = HttpClient::http2();
        assert_bytes_pass(&stack, &http).await;
        let body = json!({"model": LLAMA, "messages": [], "pad": "é".repeat(50_000)}).to_string();
        let request = Request::post("/v1/chat/completions")
            .header("x-weir-echo", "1")
            .header("x-weir-trailers", "x-after=2")
            .pieces([body[..7].to_owned(), body[7..].to_owned()], Duration::from_millis(1))
            .trailer("x-before", "1");
        let reply = http.send(stack.envoy.clients(), request).await.unwrap();
        let echo = &reply.json().unwrap()["weir_echo"];
        assert_eq!(echo["body"], body);
        assert_eq!(echo["trailers"], json!([["x-before", "1"]]));
        assert_eq!(reply.trailers.as_ref().unwrap()["x-after"], "2");
        let ask = json!({"model": LLAMA, "stream": true, "messages": []});
        let stream = Request::post("/v1/chat/completions").json(&ask);
        let stream =
            http.send(stack.envoy.clients(), stream.header("x-weir-frame-bytes", "3")).await;
        let stream = stream.unwrap();
        assert!(stream.complete && stream.events().last().unwrap() == "[DONE]");
        wait_for(&stack, "2xx", 6).await;
        stack.assert_no_trap().await;
    }
}

/// The replica that comes first while the others are said to be busy; its address is the list's first for every worker.
pub(crate) async fn only_idle(stack: &Stack) -> &Replica {
    let pushed = stack.push(|index, endpoint| {
        if index != 1 {
            endpoint["waiting"] = json!(300);
            endpoint["kv_cache_use"] = json!(0.99);
        }
    });
    assert_eq!(pushed.await.status, 200);
    &stack.llama.replicas()[1]
}

#[tokio::test(flavor = "multi_thread")]
async fn each_attempt_is_seen_with_its_replica_and_its_status() {
    for plan in Plan::both() {
        let stack = with_attempts(plan.long_fresh()).start().await;
        for (mode, status) in [(FailureMode::Error500, "500"), (FailureMode::Refuse, "-")] {
            // What has failed is tried again after 250 ms.
            tokio::time::sleep(Duration::from_millis(400)).await;
            let first = only_idle(&stack).await;
            first.set_failure(mode).await;
            let reply = stack.send(chat(LLAMA, "hello")).await;
            let (first, served) = (first.address().to_string(), reply.header("x-weir-replica"));
            assert_eq!((reply.status, served != first), (200, true), "{mode:?}");
            assert_eq!(reply.header("x-attempts"), format!("{first}={status},{served}=200"));
        }
        wait_for(&stack, "2xx", 2).await;
        assert_eq!((ended(&stack, "5xx").await, ended(&stack, "none").await), (1, 1));
        stack.assert_no_trap().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_breaks_off_and_what_a_client_gives_up_are_told_apart() {
    let stack = with_attempts(Plan::quickstart().long_fresh()).start().await;
    assert_eq!(stack.push(|_, _| ()).await.status, 200);
    let cut = stack.send(chat(LLAMA, "x").header("x-weir-fail", "cut_midstream")).await;
    assert!(!cut.complete);
    wait_for(&stack, "cut", 1).await;
    for http in [HttpClient::http1(), HttpClient::http2()] {
        let (address, request) =
            (stack.envoy.clients(), chat(LLAMA, "x").header("x-weir-fail", "hang"));
        let client = tokio::spawn(async move { http.send(address, request).await });
        stack.wait_for_in_flight(1).await;
        client.abort();
        stack.wait_for_in_flight(0).await;
    }
    wait_for(&stack, "abandoned", 2).await;
    assert_eq!(ended(&stack, "none").await, 0);
    let missing =
        stack.send(Request::get("/v1/nothing").header("x-gateway-base-model-name", LLAMA)).await;
    assert_eq!(missing.status, 404);
    stack.assert_no_trap().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn attempts_on_both_workers_run_in_the_vms_that_there_are_and_each_is_counted() {
    let plain = Plan::quickstart().start().await;
    let vms = plain.stat("envoy.wasm.runtime.v8.active").await;
    drop(plain);
    let stack = with_attempts(Plan::quickstart().long_fresh()).start().await;
    assert_eq!(stack.stat("envoy.wasm.runtime.v8.active").await, vms, "no VM of its own");
    assert_eq!(stack.push(|_, _| ()).await.status, 200);
    let ask = |index: usize| {
        let (address, request) = (stack.envoy.clients(), chat(LLAMA, &format!("question {index}")));
        // A connection each, so that both workers have some.
        tokio::spawn(async move { HttpClient::http1().send(address, request).await.unwrap() })
    };
    for client in (0..60).map(ask).collect::<Vec<_>>() {
        let reply = client.await.unwrap();
        let expected = format!("{}=200", reply.header("x-weir-replica"));
        assert_eq!((reply.status, reply.header("x-attempts")), (200, expected.as_str()));
    }
    wait_for(&stack, "2xx", 60).await;
    let of_workers = stack.envoy.stats("").await.unwrap();
    let busy = of_workers
        .iter()
        .filter(|(name, _)| name.contains("worker_") && name.ends_with("downstream_cx_total"));
    assert!(busy.filter(|(_, connections)| *connections > 0).count() >= 2, "both workers had some");
    stack.assert_no_trap().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_setting_that_attempt_does_not_know_keeps_envoy_from_starting() {
    match with_attempts(Plan::quickstart()).replace("leave_state", "leave_status").try_start().await
    {
        Err(HarnessError::Ended { log, .. }) => {
            assert!(log.contains("weir.attempt: ") && log.contains("`leave_status`"), "{log}");
        }
        Err(other) => panic!("{other}"),
        Ok(_) => panic!("it was taken"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn without_configuration_nothing_is_left_for_access_logs() {
    let configuration = concat!(
        "              configuration:\n",
        "                \"@type\": type.googleapis.com/google.protobuf.Struct\n",
        "                value: {leave_state: true}\n",
    );
    let stack = with_attempts(Plan::quickstart()).replace(configuration, "").start().await;
    let reply = stack.send(chat(LLAMA, "x")).await;
    assert_eq!((reply.status, reply.header("x-attempts")), (200, ""));
    wait_for(&stack, "2xx", 1).await;
}
