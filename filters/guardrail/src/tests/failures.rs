//! Errors of the upstream, redirects, and responses without a body.

use weir_host::{Action, Body, FakeHost, HeaderMap, Host, HttpContext};

use super::{QUESTION, REDACT, ask};

fn headers(host: &FakeHost, stream: &mut dyn HttpContext, status: &str, of: &[(&str, &str)]) {
    host.set_header(HeaderMap::Response, ":status", status.as_bytes()).unwrap();
    for (name, value) in of {
        host.set_header(HeaderMap::Response, name, value.as_bytes()).unwrap();
    }
    assert_eq!(stream.on_http_response_headers(of.len() + 1, false), Action::Pause);
}

/// What becomes of a response: its local reply if there is one, its status and its body.
fn answered(
    (config, path): (&str, &str),
    (status, of): (&str, &[(&str, &str)]),
    body: &[u8],
) -> (FakeHost, String) {
    let host = FakeHost::new();
    host.set_header(HeaderMap::Request, ":path", path.as_bytes()).unwrap();
    let (mut stream, _) = ask(&host, config, QUESTION);
    headers(&host, stream.as_mut(), status, of);
    let half = body.len() / 2;
    host.set_body(Body::Response, &body[..half]);
    stream.on_http_response_body(half, false);
    host.set_body(Body::Response, body);
    assert_eq!(stream.on_http_response_body(body.len(), true), Action::Continue);
    assert!(host.local_reply().is_none(), "{status} {of:?}");
    assert_eq!(host.header_now(HeaderMap::Response, ":status").unwrap(), status.as_bytes());
    let body = String::from_utf8_lossy(&host.body_now(Body::Response)).into_owned();
    (host, body)
}

const CHAT: &str = "/v1/chat/completions";

#[test]
fn an_error_stays_one_with_its_status_and_is_inspected_as_what_it_is() {
    for (status, kind, body, expected) in [
        ("502", None, "upstream connect error", "upstream connect error"),
        (
            "500",
            Some("application/json"),
            "a@b.com: Internal Server Error",
            "[EMAIL]: Internal Server Error",
        ),
        ("503", Some("text/plain"), "no healthy upstream", "no healthy upstream"),
        ("504", Some("text/html"), "<p>a@b.com</p>", "<p>[EMAIL]</p>"),
        (
            "429",
            Some("application/json"),
            r#"{"error":{"message":"a@b.com"}}"#,
            r#"{"error":{"message":"[EMAIL]"}}"#,
        ),
        (
            "500",
            Some("application/json"),
            r#"{"error":{"message":"a@b.com"#,
            r#"{"error":{"message":"[EMAIL]"#,
        ),
        (
            "500",
            Some("text/event-stream"),
            r#"{"error":{"message":"a@b.com"}}"#,
            r#"{"error":{"message":"[EMAIL]"}}"#,
        ),
        (
            "400",
            Some("text/event-stream"),
            "data: {\"error\":\"a@b.com\"}\n\n",
            "data: {\"error\":\"[EMAIL]\"}\n\n",
        ),
        (
            "422",
            Some("application/problem+json"),
            r#"{"detail":"a@b.com"}"#,
            r#"{"detail":"[EMAIL]"}"#,
        ),
        ("302", None, "see a@b.com", "see [EMAIL]"),
        ("502", Some("application/octet-stream"), "", ""),
        ("502", None, "", ""),
    ] {
        let kind = kind.map(|kind| ("content-type", kind));
        let of: Vec<_> = kind.into_iter().chain([("retry-after", "7")]).collect();
        let (host, became) = answered((REDACT, CHAT), (status, &of), body.as_bytes());
        assert_eq!(became, expected, "{status}");
        assert_eq!(host.header_now(HeaderMap::Response, "retry-after").unwrap(), b"7");
    }
}

#[test]
fn an_error_that_cannot_be_inspected_is_replaced_by_one_of_the_same_status() {
    let gzip: &[u8] = b"\x1f\x8b\x08\0\0\0\0\0\xff\xfe";
    let all = r#"{"policies":{"default":{"rules":[{"rules":["pii"],"action":"block"}]}}}"#;
    let small = r#"{"policies":{"default":{"max_body_bytes":200,"rules":[{"rules":["pii"],"action":"redact"}]}}}"#;
    let large = [b'x'; 400];
    for (config, status, encoding, body, rule) in [
        (REDACT, "429", "gzip", gzip, "unscannable.compressed"),
        (REDACT, "500", "identity", gzip, "unscannable.content-type"),
        (REDACT, "503", "identity", br#"{"error":"x","error":"y"}"#, "unscannable.not-json"),
        (all, "500", "identity", b"card 4111 1111 1111 1111".as_slice(), "pii.credit_card"),
        (small, "502", "identity", &large, "unscannable.too-large"),
    ] {
        let config = if config == all {
            all.replace("[\"pii\"]", "[\"CREDIT_CARD\"]")
        } else {
            config.to_owned()
        };
        let length = body.len().to_string();
        let of = [
            ("content-type", "application/json"),
            ("content-encoding", encoding),
            ("content-length", &length),
            ("retry-after", "7"),
            ("etag", "\"1\""),
        ];
        let (host, became) = answered((&config, CHAT), (status, &of), body);
        assert!(
            became.starts_with(r#"{"error":{"message":"The model server answered with status "#),
            "{became}"
        );
        assert!(became.contains(rule) && !became.contains("1111"), "{became}");
        let length = became.len().to_string();
        for (name, value) in [
            ("content-length", Some(length.as_str())),
            ("content-encoding", None),
            ("etag", None),
            ("retry-after", Some("7")),
        ] {
            let now = host.header_now(HeaderMap::Response, name);
            assert_eq!(now.as_deref(), value.map(str::as_bytes), "{name}");
        }
        let metric =
            format!("weir_guardrail_findings_total.rule.{rule}.direction.response.action.block");
        assert_eq!(host.metric(&metric), Some(1), "{rule}");
    }
}

#[test]
fn an_error_that_cannot_be_inspected_passes_where_the_policy_says_so() {
    let config = REDACT.replace("\"rules\":[{", "\"on_unscannable\":\"flag\",\"rules\":[{");
    let gzip = [("content-encoding", "gzip"), ("content-type", "application/json")];
    let (host, became) = answered((&config, CHAT), ("500", &gzip), b"\x1f\x8bzip");
    assert_eq!(became.as_bytes(), String::from_utf8_lossy(b"\x1f\x8bzip").as_bytes());
    assert!(host.header_now(HeaderMap::Response, "content-encoding").is_some());
    let metric =
        "weir_guardrail_findings_total.rule.unscannable.compressed.direction.response.action.flag";
    assert_eq!(host.metric(metric), Some(1));
}

#[test]
fn what_follows_an_error_that_was_too_large_does_not_pass() {
    let host = FakeHost::new();
    let config = REDACT.replace("\"rules\":[{", "\"max_body_bytes\":200,\"rules\":[{");
    let (mut stream, _) = ask(&host, &config, QUESTION);
    headers(&host, stream.as_mut(), "500", &[("content-type", "text/plain")]);
    host.set_body(Body::Response, &[b'x'; 300]);
    assert_eq!(stream.on_http_response_body(300, false), Action::Continue);
    assert!(host.body_now(Body::Response).starts_with(b"{\"error\""));
    for end in [false, true] {
        host.set_body(Body::Response, b"a@b.com");
        assert_eq!(stream.on_http_response_body(7, end), Action::Continue);
        assert!(host.body_now(Body::Response).is_empty());
    }
}

#[test]
fn a_response_without_a_body_passes_whatever_it_says_of_it() {
    for status in ["200", "204", "205", "304", "301"] {
        for kind in ["", "image/png", "application/json", "text/plain"] {
            let of = [("content-type", kind)];
            let (host, body) = answered((REDACT, CHAT), (status, &of), b"");
            assert_eq!(body, "");
            assert!(
                host.state("weir.guard")
                    .unwrap_or_default()
                    .unwrap_or_default()
                    .starts_with(b"action=redact; request")
            );
        }
    }
}
