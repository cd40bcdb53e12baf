//! `/limits`: who may see and change what keys of a fleet's limits may spend.

use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};
use weir_harness::Redis;
use weir_snapshot::limit_commands::{MAX_COMMAND_BYTES, PATH};
use weir_snapshot::signature::{HEADER, TIME_HEADER, sign_command, sign_look};

use crate::support::{Intake, Sidecar, eventually, exchange, yaml};

const KEY: &[u8] = b"0123456789abcdef";
const SECOND: &[u8] = b"fedcba9876543210";

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()
}

/// Status and error code of the answer.
async fn ask(sidecar: &Sidecar, method: &str, headers: &str, body: &str) -> (u16, String) {
    let length = body.len();
    let request = format!(
        "{method} {PATH} HTTP/1.1\r\nhost: test\r\nconnection: close\r\ncontent-length: {length}\r\n{headers}\r\n{body}"
    );
    let (status, answer) = exchange(sidecar.daemon.address(), &request).await;
    let answer: Value = serde_json::from_str(&answer).unwrap();
    (status, answer["error"]["code"].as_str().unwrap_or_default().to_owned())
}

fn signed(time: u64, signature: &str) -> String {
    format!("{TIME_HEADER}: {time}\r\n{HEADER}: {signature}\r\n")
}

fn command(key: &[u8], time: u64, body: &str) -> String {
    signed(time, &sign_command(key, PATH, time, body.as_bytes()))
}

fn look(key: &[u8], time: u64) -> String {
    signed(time, &sign_look(key, PATH, time))
}

/// A sidecar of an intake that says nothing of limits, with both keys and this Redis.
async fn sidecar(intake: &Intake, redis: Option<&Redis>) -> (Sidecar, tempfile::TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let mut more = String::new();
    for (field, name, key) in
        [("signing_key_file", "first", KEY), ("second_key_file", "second", SECOND)]
    {
        let path = folder.path().join(name);
        std::fs::write(&path, key).unwrap();
        more += &format!("{field}: {}\n", path.display());
    }
    if let Some(redis) = redis {
        more += &format!("redis: {{urls: ['{}']}}\n", redis.url());
    }
    (Sidecar::start(&yaml(&[([127, 0, 0, 1], 1).into()], &[&intake.target], &more)).await, folder)
}

#[tokio::test]
async fn nobody_without_the_key_of_pushes_is_let_in_and_both_keys_are_good() {
    let intake = Intake::tcp().await;
    let redis = Redis::start(&[]).unwrap();
    let (sidecar, _folder) = sidecar(&intake, Some(&redis)).await;
    let body = json!({"id": "0123456789abcdef", "action": "reset", "limit": "x", "per": ["ann"]});
    let body = body.to_string();
    let time = now();
    for (what, method, headers) in [
        ("no signature", "POST", String::new()),
        ("no signature", "GET", String::new()),
        ("another key", "POST", command(b"another key of 16", time, &body)),
        ("another body", "POST", command(KEY, time, "{}")),
        ("too long ago", "POST", command(KEY, time - 60, &body)),
        ("a look is no command", "POST", look(KEY, time)),
        ("a command is no look", "GET", command(KEY, time, "")),
        ("of another path", "GET", signed(time, &sign_look(KEY, "/weir/v1/snapshot", time))),
    ] {
        let answer =
            ask(&sidecar, method, &headers, if method == "POST" { &body } else { "" }).await;
        assert_eq!(answer, (401, "unsigned".to_owned()), "{what}");
    }
    for key in [KEY, SECOND] {
        assert_eq!(ask(&sidecar, "GET", &look(key, now()), "").await, (200, String::new()));
        let answer = ask(&sidecar, "POST", &command(key, now(), &body), &body).await;
        assert_eq!(answer, (404, "unknown_limit".to_owned()));
    }
    let odd = r#"{"id":"0123456789abcdef","action":"pay","limit":"x","per":["ann"]}"#;
    let answer = ask(&sidecar, "POST", &command(KEY, now(), odd), odd).await;
    assert_eq!(answer, (400, "malformed".to_owned()));
    let long = "x".repeat(MAX_COMMAND_BYTES + 1);
    let answer = ask(&sidecar, "POST", &command(KEY, now(), &long), &long).await;
    assert_eq!(answer, (400, "unreadable".to_owned()));
    assert_eq!(ask(&sidecar, "PUT", "", "").await, (405, "method_not_allowed".to_owned()));
    let metrics = sidecar.get("/metrics").await.1;
    assert!(metrics.contains("weir_sidecar_limit_commands_refused_total 11\n"), "{metrics}");
    sidecar.daemon.stop().await;
}

#[tokio::test]
async fn a_sidecar_without_a_key_or_without_redis_takes_no_commands() {
    let intake = Intake::tcp().await;
    let open = Sidecar::start(&yaml(&[([127, 0, 0, 1], 1).into()], &[&intake.target], "")).await;
    for (method, headers) in [("POST", command(b"", now(), "{}")), ("GET", look(b"", now()))] {
        let body = if method == "POST" { "{}" } else { "" };
        assert_eq!(ask(&open, method, &headers, body).await, (403, "no_key".to_owned()));
    }
    open.daemon.stop().await;
    let (alone, _folder) = sidecar(&intake, None).await;
    assert_eq!(ask(&alone, "GET", &look(KEY, now()), "").await, (409, "no_redis".to_owned()));
    let answer = ask(&alone, "POST", &command(KEY, now(), "{}"), "{}").await;
    assert_eq!(answer, (409, "no_redis".to_owned()));
    eventually("alive", async || (alone.get("/healthz").await.0 == 200).then_some(())).await;
    alone.daemon.stop().await;
}
