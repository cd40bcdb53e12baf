//! A running replica, asked over HTTP.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a failed step is a failed test")]

use std::time::Duration;

use serde_json::{Value, json};
use weir_harness::{HttpClient, RawConnection, Reply, Request};
use weir_replica::{FailureMode, Fleet, RawReply, Replica, ReplyScript, Settings, Timing};

async fn started(count: usize, settings: Settings) -> Fleet {
    let addresses = vec!["127.0.0.1:0".parse().unwrap(); count];
    Fleet::start(&addresses, settings).await.unwrap()
}

fn instant() -> Settings {
    Settings { timing: Timing::instant(), ..Settings::default() }
}

async fn send(replica: &Replica, request: Request) -> Reply {
    HttpClient::http1().send(replica.address(), request).await.unwrap()
}

fn chat(extra: Value) -> Request {
    let mut body =
        json!({"model": "m", "messages": [{"role": "user", "content": "x".repeat(400)}]});
    body.as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
    Request::post("/v1/chat/completions").json(&body)
}

#[tokio::test]
async fn the_second_equal_prompt_is_cached() {
    let fleet = started(2, instant()).await;
    let (first, second) = (&fleet.replicas()[0], &fleet.replicas()[1]);
    let mut cached = Vec::new();
    for replica in [first, first, second] {
        let reply = send(replica, chat(json!({}))).await.json().unwrap();
        cached.push(reply["usage"]["prompt_tokens_details"]["cached_tokens"].as_u64().unwrap());
    }
    assert_eq!(cached, [0, 96, 0]);
    assert!(
        first
            .metrics()
            .contains("prefix_cache_hits_total{engine=\"0\",model_name=\"weir-simulated\"} 96.0")
    );
    send(first, Request::post("/_weir/reset")).await;
    let reply = send(first, chat(json!({}))).await.json().unwrap();
    assert_eq!(reply["usage"]["prompt_tokens_details"]["cached_tokens"], 0);
}

#[tokio::test]
async fn unknown_models_are_answered_as_vllm_does() {
    let settings =
        Settings { models: vec!["m".into()], adapters: vec!["lora".into()], ..instant() };
    let fleet = started(1, settings).await;
    let replica = &fleet.replicas()[0];
    for (model, status) in [("m", 200), ("lora", 200), ("other", 404)] {
        assert_eq!(send(replica, chat(json!({"model": model}))).await.status, status, "{model}");
    }
    let refused = send(replica, chat(json!({"model": "other"}))).await.json().unwrap();
    let expected = json!({"error": {
        "message": "The model `other` does not exist.",
        "type": "NotFoundError", "param": "model", "code": 404,
    }});
    assert_eq!(refused, expected);
    let models = send(replica, Request::get("/v1/models")).await.json().unwrap();
    let found: Vec<_> = models["data"]
        .as_array()
        .unwrap()
        .iter()
        .map(|card| (&card["id"], &card["parent"]))
        .collect();
    assert_eq!(found, [(&json!("m"), &Value::Null), (&json!("lora"), &json!("m"))]);
}

#[tokio::test]
async fn the_echo_has_every_byte_that_arrived() {
    let fleet = started(1, instant()).await;
    let replica = &fleet.replicas()[0];
    let body = "{ \"model\":\"m\",\n \"messages\" : [],\t\"z\":\"\\u0041é\" }";
    let request = || {
        let request = Request::post("/v1/chat/completions?a=%20b").header("x-weir-echo", "1");
        request.header("X-Twice", "1").header("x-twice", b"\xff").body(body)
    };
    let echo = &send(replica, request()).await.json().unwrap()["weir_echo"];
    assert_eq!(
        (&echo["body"], &echo["path"]),
        (&json!(body), &json!("/v1/chat/completions?a=%20b"))
    );
    let headers = echo["headers"].as_array().unwrap();
    for pair in [json!(["x-twice", "1"]), json!(["x-twice", {"base64": "/w=="}])] {
        assert!(headers.contains(&pair), "{headers:?}");
    }
    let last = send(replica, Request::get("/_weir/last")).await.json().unwrap();
    assert_eq!((&last, &last["replica"]), (echo, &json!(replica.address().to_string())));
    assert_eq!(last, replica.last_request());
}

#[tokio::test]
async fn health_metrics_and_control_requests_are_not_the_last_request() {
    let fleet = started(1, instant()).await;
    let replica = &fleet.replicas()[0];
    for path in ["/health", "/metrics"] {
        assert_eq!(send(replica, Request::get(path)).await.status, 200);
    }
    assert_eq!(replica.last_request(), Value::Null);
}

#[tokio::test]
async fn a_stream_carries_its_echo_in_a_header_and_usage_at_the_end() {
    let fleet = started(1, instant()).await;
    let extra = json!({"stream": true, "stream_options": {"include_usage": true}, "max_tokens": 3});
    let reply = send(&fleet.replicas()[0], chat(extra).header("x-weir-echo", "1")).await;
    assert_eq!(reply.header("content-type"), "text/event-stream; charset=utf-8");
    assert!(reply.header("x-weir-echo").len() > 100);
    let events = reply.events();
    assert_eq!(events.last().unwrap(), "[DONE]");
    let documents = reply.event_documents();
    assert_eq!(documents.len(), 1 + 3 + 1 + 1);
    assert_eq!(documents[4]["choices"][0]["finish_reason"], "length");
    assert_eq!(documents[5]["usage"]["completion_tokens"], 3);
}

#[tokio::test]
async fn scripts_come_from_control_body_and_headers_in_this_order() {
    let fleet = started(1, instant()).await;
    let replica = &fleet.replicas()[0];
    let said = async |request: Request| {
        let reply = send(replica, request).await.json().unwrap();
        reply["choices"][0]["message"]["content"].as_str().unwrap().to_owned()
    };
    let standing = Request::post("/_weir/reply").json(&json!({"text": "standing"}));
    assert_eq!(send(replica, standing).await.status, 200);
    assert_eq!(said(chat(json!({}))).await, "standing");
    let in_body = chat(json!({"weir_reply": {"text": "body"}}));
    assert_eq!(said(in_body.clone()).await, "body");
    assert_eq!(said(in_body.header("x-weir-reply-text", "head%C3%A9r")).await, "headér");
    let malformed = chat(json!({"weir_reply": {"txt": "body"}}));
    assert_eq!(send(replica, malformed).await.status, 400);
}

#[tokio::test]
async fn framing_and_compression_change_no_byte_of_the_content() {
    let fleet = started(1, instant()).await;
    let replica = &fleet.replicas()[0];
    let body = "data: é\r\n\r\n: comment\r\rdata:[DONE]\n\n";
    let headers = vec![("content-type".to_owned(), "text/event-stream".to_owned())];
    let raw = RawReply { headers, body: Some(body.into()), ..RawReply::default() };
    replica.set_script(ReplyScript {
        raw: Some(raw),
        trailers: Some(vec![("x-after".into(), "1".into())]),
        ..ReplyScript::default()
    });
    for bytes in 1..5 {
        let request = chat(json!({})).header("x-weir-frame-bytes", bytes.to_string());
        let reply = HttpClient::http2().send(replica.address(), request).await.unwrap();
        assert_eq!((reply.text(), reply.complete), (body.to_owned(), true));
        assert_eq!(reply.trailers.unwrap()["x-after"], "1");
    }
    let zipped = send(replica, chat(json!({})).header("x-weir-gzip", "1")).await;
    assert_eq!(zipped.header("content-encoding"), "gzip");
    assert_eq!(zipped.body[..2], [0x1f, 0x8b]);
}

#[tokio::test]
async fn a_replica_that_refuses_is_closed_and_comes_back() {
    let fleet = started(2, instant()).await;
    let (failing, working) = (&fleet.replicas()[0], &fleet.replicas()[1]);
    let client = HttpClient::http1();
    let fail = |mode: &str| {
        let address = failing.address().to_string();
        Request::post("/_weir/fail").json(&json!({"mode": mode, "address": address}))
    };
    client.send(failing.address(), Request::get("/health")).await.unwrap();
    assert_eq!(send(working, fail("refuse")).await.json().unwrap()["mode"], "refuse");
    failing.set_failure(FailureMode::Refuse).await;
    assert!(client.send(failing.address(), Request::get("/health")).await.is_err());
    assert!(RawConnection::open(failing.address()).await.is_err());
    assert_eq!(send(working, Request::get("/health")).await.status, 200);
    send(working, fail("none")).await;
    failing.set_failure(FailureMode::None).await;
    assert_eq!(send(failing, Request::get("/health")).await.status, 200);
}

#[tokio::test]
async fn each_failure_mode_fails_in_its_own_way() {
    let fleet = started(1, instant()).await;
    let replica = &fleet.replicas()[0];
    let stream = || chat(json!({"stream": true, "max_tokens": 8}));
    let with = |request: Request, mode: &str| request.header("x-weir-fail", mode);

    let failed = send(replica, with(stream(), "error500")).await;
    assert_eq!((failed.status, failed.json().unwrap()["error"]["code"].as_u64()), (500, Some(500)));
    for request in [stream(), chat(json!({}))] {
        let cut = send(replica, with(request, "cut_midstream")).await;
        assert!(cut.status == 200 && !cut.complete && !cut.body.is_empty());
    }
    let open_end = send(replica, with(stream(), "no_done")).await;
    assert!(open_end.complete && !open_end.text().contains("[DONE]"));

    replica.set_failure(FailureMode::GarbageMetrics).await;
    let garbage = send(replica, Request::get("/metrics")).await;
    assert!(std::str::from_utf8(&garbage.body).is_err());
}

#[tokio::test]
async fn a_hanging_replica_takes_requests_and_keeps_them() {
    let fleet = started(1, instant()).await;
    let replica = &fleet.replicas()[0];
    replica.set_failure(FailureMode::Hang).await;
    let client = HttpClient::http1().with_limit(Duration::from_millis(100));
    assert!(client.send(replica.address(), chat(json!({}))).await.is_err());
    assert_eq!(send(replica, Request::get("/health")).await.status, 503);
    assert_eq!(send(replica, Request::get("/metrics")).await.status, 200);
}

#[tokio::test]
async fn the_load_report_comes_on_request_in_both_forms() {
    let fleet = started(1, instant()).await;
    let replica = &fleet.replicas()[0];
    let report = async |format: &str| {
        let request = chat(json!({})).header("endpoint-load-metrics-format", format);
        send(replica, request).await.header("endpoint-load-metrics").to_owned()
    };
    let text = "TEXT named_metrics.kv_cache_usage_perc=0,named_metrics.num_requests_waiting=0";
    assert_eq!(report("TEXT").await, text);
    assert!(report("JSON").await.starts_with("JSON {\"named_metrics\":{"));
    assert_eq!(send(replica, chat(json!({}))).await.header("endpoint-load-metrics"), "");
}

#[tokio::test]
async fn embeddings_are_equal_for_equal_inputs_in_both_encodings() {
    let fleet = started(1, instant()).await;
    let embed = async |extra: Value| {
        let mut body = json!({"model": "m", "input": ["a", "b", "a"], "dimensions": 4});
        body.as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
        send(&fleet.replicas()[0], Request::post("/v1/embeddings").json(&body))
            .await
            .json()
            .unwrap()
    };
    let floats = embed(json!({})).await;
    assert_eq!(floats["data"][0]["embedding"], floats["data"][2]["embedding"]);
    assert_ne!(floats["data"][0]["embedding"], floats["data"][1]["embedding"]);
    assert_eq!(floats["data"][0]["embedding"].as_array().unwrap().len(), 4);
    let encoded = embed(json!({"encoding_format": "base64"})).await;
    assert_eq!(encoded["data"][0]["embedding"].as_str().unwrap().len(), 24);
}

#[tokio::test]
async fn fast_mode_answers_with_prepared_replies() {
    let fleet = started(1, Settings { fast: true, fast_events: 5, ..instant() }).await;
    let replica = &fleet.replicas()[0];
    let long = "x".repeat(300_000);
    let document = send(replica, chat(json!({"user": long}))).await.json().unwrap();
    assert_eq!(document["object"], "chat.completion");
    let streamed = send(replica, chat(json!({"stream": true, "aaa": long}))).await;
    assert_eq!(streamed.events().len(), 6);
    assert_eq!(send(replica, Request::get("/metrics")).await.status, 200);
}

#[tokio::test]
async fn fast_streams_pause_between_their_events_where_they_shall() {
    let fast_pause = Duration::from_millis(2);
    let fleet = started(1, Settings { fast: true, fast_events: 5, fast_pause, ..instant() }).await;
    let streamed = send(&fleet.replicas()[0], chat(json!({"stream": true}))).await;
    assert_eq!(streamed.events().len(), 6);
    assert!(streamed.total >= 5 * fast_pause, "{:?}", streamed.total);
}
