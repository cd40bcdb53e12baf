//! Load that replicas report with their responses (ORCA), in real Envoy.

use std::collections::BTreeSet;

use serde_json::{Value, json};
use weir_harness::Request;

use crate::stack::{LLAMA, Plan, Stack, chat, echoed, eventually};

const FORMAT: &str = "endpoint-load-metrics-format";
const REPORT: &str = "endpoint-load-metrics";

/// One worker, because each knows what came back to itself; views that a test pushes once stay fresh.
fn asking(plan: Plan, format: &str) -> Plan {
    let orca = format!("alternates: 2, orca: {format},");
    plan.one_worker().long_fresh().replace("alternates: 2,", &orca)
}

/// Lets replica `index` answer with this report, whatever it is asked.
async fn reports(stack: &Stack, index: usize, report: &str) {
    let raw = json!({
        "headers": [["content-type", "application/json"], [REPORT, report]],
        "body": r#"{"id":"1","choices":[]}"#,
    });
    let request = Request::post("/_weir/reply").json(&json!({"raw": raw}));
    let reply = stack.http.send(stack.llama(index), request).await.unwrap();
    assert_eq!(reply.status, 200, "{}", reply.text());
}

/// Where prompts go that have nothing in common.
async fn spread(stack: &Stack, what: &str) -> BTreeSet<String> {
    let mut replicas = BTreeSet::new();
    for index in 0..24 {
        let text = format!("{index} {what} {}", "something else each time ".repeat(20 + index));
        let body = json!({"model": LLAMA, "messages": [{"role": "user", "content": text}]});
        let reply = stack.send(Request::post("/v1/chat/completions").json(&body)).await;
        assert_eq!(reply.status, 200);
        replicas.insert(reply.header("x-weir-replica").to_owned());
    }
    replicas
}

#[tokio::test(flavor = "multi_thread")]
async fn replicas_are_asked_for_their_load_and_clients_see_of_that_only_what_they_asked_for() {
    for (plan, format, shown) in
        [(Plan::quickstart(), "json", "JSON"), (Plan::one_filter(), "text", "TEXT")]
    {
        let stack = asking(plan, format).start().await;
        assert_eq!(stack.push(|_, _| ()).await.status, 200);
        let reply = stack.send(chat(LLAMA, "Hello")).await;
        let echo = &reply.json().unwrap()["weir_echo"];
        assert_eq!(echoed(echo, FORMAT), shown);
        assert_eq!(reply.header(REPORT), "");
        let reply = stack.send(chat(LLAMA, "Hello").header(FORMAT, "TEXT")).await;
        let echo = &reply.json().unwrap()["weir_echo"];
        assert_eq!(echoed(echo, FORMAT), "TEXT");
        assert!(reply.header(REPORT).starts_with("TEXT named_metrics."), "{:?}", reply.headers);
        assert_eq!(stack.stat("weir_load_reports_total.outcome.merged").await, 2);
        stack.assert_no_trap().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_queue_that_a_replica_reports_keeps_requests_away_until_the_sidecar_knows_better() {
    for (plan, format, report) in [
        (Plan::quickstart(), "json", r#"JSON {"named_metrics":{"num_requests_waiting":900}}"#),
        (Plan::one_filter(), "text", "TEXT named_metrics.num_requests_waiting=900"),
    ] {
        let stack = asking(plan, format).start().await;
        assert_eq!(stack.push(|_, _| ()).await.status, 200);
        let busy = stack.llama(1).to_string();
        reports(&stack, 1, report).await;
        // One of these goes there, and says so.
        assert!(spread(&stack, "before").await.contains(&busy));
        let after = spread(&stack, "after").await;
        assert!(after.len() == 2 && !after.contains(&busy), "{after:?} with {busy}");
        // Measured later than that, and idle; it would say the same again.
        reports(&stack, 1, "TEXT named_metrics.num_requests_waiting=0").await;
        assert_eq!(stack.push(|_, _| ()).await.status, 200);
        eventually("the newer measurement counts", async || {
            spread(&stack, "measured").await.contains(&busy).then_some(())
        })
        .await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn reports_that_cannot_be_read_are_counted_and_fail_no_request() {
    let stack = asking(Plan::one_filter(), "json").start().await;
    assert_eq!(stack.push(|_, _| ()).await.status, 200);
    let long = format!("JSON {{\"named_metrics\":{{{}", "\"a\":1,".repeat(4000));
    let odd: [&str; 5] = [
        "JSON",
        "JSON {\"named_metrics\":{\"num_requests_waiting\":-1}}",
        "TEXT named_metrics.kv_cache_usage_perc=inf",
        "BIN CgIIAQ==",
        &long,
    ];
    for report in odd {
        for index in [0, 1, 2] {
            reports(&stack, index, report).await;
        }
        let reply = stack.send(chat(LLAMA, "Hello")).await;
        assert_eq!((reply.status, reply.header(REPORT)), (200, ""));
    }
    let malformed = stack.stat("weir_load_reports_total.outcome.malformed").await;
    assert_eq!(malformed, odd.len() as u64);
    assert_eq!(stack.envoy.log().matches("cannot be read").count(), 1);
    stack.assert_no_trap().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_the_setting_nobody_is_asked() {
    let stack = Plan::quickstart().long_fresh().start().await;
    assert_eq!(stack.push(|_, _| ()).await.status, 200);
    let reply = stack.send(chat(LLAMA, "Hello")).await;
    let echo: &Value = &reply.json().unwrap()["weir_echo"];
    assert_eq!(echoed(echo, FORMAT), "");
    assert_eq!(stack.stat("weir_load_reports_total").await, 0);
}
