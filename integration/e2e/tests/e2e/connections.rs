//! What clients and their connections ask of Envoy itself: long silences, upgrades, compressed bodies.

use std::io::Write as _;

use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::{Value, json};
use weir_harness::{HttpClient, RawConnection, RawHead, Request};

use crate::stack::{LLAMA, Plan, Stack, chat};

/// Everything below `value` that is called `name`.
fn all<'a>(value: &'a Value, name: &str) -> Vec<&'a Value> {
    let children: Vec<&Value> = match value {
        Value::Object(members) => members.values().collect(),
        Value::Array(items) => items.iter().collect(),
        _ => Vec::new(),
    };
    let below = children.into_iter().flat_map(|child| all(child, name));
    value.get(name).into_iter().chain(below).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_ends_an_answer_that_thinks_for_less_than_an_hour() {
    for plan in Plan::all_shipped() {
        let stack = plan.start().await;
        let dump = stack.envoy.ask("/config_dump").await.unwrap().json().unwrap();
        let managers = all(&dump, "stat_prefix").len();
        assert!(managers >= 2, "no connection manager in the dump");
        let idle = all(&dump, "stream_idle_timeout");
        assert!(!idle.is_empty() && idle.iter().all(|limit| **limit == json!("3600s")), "{idle:?}");
        let timeouts: Vec<_> =
            all(&dump, "route").into_iter().filter_map(|route| route.get("timeout")).collect();
        assert!(timeouts.len() >= 2 && timeouts.iter().all(|limit| **limit == json!("0s")));
        for limit in [
            "idle_timeout",
            "request_timeout",
            "max_stream_duration",
            "max_downstream_connection_duration",
            "per_try_timeout",
            "per_try_idle_timeout",
            "max_connection_duration",
        ] {
            assert_eq!(all(&dump, limit), Vec::<&Value>::new(), "{limit}");
        }
    }
}

/// Sends bytes on a connection of their own.
async fn raw(stack: &Stack, bytes: impl AsRef<[u8]>) -> (RawHead, Vec<u8>) {
    let mut connection = RawConnection::open(stack.envoy.clients()).await.unwrap();
    // The answer may come before all is sent.
    let _ = connection.send(bytes).await;
    let head = connection.read_head().await.unwrap();
    let body = connection.read_body(&head).await.unwrap_or_default();
    (head, body)
}

fn upgrading(line: &str, upgrade: &str, body: &str) -> String {
    let length = body.len();
    format!(
        "{line} HTTP/1.1\r\nhost: x\r\nx-weir-echo: 1\r\nconnection: Upgrade\r\nupgrade: {upgrade}\r\n\
         sec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
         content-length: {length}\r\n\r\n{body}"
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn an_offer_to_upgrade_to_tls_is_ignored() {
    let body = json!({"model": "gpt-4o", "messages": []}).to_string();
    for plan in Plan::all_shipped() {
        let stack = plan.start().await;
        for offer in ["TLS/1.2", "tls/1.0", "TLS/1.2, TLS/1.1", "h2c"] {
            let (head, answer) =
                raw(&stack, upgrading("POST /v1/chat/completions", offer, &body)).await;
            assert_eq!(head.status, 200, "{offer}");
            let answer: Value = serde_json::from_slice(&answer).unwrap();
            assert_eq!(crate::stack::echoed(&answer["weir_echo"], "upgrade"), "", "{offer}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_websocket_is_told_to_use_http() {
    for plan in Plan::all_shipped() {
        let stack = plan.start().await;
        for path in ["/v1/responses", "/openai/v1/responses?model=gpt-4o", "/v1/responses/"] {
            assert_told_to_use_http(&stack, path).await;
        }
        // What asks for another protocol is refused as before, and a request like this without one is served.
        let (head, _) = raw(&stack, upgrading("GET /v1/responses", "other", "")).await;
        assert_eq!(head.status, 403);
        let fallback = json!({"model": "gpt-4o", "input": "hello"});
        assert_eq!(stack.send(Request::post("/v1/responses").json(&fallback)).await.status, 200);
    }
}

/// A WebSocket to `path` gets 426 with an error in JSON, in whatever case it asks.
pub(crate) async fn assert_told_to_use_http(stack: &Stack, path: &str) {
    for protocol in ["websocket", "WebSocket"] {
        let (head, body) = raw(stack, upgrading(&format!("GET {path}"), protocol, "")).await;
        let answer: Value = serde_json::from_slice(&body).unwrap_or_default();
        let told = (head.status, &answer["error"]["code"]);
        assert_eq!(told, (426, &json!("upgrade_required")), "{path} {protocol}");
        assert_eq!(head.header("content-type").as_deref(), Some("application/json"));
    }
}

fn gzip(text: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::new(4));
    encoder.write_all(text).unwrap();
    encoder.finish().unwrap()
}

/// A Zstandard frame (RFC 8878) with a window of 2 MiB, of blocks: `Ok` as they are, `Err` one byte so many times.
fn zstd(blocks: &[Result<&[u8], (u8, u32)>]) -> Vec<u8> {
    let mut frame = vec![0x28, 0xB5, 0x2F, 0xFD, 0x00, 0x58];
    for (at, block) in blocks.iter().enumerate() {
        let last = u32::from(at + 1 == blocks.len());
        let (kind, size) = match block {
            Ok(bytes) => (0, u32::try_from(bytes.len()).unwrap()),
            Err((_, times)) => (1, *times),
        };
        frame.extend(&(size << 3 | kind << 1 | last).to_le_bytes()[..3]);
        match block {
            Ok(bytes) => frame.extend(*bytes),
            Err((byte, _)) => frame.push(*byte),
        }
    }
    frame
}

/// A Brotli stream (RFC 7932) of one uncompressed block: WBITS 16, not the last, four nibbles of length.
fn brotli(text: &[u8]) -> Vec<u8> {
    let bits = u32::try_from(text.len() - 1).unwrap() << 4 | 1 << 20;
    let mut stream = bits.to_le_bytes()[..3].to_vec();
    stream.extend(text);
    // The last block, which is empty.
    stream.push(3);
    stream
}

fn compressed(coding: &str, bytes: Vec<u8>) -> Request {
    let request = Request::post("/v1/chat/completions").header("x-weir-echo", "1");
    request
        .header("content-encoding", coding)
        .header("content-type", "application/json")
        .body(bytes)
}

/// A compressed chat request is routed, read, and arrives plain.
pub(crate) async fn assert_unpacked(stack: &Stack) {
    let message = json!([{"role": "user", "content": "hello there"}]);
    let plain = json!({"model": LLAMA, "messages": message}).to_string();
    let text = plain.as_bytes();
    for (coding, bytes) in [
        ("gzip", gzip(text)),
        ("GZIP", gzip(text)),
        ("zstd", zstd(&[Ok(text)])),
        ("br", brotli(text)),
        ("identity", text.to_vec()),
    ] {
        for client in [HttpClient::http1(), HttpClient::http2()] {
            let request = compressed(coding, bytes.clone());
            let reply = client.send(stack.envoy.clients(), request).await.unwrap();
            assert_eq!(
                (reply.status, stack.pool_of(&reply)),
                (200, "llama"),
                "{coding}: {}",
                reply.text()
            );
            let echo = &reply.json().unwrap()["weir_echo"];
            assert_eq!(echo["body"], plain, "{coding}");
            if coding != "identity" {
                assert_eq!(crate::stack::echoed(echo, "content-encoding"), "");
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn compressed_bodies_are_read_like_any_others() {
    for plan in Plan::all_shipped() {
        let stack = plan.start().await;
        assert_unpacked(&stack).await;
        let unknown = stack.send(compressed("gzip", gzip(br#"{"model":"nope"}"#))).await;
        assert_eq!(unknown.status, 404, "{}", unknown.text());
        // Codings that nobody unpacks stay Weir's to refuse.
        for coding in ["deflate", "x-gzip", "gzip, gzip", "exi"] {
            let reply = stack.send(compressed(coding, gzip(gzip(b"{}").as_slice()))).await;
            assert_eq!(reply.status, 415, "{coding}: {}", reply.text());
        }
        // What is not what it says, or breaks off, is no JSON.
        let whole = gzip(format!(r#"{{"model":"{LLAMA}","messages":[]}}"#).as_bytes());
        for bytes in [b"{}".to_vec(), whole[..whole.len() - 12].to_vec()] {
            let reply = stack.send(compressed("gzip", bytes)).await;
            assert_eq!(reply.status, 400, "{}", reply.text());
        }
        // A response stays as the replica packed it.
        let packed = stack.send(chat(LLAMA, "x").header("accept-encoding", "gzip")).await;
        assert_eq!(packed.status, 200);
        stack.assert_no_trap().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_guardrail_sees_what_was_compressed() {
    let stack = Plan::guardrail().start().await;
    let body =
        json!({"model": LLAMA, "messages": [{"role": "user", "content": "I am ann@example.com"}]});
    let body = body.to_string();
    for (coding, bytes) in [("gzip", gzip(body.as_bytes())), ("zstd", zstd(&[Ok(body.as_bytes())]))]
    {
        let reply = stack.send(compressed(coding, bytes)).await;
        assert_eq!(reply.status, 200, "{}", reply.text());
        let replicas = stack.llama.replicas().iter().map(|replica| replica.last_request());
        let arrived = replicas.map(|last| last.to_string()).collect::<String>();
        assert!(arrived.contains("I am [EMAIL") && !arrived.contains("ann@"), "{arrived}");
    }
}

/// Incompressible bytes between runs of spaces: eighty times their size, which passes for a text.
fn eightyfold(size: usize) -> Vec<u8> {
    let spaces = vec![b' '; 15_000];
    let mut seed = 1_u32;
    let mut text = format!(r#"{{"model":"{LLAMA}","x":""#).into_bytes();
    for _ in 0..size / 190 {
        let noise = std::iter::repeat_with(|| {
            seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            b'a' + u8::try_from(seed >> 28).unwrap()
        });
        text.extend(noise.take(250));
        text.extend(&spaces);
    }
    text
}

/// Bodies that grow when they are unpacked, and how they are answered.
fn bombs() -> [(&'static str, Vec<u8>, &'static [u16]); 5] {
    let spaces = 20 << 20;
    let head: &[u8] = br#"{"model":"gpt-4o","messages":["#;
    let mut thousandfold = vec![Ok(head)];
    thousandfold.extend(vec![Err((b' ', 128 << 10)); spaces >> 17]);
    // These two keep below the ratio at which Envoy stops, so that all of them is unpacked; unless a piece of them that
    // Envoy has read ends so that it is mostly spaces, since it looks at each piece.
    let noise = eightyfold(8 << 10);
    let eighty: Vec<Result<&[u8], (u8, u32)>> =
        (0..1450).flat_map(|_| [Ok(&noise[..1400]), Err((b' ', 128 << 10))]).collect();
    [
        ("gzip", gzip(&[head, &vec![b' '; spaces]].concat()), &[400]),
        ("zstd", zstd(&thousandfold), &[400]),
        ("gzip", gzip(&eightyfold(600_000)), &[413, 400]),
        ("zstd", zstd(&eighty), &[413, 400]),
        // Too large while it is compressed.
        ("zstd", vec![0; 3 << 20], &[413]),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn a_decompression_bomb_is_refused_and_costs_little() {
    let mut stack = Plan::quickstart().start().await;
    let before = peak(&mut stack);
    for (coding, bomb, status) in bombs() {
        let length = bomb.len();
        let head = format!(
            "POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\ncontent-encoding: {coding}\r\ncontent-length: {length}\r\n\r\n"
        );
        let (head, _) = raw(&stack, [head.as_bytes(), &bomb].concat()).await;
        let answered = head.status;
        assert!(status.contains(&answered), "{answered}: {coding}, {length} bytes");
        assert_eq!(stack.send(chat(LLAMA, "x")).await.status, 200);
    }
    // Unpacked at once, the larger two have 48 and 190 MB.
    let grown = peak(&mut stack) - before;
    assert!(grown < 800 << 20, "{grown} bytes");
    stack.assert_no_trap().await;
}

/// The most memory that Envoy has had, in bytes.
fn peak(stack: &mut Stack) -> u64 {
    let path = format!("/proc/{}/status", stack.envoy.process().id());
    let status = std::fs::read_to_string(path).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() << 10
}
