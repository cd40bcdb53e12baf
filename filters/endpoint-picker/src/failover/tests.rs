//! What requests are given, and what Envoy's own answers become.

use weir_host::FakeHost;
use weir_wire::facts::Destination;
use weir_wire::path::classify;
use weir_wire::request::{RequestScanner, ScanLimits};

use super::*;

const POLICY: Failover = Failover { first_token_ms: 1500 };

fn facts(path: &str, body: &str) -> Facts {
    let endpoint = classify(b"POST", path.as_bytes()).unwrap();
    let mut scanner = RequestScanner::new(endpoint.operation, ScanLimits::default());
    scanner.feed(body.as_bytes()).unwrap();
    let to = Destination { model: "m", upstream_model: "m", pool: "p", adapter: None };
    Facts::new(&endpoint, &scanner.finish().unwrap(), to)
}

/// Retries, time limit of an attempt, and mark of a request.
fn announced(path: &str, body: &str) -> [Option<String>; 3] {
    let host = FakeHost::new();
    announce(&host, POLICY, &facts(path, body)).unwrap();
    let header = |name| host.header_now(HeaderMap::Request, name);
    [header(MAX_RETRIES), header(ATTEMPT_MS), host.state("weir.failover").unwrap()]
        .map(|value| value.map(|value| String::from_utf8(value).unwrap()))
}

#[test]
fn only_streams_that_generate_are_held_and_what_must_run_once_is_never_retried() {
    let held = |dialect: &str| [None, Some("1500".to_owned()), Some(dialect.to_owned())];
    let once = [Some("0".to_owned()), None, None];
    for (path, body, expected) in [
        ("/v1/chat/completions", r#"{"stream":true}"#, held("openai")),
        ("/v1/completions", r#"{"stream":true}"#, held("openai")),
        ("/v1/messages", r#"{"stream":true}"#, held("anthropic")),
        ("/v1/responses", r#"{"stream":true,"store":false}"#, held("openai")),
        ("/v1beta/models/m:streamGenerateContent", "{}", held("gemini")),
        ("/v1/chat/completions", "{}", [None, None, None]),
        ("/v1/embeddings", r#"{"input":"Hi"}"#, [None, None, None]),
        ("/v2/models/m/generate_stream", r#"{"text_input":"Hi"}"#, [None, None, None]),
        ("/v1/chat/completions", r#"{"stream":true,"store":true}"#, once.clone()),
        ("/v1/responses", r#"{"stream":true}"#, once.clone()),
        ("/v1/responses", r#"{"store":false,"background":true}"#, once.clone()),
        ("/v1/messages", r#"{"stream":true,"tools":[{"type":"web_search_20250305"}]}"#, once),
    ] {
        assert_eq!(announced(path, body), expected, "{path} {body}");
    }
}

#[test]
fn a_request_whose_headers_cannot_be_written_does_not_go_on() {
    let host = FakeHost::new();
    host.close_headers();
    for body in [r#"{"store":true}"#, r#"{"stream":true}"#] {
        assert!(announce(&host, POLICY, &facts("/v1/chat/completions", body)).is_err());
    }
}

#[test]
fn envoys_own_answers_are_told_in_the_dialect_and_replicas_pass() {
    for (details, status, expected) in [
        ("upstream_per_try_timeout", "504", Some((504, "first_token_timeout"))),
        (
            "upstream_reset_before_response_started{connection_termination}",
            "503",
            Some((503, "no_endpoint")),
        ),
        ("no_healthy_upstream", "503", Some((503, "no_endpoint"))),
        ("via_upstream", "503", None),
        ("via_upstream", "200", None),
        ("request_payload_too_large", "413", None),
    ] {
        let host = FakeHost::new();
        host.set_property(&["response", "code_details"], details.as_bytes());
        host.set_header(HeaderMap::Response, ":status", status.as_bytes()).unwrap();
        assert_eq!(answer_for_envoy(&host, Dialect::OpenAi), expected.is_some(), "{details}");
        let reply = host.local_reply().map(|reply| {
            let body = String::from_utf8(reply.body).unwrap();
            (reply.status, body)
        });
        match (reply, expected) {
            (Some((status, body)), Some((expected, code))) => {
                assert_eq!(status, expected);
                assert!(body.contains(code), "{body}");
            }
            (reply, expected) => assert!(reply.is_none() && expected.is_none(), "{reply:?}"),
        }
    }
    let silent = FakeHost::new();
    assert!(!answer_for_envoy(&silent, Dialect::OpenAi), "Envoy does not say");
}

#[test]
fn only_an_envoy_before_1_37_is_too_old() {
    let version = |major: u64, minor: u64| {
        let host = FakeHost::new();
        let path = |which| ["xds", "node", "user_agent_build_version", "version", which];
        host.set_property(&path("major_number"), &major.to_le_bytes());
        host.set_property(&path("minor_number"), &minor.to_le_bytes());
        too_old(&host)
    };
    assert_eq!([version(1, 35), version(1, 36)], [Some(35), Some(36)]);
    assert_eq!([version(1, 37), version(1, 40), version(2, 0)], [None; 3]);
    let host = FakeHost::new();
    assert_eq!(too_old(&host), None, "nobody says");
    host.set_property(
        &["xds", "node", "user_agent_build_version", "version", "minor_number"],
        b"36",
    );
    assert_eq!(too_old(&host), None, "no number");
}
