//! Bytes that are no text, in every header that is read.

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use weir_harness::{HttpClient, RawConnection};
use weir_replica::FailureMode;
use weir_snapshot::signature::{BodyDigest, sign_push};

use crate::stack::{KEY, LLAMA, Plan, Stack, chat};

/// Sends raw bytes and returns the status; 0 when the connection was closed without an answer.
async fn raw_status(address: std::net::SocketAddr, bytes: &[u8]) -> u16 {
    let mut connection = RawConnection::open(address).await.unwrap();
    connection.send(bytes).await.unwrap();
    connection.read_head().await.map_or(0, |head| head.status)
}

fn post(path: &[u8], headers: &[u8], body: &str) -> Vec<u8> {
    let length = format!("content-length: {}\r\n", body.len());
    let parts: [&[u8]; 8] = [
        b"POST ",
        path,
        b" HTTP/1.1\r\nhost: x\r\n",
        headers,
        length.as_bytes(),
        b"\r\n",
        body.as_bytes(),
        b"",
    ];
    parts.concat()
}

fn body() -> String {
    format!(r#"{{"model":"{LLAMA}","messages":[{{"role":"user","content":"hello"}}]}}"#)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_header_that_is_not_utf8_never_traps() {
    for plan in Plan::both() {
        assert_odd_headers_are_served(plan.long_fresh().start().await).await;
    }
}

async fn assert_odd_headers_are_served(stack: Stack) {
    assert_eq!(stack.push(|_, _| ()).await.status, 200);
    let cases: [(&[u8], u16); 12] = [
        (b"content-type", 200),
        (b"content-encoding", 415),
        (b"x-session-id", 200),
        (b"x-gateway-model-name", 200),
        (b"x-gateway-base-model-name", 200),
        (b"x-gateway-destination-endpoint", 200),
        (b"x-gateway-destination-endpoint-subset", 200),
        (b"accept", 200),
        (b"authorization", 200),
        (b"user-agent", 200),
        (b"x-request-id", 200),
        (b"traceparent", 200),
    ];
    for (name, expected) in cases {
        for value in [&b"\xff"[..], b"\xc3\x28", b"a\xff\xfe\x80b", b"\xed\xa0\x80"] {
            let header = [name, b": ", value, b"\r\n"].concat();
            let bytes = post(b"/v1/chat/completions", &header, &body());
            let status = raw_status(stack.envoy.clients(), &bytes).await;
            let shown = String::from_utf8_lossy(name);
            assert_eq!(status, expected, "{shown} over HTTP/1.1");
            let request = chat(LLAMA, "hello").header(name, value);
            let reply = HttpClient::http2().send(stack.envoy.clients(), request).await.unwrap();
            assert_eq!(reply.status, expected, "{shown} over HTTP/2");
        }
    }
    odd_paths_and_lengths(&stack).await;
    stack.assert_no_trap().await;
}

async fn odd_paths_and_lengths(stack: &Stack) {
    let paths: [&[u8]; 6] = [
        b"/v1/chat/completions\xff",
        b"/\xff/v1/chat/completions",
        b"/v1/chat/completions?\xff=\xff",
        b"/v2/models/\xff/infer",
        b"/v2/models/%ff%/infer",
        b"/v1beta/models/%:generateContent",
    ];
    for path in paths {
        let status = raw_status(stack.envoy.clients(), &post(path, b"", &body())).await;
        let shown = String::from_utf8_lossy(path);
        assert!([200, 400, 404].contains(&status), "{shown}: {status}");
    }
    for length in [&b"\xff"[..], b"-1", b"99999999999999999999999", b"+3", b"0x10"] {
        let head = b"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\ncontent-length: ";
        let bytes = [&head[..], length, b"\r\n\r\n{}"].concat();
        let status = raw_status(stack.envoy.clients(), &bytes).await;
        assert!([0, 400, 413].contains(&status), "content-length {length:?}: {status}");
    }
    let get = b"GET /v1/models/\xff HTTP/1.1\r\nhost: x\r\n\r\n";
    let status = raw_status(stack.envoy.clients(), get).await;
    assert!([400, 404].contains(&status), "{status}");
    // The picker reads what the replica answers as well.
    let replica =
        chat(LLAMA, "hello").header("x-weir-reply-json", r#"{"raw":{"body_base64":"/w=="}}"#);
    assert_eq!(stack.send(replica).await.body.as_ref(), b"\xff");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replicas_odd_headers_never_trap() {
    for plan in Plan::both() {
        assert_odd_replies_pass(plan.long_fresh().start().await).await;
    }
}

async fn assert_odd_replies_pass(stack: Stack) {
    let only_first = |index: usize, endpoint: &mut serde_json::Value| {
        endpoint["state"] = serde_json::json!(if index == 0 { "ready" } else { "draining" });
    };
    assert_eq!(stack.push(only_first).await.status, 200);
    let replica = &stack.llama.replicas()[0];
    replica.set_failure(FailureMode::Refuse).await;
    let listener = TcpListener::bind(replica.address()).await.unwrap();
    let odd: [&[u8]; 3] = [
        b"content-type: text/event-stream\xff\r\ncontent-length: 2\r\n",
        b"content-type: \xff\r\ncontent-encoding: \xff\r\ncontent-length: 2\r\n",
        b"x-weir-replica: \xc3\x28\r\nserver: \xff\r\ncontent-length: 2\r\n",
    ];
    for headers in odd {
        let reply = [b"HTTP/1.1 200 OK\r\n", headers, b"connection: close\r\n\r\n{}"].concat();
        let (client, ()) =
            tokio::join!(stack.send(chat(LLAMA, "x")), answer_once(&listener, &reply));
        assert_eq!((client.status, client.body.as_ref()), (200, &b"{}"[..]));
    }
    stack.assert_no_trap().await;
}

/// Answers one request with exactly these bytes.
async fn answer_once(listener: &TcpListener, reply: &[u8]) {
    let (mut stream, _) = listener.accept().await.unwrap();
    let mut request = [0; 4096];
    assert!(stream.read(&mut request).await.unwrap() > 0);
    stream.write_all(reply).await.unwrap();
    // Until the peer has closed, so that nothing is lost by a reset.
    while stream.read(&mut request).await.is_ok_and(|read| read > 0) {}
}

#[tokio::test(flavor = "multi_thread")]
async fn the_intake_takes_no_odd_byte_for_a_signature() {
    let stack = Plan::quickstart().start().await;
    let body = "{}";
    assert_eq!(stack.push_body(body).await.status, 400, "signed, but no snapshot");
    let challenge = stack.challenge();
    let digest = BodyDigest::of(body.as_bytes());
    let right = sign_push(KEY.as_bytes(), &challenge, digest);
    let answers = [b"x-weir-challenge: ", challenge.as_bytes(), b"\r\n"].concat();
    let half = [right.as_bytes(), b"\xff"].concat();
    for value in [&b"\xff"[..], b"sha256=\xff", &half, b"", b"sha256="] {
        let header = [&b"x-weir-signature: "[..], value, b"\r\n", &answers].concat();
        let bytes = post(b"/weir/v1/snapshot", &header, body);
        assert_eq!(raw_status(stack.envoy.intake(), &bytes).await, 401, "{value:?}");
    }
    let signed = [b"x-weir-signature: ", right.as_bytes(), b"\r\n"].concat();
    for value in [&b"\xff"[..], b"", &[challenge.as_bytes(), b"\xff"].concat()] {
        let header = [&signed, &b"x-weir-challenge: "[..], value, b"\r\n"].concat();
        let bytes = post(b"/weir/v1/snapshot", &header, body);
        assert_eq!(raw_status(stack.envoy.intake(), &bytes).await, 401, "{value:?}");
    }
    let odd_path = post(b"/weir/v1/snapshot\xff", b"", body);
    let status = raw_status(stack.envoy.intake(), &odd_path).await;
    assert!([400, 404].contains(&status), "{status}");
    assert_eq!(stack.look().await.status, 200);
    stack.assert_no_trap().await;
}
