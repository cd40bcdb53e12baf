//! Which pool a request goes to, and what of it arrives there.

use base64::Engine as _;
use serde_json::{Value, json};
use weir_harness::{HttpClient, Request};

use crate::stack::{LLAMA, Plan, QWEN, Stack, chat, echoed};

#[tokio::test(flavor = "multi_thread")]
async fn every_kind_of_name_reaches_its_pool_with_its_headers() {
    for plan in Plan::both() {
        assert_names_reach_their_pools(plan.start().await).await;
    }
}

async fn assert_names_reach_their_pools(stack: Stack) {
    let cases = [
        (LLAMA, "llama", LLAMA, LLAMA),
        (QWEN, "qwen", QWEN, QWEN),
        ("qwen", "qwen", QWEN, QWEN),
        ("gpt-4o", "llama", LLAMA, LLAMA),
        ("gpt-4o-mini-2026", "llama", LLAMA, LLAMA),
        ("sql-expert", "llama", "sql-expert", LLAMA),
    ];
    for client in [HttpClient::http1(), HttpClient::http2()] {
        for (model, pool, upstream, base) in cases {
            let request = chat(model, "hello");
            let reply = client.send(stack.envoy.clients(), request).await.unwrap();
            assert_eq!((reply.status, stack.pool_of(&reply)), (200, pool), "{}", reply.text());
            let echo = &reply.json().unwrap()["weir_echo"];
            assert_eq!(echoed(echo, "x-gateway-model-name"), model);
            assert_eq!(echoed(echo, "x-gateway-base-model-name"), base);
            let body: Value = serde_json::from_str(echo["body"].as_str().unwrap()).unwrap();
            assert_eq!(body["model"], upstream);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_alias_changes_the_models_bytes_and_no_other() {
    for plan in Plan::both() {
        assert_only_the_model_changes(plan.start().await).await;
    }
}

async fn assert_only_the_model_changes(stack: Stack) {
    let long = "wörter ".repeat(45_000);
    let bodies = [
        r#"{"model":"qwen","messages":[]}"#.to_owned(),
        "{ \"messages\" : [ {\"role\":\"user\",\"content\":\"é\\u00e9 \\\"model\\\": \\n\"} ],\t\"model\" : \"qwen\" , \"x\":1.50e0 }\r\n".to_owned(),
        r#"{"mod\u0065l":"qwen","messages":[]}"#.to_owned(),
        r#"{"metadata":{"model":"not this"},"messages":[],"model":"qwen"}"#.to_owned(),
        format!(r#"{{"messages":[{{"role":"user","content":"{long}"}}],"model":"qwen"}}"#),
    ];
    for body in bodies {
        let expected = body.replace("\"qwen\"", &format!("\"{QWEN}\""));
        let request = Request::post("/v1/chat/completions").header("x-weir-echo", "1");
        for request in [request.clone().body(body.clone()), in_pieces(request, &body)] {
            let reply = stack.send(request).await;
            assert_eq!(reply.status, 200, "{}", reply.text());
            let echo = &reply.json().unwrap()["weir_echo"];
            assert!(echo["body"] == expected.as_str(), "{} bytes", expected.len());
            let length = echoed(echo, "content-length");
            assert!(length.is_empty() || length == expected.len().to_string(), "{length}");
        }
    }
}

fn in_pieces(request: Request, body: &str) -> Request {
    let size = body.len().div_ceil(7).max(1);
    let pieces: Vec<Vec<u8>> = body.as_bytes().chunks(size).map(<[u8]>::to_vec).collect();
    request.pieces(pieces, std::time::Duration::from_millis(1))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_model_in_the_path_is_routed_by_and_renamed_there() {
    let stack = Plan::quickstart().start().await;
    let cases = [
        ("/v2/models/qwen/infer", "/v2/models/qwen2.5-7b-instruct/infer"),
        ("/v2/models/q%77en/versions/1/infer", "/v2/models/qwen2.5-7b-instruct/versions/1/infer"),
        ("/v2/models/qwen2.5-7b-instruct/generate", "/v2/models/qwen2.5-7b-instruct/generate"),
        (
            "/v1beta/models/qwen:streamGenerateContent?alt=sse",
            "/v1beta/models/qwen2.5-7b-instruct:streamGenerateContent?alt=sse",
        ),
    ];
    let body = r#"{"contents":[{"parts":[{"text":"hi"}]}],"inputs":[]}"#;
    for (path, upstream) in cases {
        // The replica does not speak these dialects: what counts is what arrived there.
        let reply = stack.send(Request::post(path).body(body)).await;
        assert_eq!(stack.pool_of(&reply), "qwen", "{path}: {}", reply.text());
        let replicas = stack.qwen.replicas().iter();
        let arrived = replicas.map(|replica| replica.last_request());
        let arrived: Vec<Value> = arrived.filter(|last| last["path"] == upstream).collect();
        assert!(!arrived.is_empty(), "{path}");
        assert_eq!(arrived[0]["body"], body);
        stack.qwen.replicas().iter().for_each(weir_replica::Replica::reset);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn streams_arrive_event_by_event_with_usage_where_asked() {
    for plan in Plan::both() {
        assert_streamed_with_usage(plan.start().await).await;
    }
}

async fn assert_streamed_with_usage(stack: Stack) {
    let body = json!({
        "model": "qwen", "stream": true, "stream_options": {"include_usage": true},
        "messages": [{"role": "user", "content": "hello"}],
    });
    let request = Request::post("/v1/chat/completions").header("x-weir-echo", "1").json(&body);
    let reply = stack.send(request).await;
    assert_eq!((reply.status, reply.complete, stack.pool_of(&reply)), (200, true, "qwen"));
    let events = reply.events();
    assert_eq!(events.last().map(String::as_str), Some("[DONE]"));
    let documents = reply.event_documents();
    assert!(documents.len() > 10);
    assert_eq!(documents.last().unwrap()["usage"]["completion_tokens"], 32);
    let echo = base64::prelude::BASE64_STANDARD.decode(reply.header("x-weir-echo")).unwrap();
    let echo: Value = serde_json::from_slice(&echo).unwrap();
    assert_eq!(echo["body"], body.to_string().replace("\"qwen\"", &format!("\"{QWEN}\"")));
}

#[tokio::test(flavor = "multi_thread")]
async fn anthropic_requests_are_routed_and_answered_in_their_dialect() {
    let stack = Plan::quickstart().start().await;
    let message = |stream: bool| {
        Request::post("/v1/messages").json(&json!({
            "model": "gpt-4o", "max_tokens": 5, "stream": stream,
            "messages": [{"role": "user", "content": "hello"}],
        }))
    };
    let reply = stack.send(message(false)).await;
    assert_eq!((reply.status, stack.pool_of(&reply)), (200, "llama"));
    assert_eq!(reply.json().unwrap()["type"], "message");
    let stream = stack.send(message(true)).await;
    assert_eq!(stream.event_documents().last().unwrap()["type"], "message_stop");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_model_list_comes_from_the_configuration() {
    let hidden = "{name: qwen, hidden: true, pool";
    let stack = Plan::quickstart().replace("{name: qwen, pool", hidden).start().await;
    let list = stack.send(Request::get("/v1/models")).await.json().unwrap();
    let names: Vec<&str> =
        list["data"].as_array().unwrap().iter().filter_map(|model| model["id"].as_str()).collect();
    assert_eq!(names, [LLAMA, QWEN, "sql-expert"]);
    // Anthropic's clients ask under the same path.
    assert_eq!((&list["has_more"], &list["last_id"]), (&json!(false), &json!("sql-expert")));
    assert_eq!(list["data"][0]["display_name"], LLAMA);
    let list = stack.send(Request::get("/v1beta/models")).await.json().unwrap();
    assert_eq!(list["models"][0]["name"], format!("models/{LLAMA}"));
    let one = stack.send(Request::get("/v1beta/models/sql-expert")).await.json().unwrap();
    assert_eq!(one, json!({"name": "models/sql-expert", "displayName": "sql-expert"}));
    // Monitors ask without wanting the body.
    for path in ["/v1/models", "/v1/models/sql-expert"] {
        let head = stack.send(Request::new("HEAD".parse().unwrap(), path)).await;
        assert_eq!((head.status, head.body.len()), (200, 0), "{path}");
    }
    let none = stack.send(Request::get("/v1beta/models/none")).await;
    assert_eq!((none.status, &none.json().unwrap()["error"]["status"]), (404, &json!("NOT_FOUND")));
    for (path, status) in
        [("/v1/models/sql-expert", 200), ("/v1/models/qwen", 404), ("/v1/models/none", 404)]
    {
        let reply = stack.send(Request::get(path)).await;
        assert_eq!(reply.status, status, "{path}");
        assert_eq!(stack.pool_of(&reply), "-");
        match status {
            200 => assert_eq!(reply.json().unwrap()["id"], "sql-expert"),
            _ => assert_eq!(reply.json().unwrap()["error"]["code"], "model_not_found"),
        }
    }
}
