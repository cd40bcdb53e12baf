//! Ways in which a request's bytes can come: expected, in odd pieces, with trailers, back to back.

use std::time::Duration;

use serde_json::{Value, json};
use weir_harness::{HttpClient, RawConnection, Request};

use crate::stack::{LLAMA, Plan, QWEN, Stack};

const HEAD: &str = "POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\nx-weir-echo: 1\r\n";

/// Reads one answer and returns what the replica got.
async fn echoed_body(connection: &mut RawConnection) -> String {
    let head = connection.read_head().await.unwrap();
    assert_eq!(head.status, 200);
    let body = connection.read_body(&head).await.unwrap();
    let body: Value = serde_json::from_slice(&body).unwrap();
    body["weir_echo"]["body"].as_str().unwrap().to_owned()
}

fn chunk(bytes: &[u8]) -> Vec<u8> {
    [format!("{:x}\r\n", bytes.len()).as_bytes(), bytes, b"\r\n"].concat()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_waits_for_100_continue_is_told_to_go_on() {
    let stack = Plan::quickstart().start().await;
    let mut connection = RawConnection::open(stack.envoy.clients()).await.unwrap();
    let body = r#"{"model":"qwen","messages":[]}"#;
    let head = format!("{HEAD}expect: 100-continue\r\ncontent-length: {}\r\n\r\n", body.len());
    connection.send(head).await.unwrap();
    assert_eq!(connection.read_head().await.unwrap().status, 100);
    connection.send(body).await.unwrap();
    assert_eq!(echoed_body(&mut connection).await, body.replace("qwen", QWEN));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_may_be_cut_anywhere() {
    for plan in Plan::both() {
        assert_cut_bodies_arrive(plan.start().await).await;
    }
}

async fn assert_cut_bodies_arrive(stack: Stack) {
    let body = r#"{"user":"é\u00e9\ud83d\ude00","messages":[],"model":"q\u0077en","n":1}"#;
    let expected = body.replace(r#""q\u0077en""#, &format!("\"{QWEN}\""));
    let bytes = body.as_bytes();
    // One byte at a time; and one cut inside é, inside escapes, inside the name, around the value.
    let mut cuttings = vec![bytes.chunks(1).map(<[u8]>::to_vec).collect::<Vec<_>>()];
    for at in [1, 9, 10, 12, 14, 18, 25, 46, 48, 52, 56, bytes.len() - 1] {
        let (first, second) = bytes.split_at(at);
        cuttings.push(vec![first.to_vec(), second.to_vec()]);
    }
    let mut connection = RawConnection::open(stack.envoy.clients()).await.unwrap();
    for pieces in cuttings {
        connection.send(format!("{HEAD}transfer-encoding: chunked\r\n\r\n")).await.unwrap();
        let chunks = pieces.iter().map(|piece| chunk(piece));
        connection.send_pieces(chunks, Duration::from_millis(1)).await.unwrap();
        connection.send("0\r\n\r\n").await.unwrap();
        assert_eq!(echoed_body(&mut connection).await, expected);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_may_be_sent_back_to_back_on_one_connection() {
    let stack = Plan::quickstart().start().await;
    let mut connection = RawConnection::open(stack.envoy.clients()).await.unwrap();
    let one = |model: &str| with_length(&format!(r#"{{"model":"{model}","messages":[]}}"#));
    let models = ["qwen", LLAMA, "gpt-4o", QWEN, "sql-expert"];
    connection.send(models.map(one).concat()).await.unwrap();
    for model in models {
        let pool = if ["qwen", QWEN].contains(&model) { QWEN } else { model };
        let upstream = if model == "gpt-4o" { LLAMA } else { pool };
        assert!(echoed_body(&mut connection).await.contains(upstream));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_goes_on_after_a_refusal() {
    let stack = Plan::quickstart().start().await;
    // Envoy ends the connection after each 400 and says so; it goes on after everything else.
    for first in [r#"{"model":"nope"}"#, "{"] {
        let mut connection = RawConnection::open(stack.envoy.clients()).await.unwrap();
        connection.send(with_length(first)).await.unwrap();
        let head = connection.read_head().await.unwrap();
        connection.read_body(&head).await.unwrap();
        assert_eq!(head.header("connection").as_deref() == Some("close"), head.status == 400);
        if head.status == 404 {
            connection.send(with_length(r#"{"model":"qwen","messages":[]}"#)).await.unwrap();
            assert!(echoed_body(&mut connection).await.contains(QWEN));
        }
    }
}

fn with_length(body: &str) -> String {
    format!("{HEAD}content-length: {}\r\n\r\n{body}", body.len())
}

async fn with_trailers(stack: &Stack, model: &str) -> (u16, Value, Option<String>) {
    let body = json!({"model": model, "messages": []}).to_string();
    let request = Request::post("/v1/chat/completions")
        .header("x-weir-echo", "1")
        .header("x-weir-trailers", "x-after=2")
        .pieces([body[..5].to_owned(), body[5..].to_owned()], Duration::from_millis(1))
        .trailer("x-before", "1");
    let reply = HttpClient::http2().send(stack.envoy.clients(), request).await.unwrap();
    let trailer =
        reply.trailers.as_ref().map(|trailers| trailers["x-after"].to_str().unwrap().into());
    (reply.status, reply.json().unwrap(), trailer)
}

#[tokio::test(flavor = "multi_thread")]
async fn http2_trailers_pass_both_ways() {
    for plan in Plan::both() {
        assert_trailers_pass(plan.http2_upstream().start().await).await;
    }
}

async fn assert_trailers_pass(stack: Stack) {
    for (model, upstream) in [(LLAMA, LLAMA), ("qwen", QWEN)] {
        let (status, document, trailer) = with_trailers(&stack, model).await;
        assert_eq!((status, trailer.as_deref()), (200, Some("2")));
        let echo = &document["weir_echo"];
        assert_eq!(echo["trailers"], json!([["x-before", "1"]]));
        let expected = json!({"model": upstream, "messages": []}).to_string();
        assert_eq!(echo["body"], expected);
    }
    let (status, document, _) = with_trailers(&stack, "nope").await;
    assert_eq!((status, &document["error"]["code"]), (404, &json!("model_not_found")));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reply_in_odd_pieces_arrives_whole_and_its_usage_is_learned() {
    for plan in Plan::both() {
        assert_reply_is_whole(plan.long_fresh().start().await).await;
    }
}

async fn assert_reply_is_whole(stack: Stack) {
    assert_eq!(stack.push(|_, _| ()).await.status, 200);
    let body = json!({
        "model": LLAMA, "stream": true, "stream_options": {"include_usage": true},
        "messages": [{"role": "user", "content": "éèê"}],
    });
    let request = || Request::post("/v1/chat/completions").json(&body);
    let whole = stack.send(request().header("x-weir-reply-text", "%C3%A9%F0%9F%98%80%22")).await;
    let learned = stack.stat("weir_prompt_tokens_total").await;
    let text = |reply: &weir_harness::Reply| {
        let events = reply.event_documents();
        let deltas =
            events.iter().filter_map(|event| event["choices"][0]["delta"]["content"].as_str());
        deltas.collect::<String>()
    };
    assert_eq!((text(&whole).as_str(), learned > 0), ("é😀\"", true));
    for size in ["1", "3", "17"] {
        let pieces = request().header("x-weir-reply-text", "%C3%A9%F0%9F%98%80%22");
        let reply = stack.send(pieces.header("x-weir-frame-bytes", size)).await;
        assert!(reply.complete && reply.events().last().unwrap() == "[DONE]");
        assert_eq!(text(&reply), text(&whole));
    }
    let all = stack.stat("weir_prompt_tokens_total").await;
    assert_eq!(all, 4 * learned, "each reply's usage counts once");
    let compressed = stack.send(request().header("x-weir-gzip", "1")).await;
    assert_eq!(compressed.header("content-encoding"), "gzip");
    assert!(compressed.complete && compressed.body.starts_with(&[0x1f, 0x8b]));
    stack.assert_no_trap().await;
}
