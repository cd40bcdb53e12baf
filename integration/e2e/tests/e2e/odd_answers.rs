//! Answers under odd headers and in odd letters, that clients read all the same: inspected under every policy.

use serde_json::{Value, json};
use weir_harness::{RawConnection, Request};

use crate::guardrail::{CARD, EMAIL, scripted};
use crate::stack::{LLAMA, Plan, Stack, chat};

/// As the shipped `guardrail.yaml` does it: what cannot be read passes.
const FLAGGING: &str = "{on_unscannable: flag, rules: [{rules: [pii, secrets], action: redact}]}";

fn answer(text: &str) -> String {
    let message = json!({"role": "assistant", "content": text});
    json!({"id": "c", "choices": [{"index": 0, "message": message}]}).to_string()
}

fn chunk(text: &str) -> String {
    json!({"id": "c", "choices": [{"index": 0, "delta": {"content": text}}]}).to_string()
}

/// The pieces of a card's number, with `before` and `after` around each.
fn pieces(before: &str, after: &str, write: impl Fn(&str) -> String) -> String {
    ["It is 4111 11", "11 1111 ", "1111, she said. "]
        .map(|piece| format!("{before}{}{after}", write(piece)))
        .concat()
}

/// Headers and bodies that each say a card's number.
fn saying_a_card() -> Vec<(Vec<(&'static str, &'static str)>, String)> {
    let whole = || answer(&format!("It is {CARD}, she said."));
    let json = || vec![("content-type", "application/json")];
    let events = || vec![("content-type", "text/event-stream")];
    let said = |text: &str| json!(text).to_string();
    vec![
        (vec![], whole()),
        (vec![("content-type", "application/octet-stream")], whole()),
        (vec![("content-type", "multipart/mixed")], whole()),
        (vec![("content-type", "text/plain")], whole()),
        (vec![("content-type", "application/json"), ("content-encoding", "utf-8")], whole()),
        (json(), format!("\u{feff}{}", whole())),
        (json(), whole().replace("said.", "said \\ud83d.")),
        (json(), whole().replace("\"id\"", "\"logprob\":NaN,\"low\":-Infinity,\"id\"")),
        (json(), json!(format!("It is {CARD}, she said.")).to_string()),
        (json(), json!({"usage": {"note": format!("It is {CARD}, she said.")}}).to_string()),
        (json(), pieces("", "\n", chunk)),
        (vec![("content-type", "text/plain")], pieces("", "\n", chunk)),
        (events(), pieces("", "\n", chunk)),
        (vec![], pieces("data: ", "\n\n", chunk)),
        (vec![("content-type", "audio/mpeg")], pieces("data: ", "\r\r", chunk)),
        (vec![("content-encoding", "none")], pieces(": x\ndata:", "\n\n", chunk)),
        (events(), pieces("data: ", "\n\n", said)),
        (events(), pieces("data: ", "\n\n", chunk).replace("\"id\"", "\"logprob\":NaN,\"id\"")),
    ]
}

async fn answered(stack: &Stack, raw: &Value) -> weir_harness::Reply {
    let script = json!({"raw": raw, "frame_bytes": 41});
    stack.send(scripted(chat(LLAMA, "x"), &script)).await
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_is_inspected_whatever_it_is_called_and_however_it_is_written() {
    for policy in [FLAGGING, "{rules: [{rules: [pii, secrets], action: redact}]}"] {
        for plan in Plan::guarding_both(policy) {
            let stack = plan.start().await;
            for (headers, body) in saying_a_card() {
                let reply = answered(&stack, &json!({"headers": headers, "body": body})).await;
                let text = reply.text();
                assert_eq!(reply.status, 200, "{headers:?} {body}: {text}");
                assert!(text.contains("[CREDIT_CARD]"), "{headers:?} {body}: {text}");
                assert!(!text.contains("4111"), "{headers:?} {body}: {text}");
                // Nothing else goes.
                let said = ["she said", "NaN", "-Infinity", "\u{feff}"];
                for part in said.iter().filter(|part| body.contains(**part)) {
                    assert!(text.contains(part), "{part}: {text}");
                }
            }
            stack.assert_no_trap().await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_json_is_text_where_it_passes_and_media_pass_as_they_are() {
    for plan in Plan::guarding_both(FLAGGING) {
        let stack = plan.start().await;
        for (kind, body, expected) in [
            ("application/json", format!("ask {EMAIL}"), "ask [EMAIL]"),
            ("application/json", format!("{{'a': '{EMAIL}'}}"), "{'a': '[EMAIL]'}"),
            ("text/event-stream", format!("data: error: {EMAIL}\n\n"), "data: error: [EMAIL]\n\n"),
            ("audio/mpeg", format!("ID3 {EMAIL}"), "ID3 ann@example.com"),
            ("application/xml", format!("<a>{EMAIL}"), "<a>ann@example.com"),
        ] {
            let raw = json!({"headers": [["content-type", kind]], "body": body});
            let reply = answered(&stack, &raw).await;
            assert_eq!((reply.status, &*reply.text()), (200, expected), "{kind}");
        }
        let flagged = stack.stat("unscannable").await;
        assert_eq!(flagged, 5, "each is counted");
        stack.assert_no_trap().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_of_json_is_inspected_whatever_it_calls_itself() {
    let policy = format!("{{unknown_paths: inspect, {}", &FLAGGING[1..]);
    for plan in Plan::guarding_both(&policy) {
        let any = "- name: no-such-path\n                match: {prefix: /}\n                route: {cluster: llama}\n              - name: nothing\n                match: {prefix: /}";
        let stack = plan
            .replace("- name: no-such-path\n                match: {prefix: /}", any)
            .start()
            .await;
        for (name, value) in
            [("content-type", "multipart/form-data; boundary=x"), ("content-encoding", "utf-8")]
        {
            let body = json!({"model": LLAMA, "messages": [{"role": "user", "content": EMAIL}]});
            let request = Request::post("/invocations").body(body.to_string()).header(name, value);
            let reply = stack.send(request).await;
            let replica = reply.header("x-weir-replica");
            assert_ne!(replica, "", "{name}: {} {}", reply.status, reply.text());
            let last = stack.http.send(replica.parse().unwrap(), Request::get("/_weir/last"));
            let last: Value = last.await.unwrap().json().unwrap();
            let got = last["body"].as_str().unwrap();
            assert!(got.contains("[EMAIL]") && !got.contains(EMAIL), "{name}: {got}");
        }
        stack.assert_no_trap().await;
    }
}

/// Thinking as llama.cpp streams it, whose signature is empty.
#[tokio::test(flavor = "multi_thread")]
async fn thinking_that_nobody_signs_is_redacted() {
    let event = |kind: &str, more: &str| {
        format!("event: {kind}\ndata: {{\"type\":\"{kind}\",\"index\":0,{more}}}\n\n")
    };
    let delta = |text: &str| {
        let delta = json!({"type": "thinking_delta", "thinking": text});
        event("content_block_delta", &format!("\"delta\":{delta}"))
    };
    let start =
        event("content_block_start", r#""content_block":{"type":"thinking","thinking":""}"#);
    let end = event("content_block_delta", r#""delta":{"type":"signature_delta","signature":""}"#);
    let body = start + &delta("It is 4111 1111") + &delta(" 1111 1111. ") + &end;
    for plan in Plan::guarding_both(FLAGGING) {
        let stack = plan.start().await;
        let question = json!({"model": LLAMA, "stream": true, "max_tokens": 9, "messages": []});
        let raw = json!({"headers": [["content-type", "text/event-stream"]], "body": body});
        let request = Request::post("/v1/messages").json(&question);
        let text = stack.send(scripted(request, &json!({"raw": raw}))).await.text();
        assert!(text.contains("It is [CREDIT_CARD]") && text.ends_with(&end), "{text}");
    }
}

/// nginx asks so by default, and so does ApacheBench.
#[tokio::test(flavor = "multi_thread")]
async fn a_client_of_http_1_0_is_served() {
    for plan in Plan::all_shipped() {
        let stack = plan.start().await;
        let body = json!({"model": LLAMA, "messages": []}).to_string();
        let mut connection = RawConnection::open(stack.envoy.clients()).await.unwrap();
        let head = "POST /v1/chat/completions HTTP/1.0\r\nhost: x\r\nconnection: close\r\n";
        let request = format!("{head}content-length: {}\r\n\r\n{body}", body.len());
        connection.send(request).await.unwrap();
        assert_eq!(connection.read_head().await.unwrap().status, 200);
    }
}
