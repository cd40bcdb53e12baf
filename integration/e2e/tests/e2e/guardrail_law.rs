//! What the real clients read from guarded streams: what they would have read without the guardrail.

use std::path::PathBuf;
use std::process::Command;

use serde_json::{Value, json};
use weir_harness::{HttpClient, Request, workspace};

use crate::guardrail::{CARD, EMAIL, REDACTING, scripted};
use crate::stack::{LLAMA, Plan, Stack};

/// A policy that counts what it finds, and changes nothing.
const FLAGGING: &str =
    "{rules: [{rules: [pii, secrets, exfil, injection], action: flag}], on_unscannable: flag}";

/// Streams of forms that broke clients, made up.
fn streams() -> Vec<Value> {
    let file = std::fs::read_to_string(workspace::file("testdata/guard/streams.json")).unwrap();
    let file: Value = serde_json::from_str(&file).unwrap();
    let mut streams = Vec::new();
    for stream in file["streams"].as_array().unwrap() {
        let api = stream["api"].as_str().unwrap();
        let events = stream["events"].as_array().unwrap();
        let event = |event: &Value| match event {
            Value::String(raw) => raw.clone(),
            event => match event["type"].as_str().filter(|_| api != "chat") {
                Some(kind) => format!("event: {kind}\ndata: {event}\n\n"),
                None => format!("data: {event}\n\n"),
            },
        };
        let mut body: String = events.iter().map(event).collect();
        if matches!(api, "chat" | "text") {
            body += "data: [DONE]\n\n";
        }
        let (mut kind, mut api) = ("text/event-stream", api);
        if api == "gemini-array" {
            (kind, api) = ("application/json", "gemini-array");
            body = serde_json::to_string_pretty(events).unwrap();
        }
        for frame in [1_usize, 37, 100_000] {
            let name = format!("{} in frames of {frame}", stream["name"].as_str().unwrap());
            streams.push(json!({"name": name, "api": api, "body": body, "type": kind, "frame_bytes": frame, "texts": stream["texts"]}));
        }
    }
    streams
}

/// Recorded answers of providers, which a clone does not have: `WEIR_RECORDED` names the folder.
fn recorded() -> Vec<Value> {
    let Ok(folder) = std::env::var("WEIR_RECORDED") else { return Vec::new() };
    let mut streams = Vec::new();
    for provider in ["anthropic", "azure", "alibaba", "deepseek"] {
        for entry in std::fs::read_dir(format!("{folder}/{provider}")).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            let Some(lines) = name.ends_with(".chunks.txt").then(|| std::fs::read_to_string(&path))
            else {
                continue;
            };
            let api = match provider {
                "anthropic" => "messages",
                "azure" if !name.contains("deepseek") => "responses",
                _ => "chat",
            };
            let event = |line: &str| {
                let value: Value = serde_json::from_str(line).unwrap();
                match value["type"].as_str().filter(|_| api != "chat") {
                    Some(kind) => format!("event: {kind}\ndata: {line}\n\n"),
                    None => format!("data: {line}\n\n"),
                }
            };
            let lines = lines.unwrap();
            let mut body: String = lines.lines().filter(|l| !l.is_empty()).map(event).collect();
            if api == "chat" {
                body += "data: [DONE]\n\n";
            }
            streams.push(json!({"name": name, "api": api, "body": body}));
        }
    }
    streams
}

/// Runs a client on streams, guarded and not.
async fn read(stack: &Stack, client: &str, streams: &[Value]) {
    let file: PathBuf =
        std::env::temp_dir().join(format!("weir-law-{}-{client}.json", std::process::id()));
    std::fs::write(&file, serde_json::to_string(streams).unwrap()).unwrap();
    let script = workspace::file("integration/e2e/clients").join(client);
    let addresses =
        [stack.envoy.clients(), stack.llama(0)].map(|address| format!("http://{address}"));
    let python = workspace::python().unwrap();
    let arguments = file.clone();
    let run = move || Command::new(python).arg(script).args(addresses).arg(arguments).output();
    let output = tokio::task::spawn_blocking(run).await.unwrap().unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    println!("{client}: {}", String::from_utf8_lossy(&output.stdout));
    assert!(output.status.success(), "{client}: {errors}");
    std::fs::remove_file(file).unwrap();
}

async fn hold_to_the_law(client: &str) {
    let (streams, recorded) = (streams(), recorded());
    for plan in Plan::guarding_both(FLAGGING) {
        let stack = plan.start().await;
        read(&stack, client, &streams).await;
        if !recorded.is_empty() && client != "law_genai.py" {
            let both: Vec<Value> = streams.iter().chain(&recorded).cloned().collect();
            read(&stack, client, &both).await;
        }
        stack.assert_no_trap().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_openai_client_reads_what_it_would_have_read() {
    hold_to_the_law("law_openai.py").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_anthropic_client_reads_what_it_would_have_read() {
    hold_to_the_law("law_anthropic.py").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_gemini_client_reads_what_it_would_have_read() {
    hold_to_the_law("law_genai.py").await;
}

/// The same streams under the policy that a filter has which none was given: what clients ignore ends no
/// stream.
#[tokio::test(flavor = "multi_thread")]
async fn nothing_that_clients_ignore_ends_a_stream() {
    let stack = Plan::guarding("{}").start().await;
    let chunk = |text: &str| {
        format!("data: {{\"choices\":[{{\"index\":0,\"delta\":{{\"content\":\"{text}\"}}}}]}}\n\n")
    };
    for event in [
        "data:\n\n",
        "event: ping\n\n",
        "event: ping\ndata:\n\n",
        "data: {\"type\":\"keepalive\",\"at\":1}\n\n",
        "data: {\"detail\":\"busy\"}\n\n",
        "data: {\"type\":\"response.image_generation_call.in_progress\",\"item_id\":\"i\"}\n\n",
        "data: {\"type\":\"content_block_delta\",\"index\":0,\"delta\":{\"type\":\"compaction_delta\",\"content\":\"x\"}}\n\n",
        "data: {\"type\":\"telepathy\",\"about\":[\"x\"]}\n\n",
    ] {
        let body =
            [&chunk("Hel"), &chunk("lo"), event, &chunk(" you"), "data: [DONE]\n\n"].concat();
        let raw = json!({"headers": [["content-type", "text/event-stream"]], "body": body});
        let question = json!({"model": LLAMA, "stream": true, "messages": []});
        let request = Request::post("/v1/chat/completions").json(&question);
        let reply = stack.send(scripted(request, &json!({"raw": raw, "frame_bytes": 9}))).await;
        assert_eq!(reply.text(), body);
    }
    stack.assert_no_trap().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_whole_response_with_trailers_is_redacted() {
    for plan in Plan::guarding_both(REDACTING) {
        let stack = plan.http2_upstream().start().await;
        let client = HttpClient::http2();
        let answer = json!({"choices": [{"index": 0, "message": {"role": "assistant", "content": format!("{EMAIL} {CARD}")}}]});
        let raw =
            json!({"headers": [["content-type", "application/json"]], "body": answer.to_string()});
        let script = json!({"raw": raw, "frame_bytes": 20, "trailers": [["x-checksum", "7"]]});
        let body = json!({"model": LLAMA, "messages": [{"role": "user", "content": "x"}]});
        let request = Request::post("/v1/chat/completions").json(&body);
        let reply = client.send(stack.envoy.clients(), scripted(request, &script)).await.unwrap();
        let text = reply.json().unwrap()["choices"][0]["message"]["content"].clone();
        assert_eq!(text, "[EMAIL] [CREDIT_CARD]");
        stack.assert_no_trap().await;
    }
}

/// Streams in which values stand, what of them may not arrive, and what has to.
#[tokio::test(flavor = "multi_thread")]
async fn values_are_redacted_wherever_a_stream_may_hide_them() {
    let stack = Plan::guarding(REDACTING).start().await;
    let file = std::fs::read_to_string(workspace::file("testdata/guard/streams.json")).unwrap();
    let file: Value = serde_json::from_str(&file).unwrap();
    for stream in file["redacted"].as_array().unwrap() {
        let events = stream["events"].as_array().unwrap();
        let path = stream["path"].as_str().unwrap();
        let array = path.ends_with(":streamGenerateContent");
        let kind = if array { "application/json" } else { "text/event-stream" };
        let event = |event: &Value| format!("data: {event}\n\n");
        let body = match array {
            true => serde_json::to_string(events).unwrap(),
            false => events.iter().map(event).collect(),
        };
        let raw = json!({"headers": [["content-type", kind]], "body": body});
        let question = json!({"model": LLAMA, "stream": true, "messages": [], "contents": []});
        for frame in [1, 50, 100_000] {
            let script = json!({"raw": raw, "frame_bytes": frame});
            let request = Request::post(path).json(&question);
            let text = stack.send(scripted(request, &script)).await.text();
            let shown = |name: &str| stream[name].as_str().unwrap_or_default().to_owned();
            assert!(text.contains(&shown("arrives")), "{stream}: {text}");
            assert!(!text.contains("1111") && !text.contains("example.com"), "{stream}: {text}");
        }
    }
    stack.assert_no_trap().await;
}
