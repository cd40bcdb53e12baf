//! A budget by the calendar: spent, topped up and reset through `weir limits`, over two Envoys and one real Redis.

use std::process::{Command, Output};
use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};
use weir_harness::{Reply, Request, Sidecar, workspace};

use crate::fleet_of_envoys::{FleetOfEnvoys, is_refused};
use crate::stack::{KEY, KEY_VARIABLE, LLAMA, Stack, eventually};
use crate::token_limits::{ann, chat_of, usage};

/// Tokens of a day.
const BUDGET: f64 = 3_000.0;

/// What each gateway may spend of it before its first grant.
const FIRST: f64 = 100.0;

/// A zone in which it is about noon, so that no day ends during a test.
fn offset_of_noon() -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    let hours = 12 - (now / 3_600 % 24) as i64;
    format!("{}{:02}:00", if hours < 0 { '-' } else { '+' }, hours.abs())
}

async fn fleet() -> FleetOfEnvoys {
    let limits = json!([{"name": "key-day", "per": ["consumer"], "tokens": BUDGET as u64, "window": format!("day{}", offset_of_noon()),
        "reserve": "full", "scope": "fleet", "first": FIRST as u64,
        "on_unavailable": "deny"}]);
    FleetOfEnvoys::with_limits(2, &limits).await
}

/// Asks until the quota is said to be spent, and answers with that, and with the tokens that were served.
async fn exhausted(stack: &Stack) -> (Reply, f64) {
    let mut spent = 0.0;
    let refusal = eventually("the quota is spent", async || {
        let reply = stack.send(ann(100)).await;
        match reply.status {
            200 => spent += usage(&reply),
            429 => {
                let spent = reply.json().unwrap()["error"]["code"] == "insufficient_quota";
                return spent.then_some(reply);
            }
            _ if is_refused(&reply) => {}
            other => panic!("{other}: {}", reply.text()),
        }
        None
    });
    (refusal.await, spent)
}

async fn admitted(stack: &Stack, what: &str) -> f64 {
    let reply = eventually(what, async || {
        let reply = stack.send(ann(100)).await;
        (reply.status == 200).then_some(reply)
    });
    usage(&reply.await)
}

/// Runs `weir limits` against a sidecar.
fn weir(sidecar: &Sidecar, arguments: &[&str], key: &str) -> Output {
    let mut command = Command::new(workspace::binary("weir").unwrap());
    command.arg("limits").args(arguments).args(["--sidecar", &sidecar.address().to_string()]);
    command.env(KEY_VARIABLE, key).output().unwrap()
}

/// What it prints, as JSON.
fn told(sidecar: &Sidecar, arguments: &[&str]) -> Value {
    let output = weir(sidecar, &[arguments, &["--json"]].concat(), KEY);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_consumer_runs_into_its_quota_is_topped_up_and_reset() {
    let mut fleet = fleet().await;
    let (refusal, spent) = exhausted(&fleet.stacks[0]).await;
    assert!((BUDGET - 250.0..=BUDGET + 2.0 * FIRST).contains(&spent), "{spent}");
    let wait: u64 = refusal.header("retry-after").parse().unwrap();
    assert!((10 * 3_600..=13 * 3_600).contains(&wait), "{wait} s to midnight");
    assert_eq!(refusal.header("x-should-retry"), "false");
    assert_eq!(refusal.header("x-ratelimit-limit-tokens"), "3000");
    let left: f64 = refusal.header("x-ratelimit-remaining-tokens").parse().unwrap();
    assert!(left < 250.0, "{left}");
    assert_eq!(refusal.json().unwrap()["error"]["type"], "insufficient_quota");
    // In the other dialect, and by the other Envoy, which may first give what a gateway may have before its first grant.
    let (_, more) = exhausted(&fleet.stacks[1]).await;
    let message = Request::post("/v1/messages").header("x-api-key", "key-of-ann").json(&json!({
        "model": LLAMA, "max_tokens": 500, "messages": [{"role": "user", "content": "Hi"}]}));
    let reply = fleet.stacks[1].send(message).await;
    let error = reply.json().unwrap()["error"].clone();
    assert_eq!((reply.status, &error["type"]), (429, &json!("rate_limit_error")), "{error}");
    assert_eq!(error["details"]["error_code"], "enforced_spend_limit_reached");
    for script in ["quota_openai.py", "quota_anthropic.py"] {
        let base = format!("http://{}", fleet.stacks[0].envoy.clients());
        let output = crate::clients::run(script, base).await;
        assert!(output.status.success(), "{script}: {}", String::from_utf8_lossy(&output.stderr));
    }
    // Another consumer has a budget of its own.
    assert_eq!(fleet.stacks[0].send(chat_of("key-of-bob", 5, 5, false)).await.status, 200);
    let shown = told(&fleet.sidecars[1], &["show", "key-day", "ann"]);
    assert_eq!(shown["known"], true, "{shown}");
    let charged = shown["spent"].as_f64().unwrap();
    assert!((charged - spent - more).abs() < 1.0, "{shown}, {spent} and {more} spent");
    // Twice with one id adds once; either sidecar takes it.
    let top_up = ["top-up", "key-day", "ann", "--by", "400", "--id", "00000000000000aa"];
    assert_eq!(told(&fleet.sidecars[0], &top_up)["carried_out"], true);
    let again = told(&fleet.sidecars[1], &top_up);
    assert_eq!((&again["carried_out"], &again["topped_up"]), (&json!(false), &json!(400.0)));
    // What was too much is taken back, and no more than was added.
    let more_by = |amount| told(&fleet.sidecars[1], &["top-up", "key-day", "ann", "--by", amount]);
    assert_eq!(more_by("50")["topped_up"], 450.0);
    assert_eq!(
        (&more_by("-50")["added"], &more_by("0.001")["topped_up"]),
        (&json!(-50.0), &json!(400.001))
    );
    let mut spent = spent + more + admitted(&fleet.stacks[0], "the top-up admits").await;
    spent += exhausted(&fleet.stacks[0]).await.1 + exhausted(&fleet.stacks[1]).await.1;
    assert!(spent <= BUDGET + 400.0 + 2.0 * FIRST, "{spent}");
    let reset = told(&fleet.sidecars[0], &["reset", "key-day", "ann"]);
    assert!(reset["carried_out"] == true && reset["spent"] == 0.0, "{reset}");
    admitted(&fleet.stacks[1], "the reset admits").await;
    nobody_is_named(&mut fleet).await;
    fleet.assert_no_trap().await;
}

/// Neither Redis nor a log says who it was.
async fn nobody_is_named(fleet: &mut FleetOfEnvoys) {
    for key in fleet.redis[0].ask("KEYS *").await.unwrap() {
        let stored = fleet.redis[0].ask(&format!("HGETALL {key}")).await.unwrap().join(" ");
        assert!(!key.contains("ann") && !stored.contains("ann"), "{key} {stored}");
    }
    let log = fleet.sidecars[0].process().log();
    assert!(log.contains("top-up") && log.contains("00000000000000aa"), "{log}");
    assert!(!log.split_whitespace().any(|word| word.contains("\"ann\"") || word == "ann"), "{log}");
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_without_the_key_changes_or_sees_a_quota() {
    let fleet = fleet().await;
    let (stack, sidecar) = (&fleet.stacks[0], &fleet.sidecars[0]);
    assert_eq!(stack.send(ann(20)).await.status, 200);
    let listed = weir(sidecar, &["list"], KEY);
    let listed = String::from_utf8(listed.stdout).unwrap();
    assert!(
        listed.starts_with("key-day: 3000 tokens a day, afresh each day at 00:00 (UTC"),
        "{listed}"
    );
    let few = weir(sidecar, &["show", "key-day"], KEY);
    let error = String::from_utf8(few.stderr).unwrap();
    assert!(error.contains("key-day goes by 1 of them (its `per`), and 0 came"), "{error}");
    for arguments in [
        &["list"][..],
        &["show", "key-day", "ann"],
        &["top-up", "key-day", "ann", "--by", "5"],
        &["reset", "key-day", "ann"],
    ] {
        let output = weir(sidecar, arguments, "another key of at least 16 bytes");
        let error = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{error}");
        assert!(error.contains("does not match the request") && !error.contains("ann"), "{error}");
    }
    let unsigned = json!({"id": "00000000000000bb", "action": "top-up", "limit": "key-day", "per": ["ann"],
        "amount": 1_000});
    let request = Request::post("/limits").json(&unsigned);
    let reply = stack.http.send(sidecar.address(), request).await.unwrap();
    assert_eq!((reply.status, &reply.json().unwrap()["error"]["code"]), (401, &json!("unsigned")));
    let reply = stack.http.send(sidecar.address(), Request::get("/limits")).await.unwrap();
    assert_eq!(reply.status, 401);
    let shown = told(sidecar, &["show", "key-day", "ann"]);
    assert_eq!(shown["topped_up"], 0.0, "{shown}");
    let unknown = weir(sidecar, &["show", "no-such", "ann"], KEY);
    let error = String::from_utf8(unknown.stderr).unwrap();
    assert!(error.contains("has a limit of that name") && error.contains("404"), "{error}");
    assert!(error.contains("there are: key-day"), "{error}");
    let stranger = weir(sidecar, &["show", "key-day", "nobody-knows"], KEY);
    let text = String::from_utf8(stranger.stdout).unwrap();
    assert!(text.starts_with("nothing was known of this key"), "{text}");
    let metrics =
        stack.http.send(sidecar.address(), Request::get("/metrics")).await.unwrap().text();
    assert!(
        metrics.contains("weir_sidecar_limit_commands_total{limit=\"key-day\",action=\"show\"} 2"),
        "{metrics}"
    );
    assert!(metrics.contains("weir_sidecar_limit_commands_refused_total 8"), "{metrics}");
}
