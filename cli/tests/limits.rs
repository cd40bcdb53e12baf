//! `weir limits explain`: a policy in words, and what a request would be charged.
#![allow(clippy::unwrap_used, reason = "helpers of tests fail the test")]

use std::path::Path;
use std::process::{Command, Output};

const POLICY: &str = r#"
policies:
  default:
    prices:
    - {model: "*", prompt: 2.5, cached: 1.25, completion: 10}
    limits:
    - {name: key-minute, per: [consumer], tokens: 20000, window: 1m, burst: 30000, weights: {cached: 0.1}}
    - {name: team-day, per: ["claim:team"], cost: 5, window: 1d, reserve: full, on_exceed: downgrade(llama-8b)}
    - {name: calls, per: [client-ip], concurrent: 8, unidentified: exempt, models: ["gpt-4*"]}
  fleet:
    limits:
    - {name: all, requests: 100, window: 1m, scope: fleet}
    - {name: few, tokens: 1000, window: 1m, scope: fleet, first: 10, share: 0.25}
    - {name: none, requests: 9, window: 1m, scope: fleet, on_unavailable: deny}
  quota:
    limits:
    - {name: month, per: [consumer], cost: 50, window: "month-03:30", scope: fleet}
    - {name: week, requests: 9, window: week, scope: fleet, on_exceed: shadow}
    prices: [{model: "*", prompt: 1, completion: 2}]
  batch:
    limits:
    - {name: batch, requests: 60, window: 1m, on_exceed: shadow}
"#;

fn explain(folder: &Path, policy: &str, more: &[&str]) -> Output {
    std::fs::write(folder.join("policy.yaml"), policy).unwrap();
    let mut weir = Command::new(env!("CARGO_BIN_EXE_weir"));
    weir.args(["limits", "explain", "policy.yaml"]).args(more).current_dir(folder).output().unwrap()
}

fn explained(more: &[&str]) -> String {
    let folder = tempfile::tempdir().unwrap();
    let body = r#"{"model":"gpt-4o","max_tokens":100,"n":2,"messages":[{"role":"user","content":"hi there"}]}"#;
    std::fs::write(folder.path().join("body.json"), body).unwrap();
    let output = explain(folder.path(), POLICY, more);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn a_policy_is_told_in_words() {
    let text = explained(&[]);
    for line in [
        "A request has to pass all of 3 limits that apply to it, or is charged to none.",
        "key-minute: 20000 tokens in 1m0s for each consumer",
        "  at once: up to 30000 tokens; what was spent comes back evenly, all of it in 1m30s",
        "  counts: a prompt token as 1, a cached one as 0.1, a completion token as 1, one of reasoning as 1",
        "  reserves: the prompt, and what nine of ten completions of the same key stay below, at most max_tokens (512 tokens until one was seen)",
        "team-day: a cost of 5 in 24h0m0s for each value of the claim team",
        "  reserves: the prompt, and all of max_tokens (without max_tokens what was learned, at first 512 tokens)",
        "  beyond it: sent to llama-8b instead, if that is within its limits",
        "calls: 8 requests at the same time for each client address, of the models gpt-4*",
        "  who cannot be told: is not limited by it",
    ] {
        assert!(text.lines().any(|found| found == line), "{line}\n{text}");
    }
    let batch = explained(&["--policy-name", "batch"]);
    assert!(
        batch.starts_with("A request has to pass one limit.\n\nbatch: 60 requests in 1m0s for all")
    );
}

#[test]
fn of_a_limit_of_a_fleet_the_bound_and_what_happens_without_redis_are_told() {
    let text = explained(&["--policy-name", "fleet"]);
    for line in [
        "  shared by all gateways through Redis: together they are over it by at most 5 requests each, and what requests use beyond what was reserved",
        "  shared by all gateways through Redis: together they are over it by at most 10 tokens each, and what requests use beyond what was reserved",
        "  while Redis cannot be reached: admits what is granted, and this gateway's share of the limit (one by the number of gateways)",
        "  while Redis cannot be reached: admits what is granted, and this gateway's share of the limit (25 %)",
        "  while Redis cannot be reached: admits what is granted, and nothing more",
    ] {
        assert!(text.lines().any(|found| found == line), "{line}\n{text}");
    }
}

#[test]
fn of_a_budget_by_the_calendar_it_is_told_when_it_starts_afresh() {
    let text = explained(&["--policy-name", "quota"]);
    for line in [
        "month: a cost of 50 a month for each consumer",
        "  at once: all of it; it starts afresh on the first of each month at 00:00 (UTC-03:30), by the clock of Redis",
        "  beyond it: 429 `insufficient_quota` with the time until then",
        "week: 9 requests a week for all requests together",
        "  at once: all of it; it starts afresh on each Monday at 00:00 (UTC+00:00), by the clock of Redis",
        "  beyond it: counted, and admitted without being charged",
    ] {
        assert!(text.lines().any(|found| found == line), "{line}\n{text}");
    }
}

#[test]
fn commands_need_a_key_and_a_sidecar_and_say_so() {
    let weir = |arguments: &[&str], key: &str| {
        let mut weir = Command::new(env!("CARGO_BIN_EXE_weir"));
        let output =
            weir.arg("limits").args(arguments).env("WEIR_INTAKE_KEY", key).output().unwrap();
        assert_eq!(output.status.code(), Some(2));
        String::from_utf8(output.stderr).unwrap()
    };
    let said = weir(&["show", "month", "ann"], "");
    assert!(said.contains("set WEIR_INTAKE_KEY, or give --key-file FILE"), "{said}");
    // A port that nobody listens on any more.
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let said = weir(&["reset", "month", "ann", "--sidecar", &free.to_string()], "0123456789abcdef");
    assert!(said.contains(&format!("weir: sidecar {free}: ")) && !said.contains("ann"), "{said}");
    // It may have arrived.
    assert!(said.contains("to send the very same command again, add `--id "), "{said}");
    let said = weir(&["top-up", "month", "ann"], "0123456789abcdef");
    assert!(said.contains("--by <AMOUNT>"), "{said}");
}

#[test]
fn a_request_is_told_what_it_reserves_and_is_charged() {
    let text = explained(&["--model", "llama", "--prompt-tokens", "1200", "--max-tokens", "500"]);
    for line in [
        "A request for llama with about 1200 prompt tokens, max_tokens 500, 1 choices:",
        "  key-minute: reserves 1700 tokens, which leaves 28300 tokens of a full limit; charged what it uses, 1700 tokens if that is all of max_tokens",
        "  team-day: reserves a cost of 0.008, which leaves a cost of 4.992 of a full limit; charged what it uses, a cost of 0.008 if that is all of max_tokens",
        "  calls: does not apply to this model",
    ] {
        assert!(text.lines().any(|found| found == line), "{line}\n{text}");
    }
    let large = explained(&["--model", "llama", "--prompt-tokens", "30001"]);
    assert!(large.contains("key-minute: reserves 30001 tokens, which is more than the limit ever has (30000 tokens): never admitted"), "{large}");
}

#[test]
fn a_body_is_read_as_the_filters_read_it() {
    let text = explained(&["--request", "body.json"]);
    assert!(
        text.contains(
            "A request for gpt-4o with about 7 prompt tokens, max_tokens 100, 2 choices:"
        ),
        "{text}"
    );
    assert!(text.contains("key-minute: reserves 207 tokens"), "{text}");
    assert!(text.contains("calls: takes 1 of the places until it ends"), "{text}");
}

#[test]
fn a_mistake_is_named_with_file_and_place() {
    let folder = tempfile::tempdir().unwrap();
    for (policy, more, expected) in [
        (
            "limits: [{name: a, tokens: 1}]",
            &[][..],
            "weir: policy.yaml: limits[0].window: is missing",
        ),
        (
            "policies: {default: {limits: [{name: a, tokens: 1, window: 1m}]}, other: {limits: []}}",
            &[][..],
            "weir: policy.yaml: policies.other.limits: 0 limits",
        ),
        (
            POLICY,
            &["--policy-name", "nosuch"][..],
            "there are: batch, default, fleet, quota (--policy-name)",
        ),
        (POLICY, &["--request", "missing.json"][..], "weir: missing.json: "),
        (POLICY, &["--request", "policy.yaml"][..], "weir: policy.yaml: "),
        (
            POLICY,
            &["--request", "policy.yaml", "--path", "/x"][..],
            "/x is no inference API (--path)",
        ),
    ] {
        let output = explain(folder.path(), policy, more);
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{said}");
        assert!(said.contains(expected), "{said}\n{expected}");
    }
}
