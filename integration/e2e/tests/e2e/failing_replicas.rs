//! One of five replicas fails: how many requests reach it, and how many fail because of it.

use std::time::Duration;

use serde_json::json;
use weir_harness::{HttpClient, Request, run_concurrently};
use weir_replica::{FailureMode, Timing};

use crate::attempts::with_attempts;
use crate::stack::{LLAMA, Plan, Stack};

/// Requests in all, as in the measurement that found the fault.
const REQUESTS: usize = 960;
/// At once.
const CLIENTS: usize = 12;
/// Of the attempts after the beginning, so many in a hundred may reach the bad replica.
const MOST_PERCENT: u64 = 2;

/// Five replicas that take some 50 ms for an answer, so that the load lasts for seconds.
fn five(plan: Plan) -> Plan {
    plan.long_fresh().five_replicas().replicas(|settings| {
        settings.timing = Timing { scale: 0.5, ..Timing::default() };
        settings.output_tokens = 4;
    })
}

fn without_retries(plan: Plan) -> Plan {
    plan.replace("num_retries: 2", "num_retries: 0")
}

/// Turns of conversations that share one of three system prompts; half of them as streams.
pub(crate) fn turn(index: usize) -> Request {
    let system = format!("system prompt {} ", index % 3).repeat(60);
    let question = format!("conversation {} asks ", index % 40).repeat(index % 7 + 1);
    Request::post("/v1/chat/completions").json(&json!({
        "model": LLAMA, "stream": index.is_multiple_of(2),
        "messages": [{"role": "system", "content": system}, {"role": "user", "content": question}],
    }))
}

/// Attempts that Envoy has made at a replica, those that found nobody included.
async fn attempts_at(stack: &Stack, index: usize) -> u64 {
    let page = stack.envoy.ask("/clusters").await.unwrap().text();
    let count = |stat: &str| -> u64 {
        let line = format!("llama::{}::{stat}::", stack.llama(index));
        let value = page.lines().find_map(|found| found.strip_prefix(&line)).unwrap();
        value.parse().unwrap()
    };
    count("rq_total") + count("cx_connect_fail")
}

async fn all_attempts(stack: &Stack) -> u64 {
    let mut sum = 0;
    for index in 0..5 {
        sum += attempts_at(stack, index).await;
    }
    sum
}

/// Requests that have come to a replica, as the replica counts.
fn seen_by(stack: &Stack, index: usize) -> u64 {
    stack.llama.replicas()[index].requests()
}

fn seen_by_all(stack: &Stack) -> u64 {
    (0..5).map(|index| seen_by(stack, index)).sum()
}

/// Sends requests `from..to`; answers with how many failed.
async fn failures(stack: &Stack, from: usize, to: usize) -> usize {
    let statuses = run_concurrently(CLIENTS, to - from, |index| {
        let address = stack.envoy.clients();
        async move {
            let reply = HttpClient::http1().send(address, turn(from + index)).await;
            reply.is_ok_and(|reply| reply.status == 200 && reply.complete)
        }
    });
    statuses.await.into_iter().filter(|served| !served).count()
}

/// Replica 1 fails for all of the load: few attempts may reach it after the first 120 requests and `beginning`. Answers
/// with how many requests failed until then and after it.
async fn measure(plan: Plan, mode: FailureMode, beginning: Duration) -> (usize, usize) {
    let stack = plan.start().await;
    assert_eq!(stack.push(|_, _| ()).await.status, 200);
    stack.llama.replicas()[1].set_failure(mode).await;
    let (early, ()) = tokio::join!(failures(&stack, 0, 120), tokio::time::sleep(beginning));
    let before = (attempts_at(&stack, 1).await, all_attempts(&stack).await);
    let seen_before = (seen_by(&stack, 1), seen_by_all(&stack));
    let late = failures(&stack, 120, REQUESTS).await;
    let bad = attempts_at(&stack, 1).await - before.0;
    let all = all_attempts(&stack).await - before.1;
    println!(
        "{mode:?}: {early} of the first 120 requests failed, {late} of the others; {bad} of their {all} attempts reached the bad replica, {} before",
        before.0
    );
    assert!(bad * 100 <= MOST_PERCENT * all, "{mode:?}: {bad} of {all} attempts");
    let (seen, of) = (seen_by(&stack, 1) - seen_before.0, seen_by_all(&stack) - seen_before.1);
    println!("{mode:?}: the replicas have seen {of} requests, the bad one {seen} of them");
    assert!(seen * 100 <= MOST_PERCENT * of, "{mode:?}: {seen} of {of} requests");
    // Who refuses connections sees nothing; else Envoy and the replicas count the same.
    assert!(mode == FailureMode::Refuse || (seen, of) == (bad, all), "{mode:?}: {bad} of {all}");
    stack.wait_for_in_flight(0).await;
    stack.assert_no_trap().await;
    (early, late)
}

const ONE_SECOND: Duration = Duration::from_secs(1);

#[tokio::test(flavor = "multi_thread")]
async fn no_request_fails_for_a_replica_that_answers_500_where_there_are_retries() {
    for plan in [five(Plan::one_filter()), five(with_attempts(Plan::quickstart()))] {
        let (early, late) = measure(plan, FailureMode::Error500, ONE_SECOND).await;
        assert_eq!((early, late), (0, 0));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn only_trials_fail_for_a_replica_that_answers_500_where_there_are_no_retries() {
    for plan in [five(Plan::one_filter()), five(with_attempts(Plan::quickstart()))] {
        let (_, late) = measure(without_retries(plan), FailureMode::Error500, ONE_SECOND).await;
        assert!(late as u64 * 100 <= MOST_PERCENT * 840, "{late} of 840");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_request_fails_for_a_replica_that_resets_or_refuses_connections() {
    for mode in [FailureMode::Reset, FailureMode::Refuse] {
        for plan in [five(Plan::one_filter()), five(with_attempts(Plan::quickstart()))] {
            assert_eq!(measure(plan, mode, ONE_SECOND).await, (0, 0));
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replica_that_hangs_costs_some_requests_the_time_limit_of_an_attempt_and_none_a_failure()
{
    let limit = "num_retries: 2\n                per_try_timeout: 3s";
    for plan in [five(Plan::one_filter()), five(with_attempts(Plan::quickstart()))] {
        let plan = plan.replace("num_retries: 2", limit);
        let (early, late) = measure(plan, FailureMode::Hang, ONE_SECOND).await;
        assert_eq!((early, late), (0, 0));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replica_that_serves_again_is_taken_back() {
    let stack = five(Plan::one_filter()).start().await;
    assert_eq!(stack.push(|_, _| ()).await.status, 200);
    let bad = &stack.llama.replicas()[1];
    bad.set_failure(FailureMode::Error500).await;
    assert_eq!(failures(&stack, 0, 100).await, 0);
    bad.set_failure(FailureMode::None).await;
    let before = attempts_at(&stack, 1).await;
    let mut sent = 100;
    // Single trials lead back, and then the load: a fifth of the requests would be 60 of 300.
    while attempts_at(&stack, 1).await < before + 30 {
        assert_eq!(failures(&stack, sent, sent + 50).await, 0);
        sent += 50;
        assert!(sent < 4000, "{} attempts of {sent}", attempts_at(&stack, 1).await - before);
    }
    stack.wait_for_in_flight(0).await;
}
