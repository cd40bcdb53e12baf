//! What cannot be read, kind by kind.

use weir_host::{Body, FakeHost, HeaderMap};

use super::{ask, request_headers, stream};

/// Pictures pass and are counted, everything else that cannot be read is refused.
const MEDIA_PASS: &str = r#"{"policies":{"default":{"on_unscannable":{"media":"flag"},"rules":[{"rules":["pii"],"action":"redact"}]}}}"#;
const PICTURE: &str = r#"{"model":"m","messages":[{"role":"user","content":[{"type":"text","text":"mail a@b.com"},{"type":"image_url","image_url":{"url":"data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJ"}}]}]}"#;

#[test]
fn a_policy_that_lets_media_pass_still_edits_what_stands_beside_them() {
    let host = FakeHost::new();
    let (_, body) = ask(&host, MEDIA_PASS, PICTURE);
    assert_eq!(body, PICTURE.replace("a@b.com", "[EMAIL]"));
    assert!(host.local_reply().is_none());
    let metric =
        "weir_guardrail_findings_total.rule.unscannable.media.direction.request.action.flag";
    assert_eq!(host.metric(metric), Some(1));
}

#[test]
fn a_policy_that_lets_media_pass_still_refuses_what_else_cannot_be_read() {
    let host = FakeHost::new();
    let (_, _) = ask(&host, MEDIA_PASS, r#"{"model":"m","messages":[{"role":"#);
    assert_eq!(host.local_reply().unwrap().status, 400);

    let host = FakeHost::new();
    let mut stream = stream(&host, MEDIA_PASS);
    request_headers(&host, &[("content-encoding", "br"), ("content-length", "4")]);
    host.set_body(Body::Request, b"\x1b\0\0\0");
    stream.on_http_request_headers(4, false);
    stream.on_http_request_body(4, true);
    assert_eq!(host.local_reply().unwrap().status, 400);
    assert!(host.header_now(HeaderMap::Request, "content-encoding").is_some());
}

#[test]
fn a_kind_that_does_not_exist_is_refused_with_its_place() {
    use weir_host::{Config, RootContext};
    let config = MEDIA_PASS.replace("media", "pictures");
    let host = FakeHost::new();
    host.set_configuration(Config::Plugin, config.as_bytes());
    let mut root = crate::Root::new(host.clone());
    assert!(!root.on_configure(config.len()));
    let logs = format!("{:?}", host.logs());
    assert!(logs.contains("policies.default.on_unscannable"), "{logs}");
    assert!(logs.contains("pictures"), "{logs}");
}
