//! Responses whose `content-type` does not say what they are.

use weir_host::{Action, Body, FakeHost, HeaderMap, Host};

use super::{QUESTION, REDACT, answer_body, ask};

const EVENTS: [&str; 3] = [
    "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"It is 4111 1111\"}}]}\n\n",
    "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\" 1111 1111. \"}}]}\n\n",
    "data: [DONE]\n\n",
];

/// The same as [`REDACT`], but what cannot be read passes and is counted.
const FLAG: &str = r#"{"policies":{"default":{"on_unscannable":"flag","rules":[{"rules":["pii"],"action":"redact"}]}}}"#;

/// What becomes of a response with that type (none if empty) whose chunks these are, and where it went on.
fn answered(policy: &str, kind: &str, chunks: &[&str]) -> (FakeHost, String) {
    let host = FakeHost::new();
    let (mut stream, _) = ask(&host, policy, QUESTION);
    if let Some(coding) = kind.strip_prefix("coding ") {
        host.set_header(HeaderMap::Response, "content-encoding", coding.as_bytes()).unwrap();
    }
    host.set_header(HeaderMap::Response, ":status", b"200").unwrap();
    if !kind.is_empty() {
        host.set_header(HeaderMap::Response, "content-type", kind.as_bytes()).unwrap();
    }
    let (mut out, mut held) = (String::new(), String::new());
    let mut action = stream.on_http_response_headers(2, false);
    for (number, chunk) in chunks.iter().enumerate() {
        held = if action == Action::Pause { held + chunk } else { (*chunk).to_owned() };
        host.set_body(Body::Response, held.as_bytes());
        action = stream.on_http_response_body(held.len(), number + 1 == chunks.len());
        if action == Action::Continue {
            out += &String::from_utf8(host.body_now(Body::Response)).unwrap();
            held.clear();
        }
    }
    (host, out)
}

#[test]
fn events_are_a_stream_whatever_they_call_themselves() {
    for kind in [
        "text/plain",
        "text/html; charset=utf-8",
        "application/json",
        "",
        "binary/octet-stream",
        "coding utf-8",
    ] {
        let late = vec![": ok\n\nda", "ta: {", "}\n\n", EVENTS[0], EVENTS[1], EVENTS[2]];
        for (policy, chunks) in [(REDACT, EVENTS.to_vec()), (FLAG, EVENTS.to_vec()), (FLAG, late)] {
            let (host, out) = answered(policy, kind, &chunks);
            assert!(host.local_reply().is_none(), "{kind}");
            assert!(
                out.contains("It is [CREDIT_CARD]") && out.ends_with(EVENTS[2]),
                "{kind}: {out}"
            );
            assert!(!out.contains("1111"), "{kind}: {out}");
        }
    }
    // What is there goes on at once.
    let host = FakeHost::new();
    let (mut stream, _) = ask(&host, REDACT, QUESTION);
    host.set_header(HeaderMap::Response, ":status", b"200").unwrap();
    host.set_header(HeaderMap::Response, "content-type", b"text/html").unwrap();
    host.set_header(HeaderMap::Response, "content-length", b"999").unwrap();
    assert_eq!(stream.on_http_response_headers(2, false), Action::Pause);
    assert_eq!(answer_body(&host, stream.as_mut(), "data: {}\n\n", false), "data: {}\n\n");
    assert_eq!(host.header_now(HeaderMap::Response, "content-length"), None);
}

#[test]
fn lines_of_json_are_a_stream() {
    let line = |text: &str, done: bool| {
        format!(
            "{{\"message\":{{\"role\":\"assistant\",\"content\":\"{text}\"}},\"done\":{done}}}\n"
        )
    };
    let lines = [line("It is 4111 1111", false), line(" 1111 1111. ", false), line("", true)];
    let chunks: Vec<&str> = lines.iter().map(String::as_str).collect();
    for kind in ["application/x-ndjson", "application/jsonl; charset=utf-8"] {
        let (host, out) = answered(REDACT, kind, &chunks);
        assert!(host.local_reply().is_none(), "{kind}");
        let expected = [line("It is [CREDIT_CARD]", false), line(". ", false), line("", true)];
        assert_eq!(out, expected.concat(), "{kind}");
    }
}

#[test]
fn json_is_json_whatever_it_calls_itself() {
    let kinds = ["", "application/octet-stream", "application/json", "coding utf-8"];
    for (policy, kind) in
        [REDACT, FLAG].into_iter().flat_map(|policy| kinds.map(|kind| (policy, kind)))
    {
        let (host, out) = answered(policy, kind, &["\n", r#"{"a":{"b":4111111111"#, r#"111111}}"#]);
        assert!(host.local_reply().is_none(), "{kind}");
        assert_eq!(out, "\n{\"a\":{\"b\":\"[CREDIT_CARD]\"}}", "{kind}");
    }
    for (kind, body) in [
        ("", "data: no"),
        ("audio/mpeg", "ID3"),
        ("application/octet-stream", "{x"),
        ("coding br", "\u{b}"),
    ] {
        let (host, _) = answered(REDACT, kind, &[body]);
        assert!(host.local_reply().is_some(), "{kind} {body}");
        // What passes does so as it comes.
        let (host, out) = answered(FLAG, kind, &[body, " and more"]);
        assert_eq!(out, format!("{body} and more"), "{kind}");
        assert!(host.local_reply().is_none(), "{kind} {body}");
        let flagged = |name: &str| {
            host.metric(&format!("weir_guardrail_findings_total.rule.unscannable.{name}.direction.response.action.flag"))
        };
        let counts = ["content-type", "compressed", "not-json"].map(flagged);
        assert_eq!(counts.into_iter().flatten().sum::<i64>(), 1, "{kind} {body}");
    }
}

#[test]
fn a_request_that_begins_like_json_is_inspected_whatever_it_calls_itself() {
    use super::{request_headers, stream};
    let asked = |headers: &[(&str, &str)], body: &[u8]| {
        let host = FakeHost::new();
        let mut stream = stream(&host, FLAG);
        request_headers(&host, headers);
        let mut action = stream.on_http_request_headers(4, false);
        for len in [1, body.len()] {
            if action == Action::Pause {
                host.set_body(Body::Request, &body[..len]);
                action = stream.on_http_request_body(len, len == body.len());
            }
        }
        assert_eq!((action, host.local_reply()), (Action::Continue, None));
        String::from_utf8_lossy(&host.body_now(Body::Request)).into_owned()
    };
    let json = br#" {"messages":[{"role":"user","content":"mail a@b.com"}]}"#;
    for headers in [
        [("content-type", "multipart/form-data; boundary=x")],
        [("content-encoding", "utf-8")],
        [("content-encoding", "gzip")],
    ] {
        assert!(asked(&headers, json).contains("mail [EMAIL]"), "{headers:?}");
        // What it is passes at once, before all of it is here.
        for body in [&b"--x\r\n a@b.com"[..], b"\x1f\x8b\x08 a@b.com"] {
            assert_eq!(asked(&headers, body).len(), 1, "{headers:?}");
        }
    }
}
