//! What has to work.

use serde_json::{Value, json};

use super::timeouts;
use crate::case::{Case, Seen, Wrong, expect};
use crate::error::Error;
use crate::stack::{ENVOYS, Stack};

/// Where clients send chats.
pub(crate) const CHAT: &str = "http://gateway:10000/v1/chat/completions";

const GROUP: &str = "positive";

pub(super) const CASES: [Case; 6] = [
    Case::new(GROUP, "a chat with a model of each pool", "200 from that pool, twice", chats),
    Case::new(GROUP, "requests are placed by load", "picks with basis load in Envoy", by_load),
    Case::new(
        GROUP,
        "a stream with a silent gap of 3 s",
        "200, whole to its [DONE], a gap of more than 2 s",
        |stack| gaps(stack, 3, 2),
    ),
    Case::new(
        GROUP,
        "the timeouts, from both Envoys' config_dump",
        "none ends a stream that is silent for 300 s",
        |stack| {
            let pages = ENVOYS.map(|envoy| stack.admin(envoy, "config_dump", "GET"));
            let mut seen = Vec::new();
            for page in pages {
                seen.push(timeouts::of_dump(&page?).map_err(Wrong::Seen)?);
            }
            Ok(seen.join("\n"))
        },
    ),
    Case::new(
        GROUP,
        "the sidecar reads Envoy's metrics, and nothing else of its admin page",
        "200 for /stats/prometheus, 404 for /config_dump and /quitquitquit",
        metrics,
    ),
    Case::new(
        GROUP,
        "a stream with a silent gap of 301 s",
        "200, whole to its [DONE], a gap of more than 300 s",
        |stack| gaps(stack, 301, 300),
    )
    .nightly(),
];

/// Sends a chat from the client's container.
pub(crate) fn chat(
    stack: &Stack,
    model: &str,
    prompt: &str,
    headers: &[&str],
) -> Result<Value, Error> {
    let body = body(model, prompt, false);
    let mut words = vec!["request", CHAT, "--body", &body];
    headers.iter().for_each(|header| words.extend(["--header", header]));
    stack.probe("client", &words)
}

/// The body of a chat.
pub(crate) fn body(model: &str, prompt: &str, stream: bool) -> String {
    let messages = json!([{"role": "user", "content": prompt}]);
    json!({"model": model, "stream": stream, "messages": messages}).to_string()
}

/// The member of a response's body, which is JSON.
pub(crate) fn member(reply: &Value, pointer: &str) -> String {
    let body = reply["body"].as_str().unwrap_or_default();
    let body: Value = serde_json::from_str(body).unwrap_or_default();
    body.pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_owned()
}

fn chats(stack: &Stack) -> Seen {
    let mut seen = Vec::new();
    for (asked, served) in
        [("gpt-4o-mini", "llama-3.1-8b-instruct"), ("qwen", "qwen2.5-7b-instruct")]
    {
        let reply = chat(stack, asked, "Hello", &[])?;
        let (status, model) = (&reply["status"], member(&reply, "/model"));
        seen.push(format!("{asked}: {status} by {model}"));
        if *status != 200 || model != served {
            return expect(false, seen.join(", "));
        }
    }
    Ok(seen.join(", "))
}

fn by_load(stack: &Stack) -> Seen {
    for turn in 0..3 {
        chat(stack, "qwen", &format!("Number {turn}"), &[])?;
    }
    let mut picks = 0;
    for envoy in ENVOYS {
        picks += stack.counter(envoy, "weir_picks_total.basis.load")?;
    }
    expect(picks > 0, format!("{picks} picks with basis load"))
}

/// A request for a stream of two events, and the largest frame with which it has two.
fn two_events() -> (Value, usize) {
    let chunk = |delta: Value, finish: Value| {
        let choice = json!({"index": 0, "delta": delta, "finish_reason": finish});
        let chunk = json!({"id": "chatcmpl-gap", "object": "chat.completion.chunk", "created": 1,
            "model": "qwen2.5-7b-instruct", "choices": [choice]});
        format!("data: {chunk}\n\n")
    };
    let first = chunk(json!({"role": "assistant", "content": "I have thought. "}), Value::Null);
    let rest = chunk(json!({"content": "Yes."}), "stop".into()) + "data: [DONE]\n\n";
    let raw = json!({"headers": [["content-type", "text/event-stream"]], "body": format!("{first}{rest}")});
    let body = json!({"model": "qwen", "stream": true, "weir_reply": {"raw": raw},
        "messages": [{"role": "user", "content": "Think before you answer"}]});
    (body, first.len().max(rest.len()))
}

/// A stream with silence in its middle.
fn gaps(stack: &Stack, seconds: u64, least: u64) -> Seen {
    let (body, frame) = two_events();
    let (body, frame) = (body.to_string(), format!("x-weir-frame-bytes: {frame}"));
    let delay = format!("x-weir-frame-delay-ms: {}", seconds * 1000);
    let silence = (seconds + 60).to_string();
    let words = [
        "request",
        CHAT,
        "--body",
        &body,
        "--silence-s",
        &silence,
        "--header",
        &delay,
        "--header",
        &frame,
    ];
    let reply = stack.probe("client", &words)?;
    let gap = reply["longest_gap_ms"].as_u64().unwrap_or_default();
    let done = reply["body"].as_str().is_some_and(|body| body.ends_with("data: [DONE]\n\n"));
    let whole = done && reply["complete"] == true;
    let seen =
        format!("{}, {}, a gap of {gap} ms", reply["status"], if whole { "whole" } else { "cut" });
    expect(reply["status"] == 200 && whole && gap > least * 1000, seen)
}

fn metrics(stack: &Stack) -> Seen {
    let mut seen = Vec::new();
    let mut right = true;
    for (path, status) in [("stats/prometheus", 200), ("config_dump", 404), ("quitquitquit", 404)] {
        let url = format!("http://envoy-a-management:10002/{path}");
        let method = if path == "quitquitquit" { "POST" } else { "GET" };
        let reply = stack.probe("sidecar", &["request", &url, "--method", method])?;
        right &= reply["status"] == status;
        let body = reply["body"].as_str().unwrap_or_default();
        // It has had a snapshot before the tests began.
        let shows = body.contains("weir_intake_accepted_total");
        right &= shows == (status == 200);
        if shows {
            seen.push("Weir's metrics".to_owned());
        }
        seen.push(format!("{path}: {}", reply["status"]));
    }
    expect(right, seen.join(", "))
}
