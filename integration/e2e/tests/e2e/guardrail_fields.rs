//! Errors of upstreams, functional fields, signed thinking and pictures through the guardrail in real Envoy.

use std::process::Command;

use serde_json::{Value, json};
use weir_harness::{HttpClient, Reply, Request, workspace};
use weir_replica::FailureMode;

use crate::guardrail::{CARD, EMAIL, REDACTING, scripted};
use crate::stack::{LLAMA, Plan, Stack};

/// The same, where media pass and are counted.
const WITH_MEDIA: &str = "{rules: [{rules: [pii, secrets], action: redact}], on_unscannable: flag}";

/// The same for requests alone: the replica's echo of what it got comes back as it is.
const REQUESTS: &str =
    "{rules: [{rules: [pii, secrets], direction: request, action: redact}], on_unscannable: flag}";

/// A picture in whose Base64 a card's number stands.
const PNG: &str = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAIAAACQd1PeAAAADElEQVR4nGP4+/4111111111111111/gP+AAAAAElFTkSuQmCC";

fn question(stream: bool) -> Request {
    let body =
        json!({"model": LLAMA, "stream": stream, "messages": [{"role": "user", "content": "x"}]});
    Request::post("/v1/chat/completions").json(&body)
}

async fn fails(stack: &Stack, stream: bool, raw: Value) -> Reply {
    stack.send(scripted(question(stream), &json!({"raw": raw}))).await
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upstreams_error_keeps_its_status_and_its_headers() {
    for plan in Plan::guarding_both(REDACTING) {
        let stack = plan.start().await;
        for stream in [false, true] {
            for (status, headers, body, expected) in [
                (502, json!([]), "upstream connect error", "upstream connect error"),
                (
                    500,
                    json!([["content-type", "application/json"]]),
                    "Ask ann@example.com",
                    "Ask [EMAIL]",
                ),
                (
                    503,
                    json!([["content-type", "text/html"]]),
                    "<p>ann@example.com</p>",
                    "<p>[EMAIL]</p>",
                ),
                (
                    500,
                    json!([["content-type", "application/json"]]),
                    "{\"error\":{\"message\":\"ann@example.com",
                    "{\"error\":{\"message\":\"[EMAIL]",
                ),
                (
                    429,
                    json!([["content-type", "application/json"], ["retry-after", "7"]]),
                    "{\"error\":{\"message\":\"ann@example.com\"}}",
                    "{\"error\":{\"message\":\"[EMAIL]\"}}",
                ),
                (
                    400,
                    json!([["content-type", "text/event-stream"]]),
                    "{\"error\":\"ann@example.com\"}",
                    "{\"error\":\"[EMAIL]\"}",
                ),
                (500, json!([]), "", ""),
                (204, json!([]), "", ""),
                (304, json!([]), "", ""),
                (307, json!([["location", "/elsewhere"]]), "moved", "moved"),
            ] {
                let raw = json!({"status": status, "headers": headers, "body": body});
                let reply = fails(&stack, stream, raw).await;
                assert_eq!((reply.status, reply.text().as_str()), (status, expected));
                let after = if status == 429 { "7" } else { "" };
                assert_eq!(reply.header("retry-after"), after);
            }
            let gzip = json!({"status": 503, "headers": [["content-type", "application/json"], ["content-encoding", "gzip"], ["retry-after", "9"]], "body_base64": "H4sIAAAAAAAAA8tIzcnJVyjPL8pJAQCFEUoNCwAAAA=="});
            let reply = fails(&stack, stream, gzip).await;
            assert_eq!((reply.status, reply.header("retry-after")), (503, "9"));
            let error = reply.json().unwrap()["error"].clone();
            assert_eq!(
                (&error["code"], &error["type"]),
                (&json!("upstream_error"), &json!("service_unavailable_error"))
            );
        }
        assert!(
            stack.stat("rule.unscannable.compressed.direction.response.action.block").await > 0
        );
        stack.assert_no_trap().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_error_of_envoy_itself_stays_one() {
    let stack = Plan::guarding(REDACTING).start().await;
    let sse = "event: error\ndata: upstream died, ask ann@example.com\n\n";
    let raw = json!({"headers": [["content-type", "text/event-stream"]], "body": sse});
    assert_eq!(fails(&stack, true, raw).await.text(), sse.replace(EMAIL, "[EMAIL]"));
    // Nobody listens any more.
    for replica in stack.llama.replicas() {
        replica.set_failure(FailureMode::Refuse).await;
    }
    for stream in [false, true] {
        let reply = stack.send(question(stream)).await;
        assert_eq!(reply.status, 503, "{}", reply.text());
        assert!(!reply.text().contains("content_policy_violation"), "{}", reply.text());
    }
    stack.assert_no_trap().await;
}

/// The body that the replica got.
async fn received(stack: &Stack, path: &str, mut body: Value) -> Value {
    body["model"] = json!(LLAMA);
    let reply = stack.send(Request::post(path).json(&body).header("x-weir-echo", "1")).await;
    assert_eq!(reply.status, 200, "{}", reply.text());
    let reply = reply.json().unwrap();
    serde_json::from_str(reply["weir_echo"]["body"].as_str().unwrap()).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_replica_works_with_arrives_as_it_was_and_text_beside_it_redacted() {
    let signed = "https://a.blob.core.windows.net/c/x.png?sv=2024-11-04&sig=q3%2BAb9xT0mK5sYw1Zp8Rj2LcVhQ4nD7uEfGi6oXtBk%3D";
    let lan = "http://10.0.0.7:9000/cat.png";
    let id = "4111111111111111";
    let chat = |text: &str| {
        json!({"model": LLAMA, "messages": [
            {"role": "user", "content": [
                {"type": "image_url", "image_url": {"url": signed}},
                {"type": "image_url", "image_url": {"url": lan}},
                {"type": "text", "text": text}]},
            {"role": "assistant", "tool_calls": [{"id": id, "type": "function", "function": {"name": "f", "arguments": "{}"}}]},
            {"role": "tool", "tool_call_id": id, "content": text}],
            "tools": [{"type": "function", "function": {"name": "f", "description": text,
                "parameters": {"type": "object", "properties": {"to": {"enum": ["ann@example.com", "bob@example.com"]}}}}}],
            "kv_transfer_params": {"remote_host": "10.0.0.7", "remote_block_ids": [4_111_111_111_111_111_u64]}})
    };
    let messages = |text: &str| {
        json!({"model": LLAMA, "max_tokens": 5, "mcp_servers": [{"type": "url", "name": "files", "url": "http://10.0.0.7/mcp", "authorization_token": "ghp_wWPw5k4aXcaT4fNP0UcnZwJUVFk6LO3pINUx"}],
            "messages": [{"role": "user", "content": [{"type": "image", "source": {"type": "url", "url": signed}}, {"type": "text", "text": text}]}]})
    };
    for plan in Plan::guarding_both(REQUESTS) {
        let stack = plan.start().await;
        for (path, body) in
            [("/v1/chat/completions", &chat as &dyn Fn(&str) -> Value), ("/v1/messages", &messages)]
        {
            assert_eq!(
                received(&stack, path, body("I am ann@example.com")).await,
                body("I am [EMAIL]")
            );
        }
        stack.assert_no_trap().await;
    }
    let inspecting = REQUESTS.replace("on_unscannable", "inspect_functional: true, on_unscannable");
    let stack = Plan::guarding(&inspecting).start().await;
    let got = received(&stack, "/v1/chat/completions", chat("x")).await.to_string();
    assert!(!got.contains("10.0.0.7") && !got.contains(EMAIL) && !got.contains(id), "{got}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_picture_of_a_model_arrives_byte_for_byte_whole_and_streamed() {
    let url = format!("data:image/png;base64,{PNG}");
    let images = json!([{"type": "image_url", "image_url": {"url": url}}]);
    let text = format!("Ask {EMAIL} about {CARD}");
    let clean = "Ask [EMAIL] about [CREDIT_CARD]";
    let whole = |text: &str| {
        [
            json!({"choices": [{"index": 0, "message": {"role": "assistant", "content": text, "images": images}}]}),
            json!({"output": [{"type": "image_generation_call", "id": "i", "result": PNG}, {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": text, "annotations": [{"type": "file_citation", "file_id": "file-1", "filename": "a", "index": 0}]}]}]}),
            json!({"output": [{"type": "mcp_call", "id": "m", "output": json!([{"type": "image", "data": PNG}, {"type": "text", "text": text}]).to_string()}]}),
        ]
    };
    let events = |text: &str| {
        let events = [
            json!({"type": "response.image_generation_call.partial_image", "item_id": "i", "partial_image_b64": PNG}),
            json!({"choices": [{"index": 0, "delta": {"content": text}}]}),
            json!({"choices": [{"index": 0, "delta": {"images": images}, "finish_reason": "stop"}]}),
        ];
        events.map(|event| format!("data: {event}\n\n")).concat() + "data: [DONE]\n\n"
    };
    for plan in Plan::guarding_both(WITH_MEDIA) {
        let stack = plan.start().await;
        for (given, expected) in whole(&text).into_iter().zip(whole(clean)) {
            let raw = json!({"headers": [["content-type", "application/json"]], "body": given.to_string()});
            let reply = fails(&stack, false, raw).await;
            assert_eq!(reply.json().unwrap(), expected);
        }
        let raw =
            json!({"headers": [["content-type", "text/event-stream"]], "body": events(&text)});
        let reply =
            stack.send(scripted(question(true), &json!({"raw": raw, "frame_bytes": 17}))).await;
        assert_eq!(reply.text(), events(clean));
        assert!(stack.stat("rule.unscannable.media.direction.response.action.flag").await > 0);
        stack.assert_no_trap().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_anthropic_client_goes_on_after_signed_thinking_under_pseudonymise() {
    let policy = "{rules: [{rules: [pii], action: pseudonymise}]}";
    for plan in Plan::guarding_both(policy) {
        let stack = plan.start().await;
        let python = workspace::python().unwrap();
        let script = workspace::file("integration/e2e/clients/signed_anthropic.py");
        let base = format!("http://{}", stack.envoy.clients());
        let run = move || Command::new(python).arg(script).arg(base).output();
        let output = tokio::task::spawn_blocking(run).await.unwrap().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        stack.assert_no_trap().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_response_without_a_body_over_http2_passes() {
    let stack = Plan::guarding(REDACTING).http2_upstream().start().await;
    let client = HttpClient::http2();
    for (status, trailers) in [(204, json!(null)), (500, json!([["x-checksum", "7"]]))] {
        let raw = json!({"status": status, "headers": [], "body": ""});
        let script = json!({"raw": raw, "trailers": trailers});
        let request = scripted(question(false), &script);
        let reply = client.send(stack.envoy.clients(), request).await.unwrap();
        assert_eq!((reply.status, reply.text().as_str()), (status, ""));
    }
    stack.assert_no_trap().await;
}
