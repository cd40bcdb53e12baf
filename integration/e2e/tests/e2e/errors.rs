//! What clients are told when a request cannot be served.

use std::time::Duration;

use serde_json::{Value, json};
use weir_harness::{RawConnection, Request};

use crate::stack::{LLAMA, Plan, Stack, chat};

#[tokio::test(flavor = "multi_thread")]
async fn unknown_models_are_refused_in_the_clients_dialect_naming_no_other() {
    for plan in Plan::both() {
        assert_unknown_models_refused(plan.start().await).await;
    }
}

async fn assert_unknown_models_refused(stack: Stack) {
    let body = json!({"model": "nope", "max_tokens": 1, "messages": []});
    let openai = stack.send(Request::post("/v1/chat/completions").json(&body)).await;
    let error = &openai.json().unwrap()["error"];
    assert_eq!((openai.status, &error["code"]), (404, &json!("model_not_found")));
    assert_eq!(
        (&error["type"], &error["param"]),
        (&json!("invalid_request_error"), &json!("model"))
    );
    let anthropic = stack.send(Request::post("/v1/messages").json(&body)).await;
    let document = anthropic.json().unwrap();
    assert_eq!((anthropic.status, &document["type"]), (404, &json!("error")));
    assert_eq!(document["error"]["type"], "not_found_error");
    let gemini = Request::post("/v1beta/models/nope:generateContent").body("{}");
    let gemini = stack.send(gemini).await;
    assert_eq!(gemini.json().unwrap()["error"]["status"], "NOT_FOUND");
    let kserve = stack.send(Request::post("/v2/models/nope/infer").body("{}")).await;
    assert!(kserve.json().unwrap()["error"].is_string());
    for reply in [openai, anthropic, gemini, kserve] {
        let text = reply.text();
        assert_eq!(reply.header("content-type"), "application/json");
        assert!(reply.status == 404 && text.contains("nope") && !text.contains("llama"), "{text}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn bodies_that_are_dangerous_or_broken_are_refused_with_the_offset() {
    for plan in Plan::both() {
        assert_broken_bodies_refused(plan.start().await).await;
    }
}

async fn assert_broken_bodies_refused(stack: Stack) {
    let deep = format!(r#"{{"model":"qwen","x":{}1{}}}"#, "[".repeat(5000), "]".repeat(5000));
    let cases: [(&[u8], &str, &str); 14] = [
        (b"{\"model\":\"qwen\",}", "malformed_json", "offset 16"),
        (b"{\"model\":\"qwen\"", "malformed_json", "offset 15"),
        (b"{\"model\":\"qwen\"} x", "malformed_json", "offset 17"),
        (b"{\"model\":\"qwen\"}{}", "malformed_json", "offset 16"),
        (b"[]", "malformed_json", "must be a JSON object"),
        (b"", "malformed_json", "offset 0"),
        (b"\xef\xbb\xbf{}", "malformed_json", "byte order mark"),
        (b"{\"model\":\"qwen\",\"model\":\"qwen\"}", "duplicate_key", "offset 16"),
        (b"{\"model\":\"qwen\",\"mod\\u0065l\":\"x\"}", "duplicate_key", "offset 16"),
        (deep.as_bytes(), "nesting_too_deep", "offset"),
        (b"{\"model\":\"qwen\",\"x\":\"\xff\"}", "invalid_utf8", "offset 21"),
        (b"{\"model\":7}", "invalid_type", "offset 9"),
        (b"{\"messages\":[]}", "missing_model", "must name a model"),
        (b"{\"model\":\"\",\"messages\":[]}", "missing_model", "must name a model"),
    ];
    for (body, code, part) in cases {
        let request = Request::post("/v1/chat/completions").body(body.to_vec());
        for request in [request, one_by_one(body)] {
            let reply = stack.send(request).await;
            let text = reply.text();
            assert_eq!(reply.status, 400, "{text} for {}", String::from_utf8_lossy(body));
            assert_eq!(reply.json().unwrap()["error"]["code"], code, "{text}");
            assert!(text.contains(part), "{text} lacks {part}");
            assert_eq!(stack.pool_of(&reply), "-");
        }
    }
    let anthropic = stack.send(Request::post("/v1/messages").body("{")).await;
    assert_eq!(anthropic.json().unwrap()["error"]["type"], "invalid_request_error");
    stack.assert_no_trap().await;
}

/// The same body in many small chunks, without a length.
fn one_by_one(body: &[u8]) -> Request {
    let size = body.len().div_ceil(40).max(1);
    let pieces: Vec<Vec<u8>> = body.chunks(size).map(<[u8]>::to_vec).collect();
    Request::post("/v1/chat/completions").pieces(pieces, Duration::ZERO)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_over_the_policys_limit_is_refused_announced_or_not() {
    let stack = Plan::quickstart().router_policy("max_body_bytes: 2000").start().await;
    let body = |text: usize| {
        json!({"model": LLAMA, "messages": [{"role": "user", "content": "x".repeat(text)}]})
            .to_string()
    };
    for (length, status) in [(1500, 200), (2000, 413), (100_000, 413)] {
        let request = Request::post("/v1/chat/completions");
        let pieces: Vec<Vec<u8>> =
            body(length).as_bytes().chunks(700).map(<[u8]>::to_vec).collect();
        let whole = request.clone().body(body(length));
        for request in [whole, request.pieces(pieces, Duration::from_millis(1))] {
            let reply = stack.send(request).await;
            assert_eq!(reply.status, status, "{length}");
            if status == 413 {
                let error = &reply.json().unwrap()["error"];
                assert_eq!(error["code"], "request_too_large");
                assert!(error["message"].as_str().unwrap().contains("2000"));
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_over_the_default_limit_is_refused_by_weir_also_without_a_length() {
    let stack = Plan::quickstart().start().await;
    let text = "x".repeat((16 << 20) + 1);
    let body = json!({"model": LLAMA, "prompt": text}).to_string();
    let head = "POST /v1/completions HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n";
    let message = format!("{head}{:x}\r\n{body}\r\n0\r\n\r\n", body.len());
    let mut connection = RawConnection::open(stack.envoy.clients()).await.unwrap();
    // The answer may come before all is sent.
    let _ = connection.send(message).await;
    let head = connection.read_head().await.unwrap();
    let body = connection.read_body(&head).await.unwrap();
    let body: Value = serde_json::from_slice(&body).unwrap();
    assert_eq!((head.status, &body["error"]["code"]), (413, &json!("request_too_large")));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_over_envoys_buffer_limit_is_refused_by_envoy() {
    let limit =
        ("per_connection_buffer_limit_bytes: 17825792", "per_connection_buffer_limit_bytes: 65536");
    let stack = Plan::quickstart().replace(limit.0, limit.1).start().await;
    for (length, status) in [(10_000, 200), (3_000_000, 413)] {
        assert_eq!(stack.send(chat(LLAMA, &"x".repeat(length))).await.status, status, "{length}");
    }
    stack.assert_no_trap().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn compressed_bodies_wrong_methods_and_unknown_paths_are_refused() {
    let stack = Plan::quickstart().start().await;
    // gzip, zstd and br are unpacked before Weir.
    let compressed = chat(LLAMA, "x").header("content-encoding", "deflate");
    let reply = stack.send(compressed).await;
    assert_eq!(reply.status, 415, "{}", reply.text());
    assert_eq!(reply.json().unwrap()["error"]["code"], "unsupported_content");
    let plain = stack.send(chat(LLAMA, "x").header("content-encoding", "identity")).await;
    assert_eq!(plain.status, 200);
    for request in [Request::get("/v1/chat/completions"), Request::get("/"), Request::post("/v1/x")]
    {
        // Left to the routes, none of which takes a request that names no model.
        let reply = stack.send(request).await;
        assert_eq!((reply.status, stack.pool_of(&reply)), (404, "-"));
        assert_eq!(reply.header("content-type"), "application/json");
        assert_eq!(reply.json().unwrap()["error"]["code"], "no_route");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_policy_can_have_a_default_model_and_reject_unknown_paths() {
    let fields = "default_model: qwen\n                        unknown_path: reject";
    let stack = Plan::quickstart().router_policy(fields).start().await;
    for body in ["{}", r#" { "messages" : [] } "#] {
        let request = Request::post("/v1/chat/completions").header("x-weir-echo", "1").body(body);
        let reply = stack.send(request).await;
        assert_eq!((reply.status, stack.pool_of(&reply)), (200, "qwen"), "{}", reply.text());
        let echo = reply.json().unwrap()["weir_echo"]["body"].as_str().unwrap().to_owned();
        let parsed: serde_json::Value = serde_json::from_str(&echo).unwrap();
        assert_eq!(parsed["model"], crate::stack::QWEN, "{echo}");
    }
    let reply = stack.send(Request::get("/nothing")).await;
    assert_eq!(reply.json().unwrap()["error"]["code"], "unsupported_path");
}
