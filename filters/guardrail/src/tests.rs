//! The filter against a fake host.

use weir_host::{Action, Body, Config, FakeHost, HeaderMap, Host, HttpContext, RootContext};

use crate::Root;

mod documented;
mod failures;
mod full;
mod mislabelled;
mod unscannable;

const REDACT: &str = r#"{"policies":{"default":{"rules":[{"rules":["pii"],"action":"redact"}]}}}"#;
const QUESTION: &str = r#"{"model":"m","messages":[{"role":"user","content":"I am a@b.com"}]}"#;

fn stream(host: &FakeHost, config: &str) -> Box<dyn HttpContext> {
    host.set_configuration(Config::Plugin, config.as_bytes());
    let mut root = Root::new(host.clone());
    assert!(root.on_configure(config.len()), "{:?}", host.logs());
    root.create_http_context(7)
}

fn request_headers(host: &FakeHost, headers: &[(&str, &str)]) {
    host.set_header(HeaderMap::Request, ":method", b"POST").unwrap();
    host.set_header(HeaderMap::Request, ":path", b"/v1/chat/completions").unwrap();
    for (name, value) in headers {
        host.set_header(HeaderMap::Request, name, value.as_bytes()).unwrap();
    }
}

/// Takes a request through a new stream, and returns it with what the body became.
fn ask(host: &FakeHost, config: &str, body: &str) -> (Box<dyn HttpContext>, String) {
    let mut stream = stream(host, config);
    let length = body.len().to_string();
    request_headers(host, &[("content-length", &length), ("accept-encoding", "gzip")]);
    host.set_body(Body::Request, body.as_bytes());
    assert_eq!(stream.on_http_request_headers(3, false), Action::Pause);
    stream.on_http_request_body(body.len(), true);
    (stream, String::from_utf8(host.body_now(Body::Request)).unwrap())
}

/// Shows a stream of responses the headers of one.
fn answer_headers(host: &FakeHost, stream: &mut dyn HttpContext, kind: &str) -> Action {
    host.set_header(HeaderMap::Response, ":status", b"200").unwrap();
    host.set_header(HeaderMap::Response, "content-type", kind.as_bytes()).unwrap();
    stream.on_http_response_headers(2, false)
}

fn answer_body(host: &FakeHost, stream: &mut dyn HttpContext, body: &str, end: bool) -> String {
    host.set_body(Body::Response, body.as_bytes());
    stream.on_http_response_body(body.len(), end);
    String::from_utf8(host.body_now(Body::Response)).unwrap()
}

#[test]
fn a_request_is_edited_and_its_length_corrected() {
    let host = FakeHost::new();
    let (_, body) = ask(&host, REDACT, QUESTION);
    assert_eq!(body, QUESTION.replace("a@b.com", "[EMAIL]"));
    let length = host.header_now(HeaderMap::Request, "content-length").unwrap();
    assert_eq!(length, body.len().to_string().as_bytes());
    assert_eq!(host.header_now(HeaderMap::Request, "accept-encoding"), None);
    assert_eq!(
        host.state("weir.guard").unwrap().unwrap(),
        b"action=redact; request redact pii.email=1"
    );
    let metric = "weir_guardrail_findings_total.rule.pii.email.direction.request.action.redact";
    assert_eq!(host.metric(metric), Some(1));
}

#[test]
fn a_long_text_without_a_finding_is_scanned_once_unless_the_policy_scans_always() {
    let turn = "The night train leaves Vienna in the evening. ".repeat(10);
    let body = format!(r#"{{"messages":[{{"role":"user","content":"{turn}"}}]}}"#);
    for (member, counted) in [("", [Some(1), Some(2)]), (r#","recall":false"#, [Some(3), None])] {
        let host = FakeHost::new();
        let config = format!(r#"{{"policies":{{"default":{{"max_body_bytes":9000{member}}}}}}}"#);
        host.set_configuration(Config::Plugin, config.as_bytes());
        let mut root = Root::new(host.clone());
        assert!(root.on_configure(config.len()), "{:?}", host.logs());
        for id in 0..3 {
            let mut stream = root.create_http_context(id);
            request_headers(&host, &[]);
            host.set_body(Body::Request, body.as_bytes());
            stream.on_http_request_headers(2, false);
            assert_eq!(stream.on_http_request_body(body.len(), true), Action::Continue);
        }
        let names = ["weir_guardrail_texts_scanned_total", "weir_guardrail_texts_recalled_total"];
        assert_eq!(names.map(|name| host.metric(name)), counted, "{config}");
    }
}

#[test]
fn a_body_over_the_limit_is_refused_before_it_is_read() {
    let host = FakeHost::new();
    let config = r#"{"policies":{"default":{"max_body_bytes":10}}}"#;
    let mut stream = stream(&host, config);
    request_headers(&host, &[]);
    stream.on_http_request_headers(2, false);
    assert_eq!(stream.on_http_request_body(11, false), Action::Pause);
    assert_eq!(host.local_reply().unwrap().status, 413);
}

#[test]
fn a_whole_response_is_held_and_edited() {
    let host = FakeHost::new();
    let (mut stream, _) = ask(&host, REDACT, QUESTION);
    host.set_header(HeaderMap::Response, "content-length", b"53").unwrap();
    assert_eq!(answer_headers(&host, stream.as_mut(), "application/json"), Action::Pause);
    let body = r#"{"choices":[{"message":{"content":"It is c@d.com"}}]}"#;
    host.set_body(Body::Response, body.as_bytes());
    assert_eq!(stream.on_http_response_body(20, false), Action::Pause);
    let edited = answer_body(&host, stream.as_mut(), body, true);
    assert_eq!(edited, body.replace("c@d.com", "[EMAIL]"));
    let length = host.header_now(HeaderMap::Response, "content-length").unwrap();
    assert_eq!(length, edited.len().to_string().as_bytes());
}

#[test]
fn a_whole_response_that_ends_with_trailers_is_inspected() {
    for (card, blocked) in [("c@d.com", false), ("4111 1111 1111 1111", true)] {
        let host = FakeHost::new();
        let config = r#"{"policies":{"default":{"rules":[{"rules":["pii"],"action":"redact"},{"rules":["CREDIT_CARD"],"action":"block"}]}}}"#;
        let (mut stream, _) = ask(&host, config, QUESTION);
        answer_headers(&host, stream.as_mut(), "application/json");
        let body = format!(r#"{{"choices":[{{"message":{{"content":"It is {card}"}}}}]}}"#);
        host.set_body(Body::Response, body.as_bytes());
        assert_eq!(stream.on_http_response_body(body.len(), false), Action::Pause);
        stream.on_http_response_trailers(1);
        match host.local_reply() {
            Some(reply) => assert!(blocked && reply.status == 400),
            None => assert_eq!(
                String::from_utf8(host.body_now(Body::Response)).unwrap(),
                body.replace("c@d.com", "[EMAIL]")
            ),
        }
        assert_eq!(host.local_reply().is_some(), blocked);
    }
}

#[test]
fn a_gemini_stream_without_sse_is_one_text_and_is_not_held_to_its_end() {
    let host = FakeHost::new();
    let mut stream = stream(&host, REDACT);
    request_headers(&host, &[]);
    host.set_header(HeaderMap::Request, ":path", b"/v1beta/models/m:streamGenerateContent")
        .unwrap();
    host.set_body(Body::Request, b"{}");
    stream.on_http_request_headers(2, false);
    stream.on_http_request_body(2, true);
    assert_eq!(answer_headers(&host, stream.as_mut(), "application/json"), Action::Continue);
    let element = |text: &str| {
        format!("{{\"candidates\":[{{\"content\":{{\"parts\":[{{\"text\":\"{text}\"}}]}}}}]}}")
    };
    let first = format!("[{}\n,", element("It is "));
    assert_eq!(answer_body(&host, stream.as_mut(), &first, false), first);
    let second = format!("\n{}\n,{}", element("c@d"), element(".com, yes"));
    let third = answer_body(&host, stream.as_mut(), &second, false);
    assert_eq!(third, format!("\n{}\n,", element("[EMAIL]")));
    let last = answer_body(&host, stream.as_mut(), "]", true);
    assert_eq!(last, format!("{}]", element(", yes")));
}

/// The sums that are left of a response's, after `body` came as `kind` through the policy.
fn sums_left(config: &str, kind: &str, body: &str) -> Vec<&'static str> {
    let host = FakeHost::new();
    let (mut stream, _) = ask(&host, config, QUESTION);
    let sums = ["content-digest", "repr-digest", "digest", "content-md5", "etag", "accept-ranges"];
    for name in sums {
        host.set_header(HeaderMap::Response, name, b"x").unwrap();
    }
    answer_headers(&host, stream.as_mut(), kind);
    answer_body(&host, stream.as_mut(), body, true);
    let left = |name: &&str| host.header_now(HeaderMap::Response, name).is_some();
    sums.into_iter().filter(left).collect()
}

#[test]
fn sums_over_a_response_go_when_it_is_or_may_be_edited() {
    let (json, events) = ("application/json", "text/event-stream");
    let whole =
        |text: &str| format!("{{\"choices\":[{{\"message\":{{\"content\":\"{text}\"}}}}]}}");
    assert_eq!(sums_left(REDACT, json, &whole("c@d.com")), [""; 0]);
    assert_eq!(sums_left(REDACT, json, &whole("hello")).len(), 6);
    assert_eq!(sums_left(REDACT, events, "data: [DONE]\n\n"), [""; 0]);
    let lenient = r#""on_unscannable":"flag","on_error":"flag""#;
    for (rule, left) in [
        (r#""action":"flag""#, 6),
        (r#""action":"redact","shadow":true"#, 6),
        // A rule for requests alone leaves responses as they are.
        (r#""action":"redact","direction":"request""#, 6),
        (r#""action":"pseudonymise","direction":"request""#, 0),
        (r#""action":"block","direction":"response""#, 0),
    ] {
        let flag = r#"{"rules":["secrets"],"action":"flag"}"#;
        let policy = format!(r#"{{{lenient},"rules":[{{"rules":["pii"],{rule}}},{flag}]}}"#);
        let config = format!(r#"{{"policies":{{"default":{policy}}}}}"#);
        let found = sums_left(&config, events, "data: [DONE]\n\n").len();
        assert_eq!(found, left, "{rule}");
    }
}

#[test]
fn digests_of_a_request_go_when_it_is_edited() {
    for (question, left) in
        [(QUESTION.to_owned(), false), (QUESTION.replace("a@b.com", "ann"), true)]
    {
        let host = FakeHost::new();
        for name in ["content-digest", "repr-digest", "digest", "content-md5"] {
            host.set_header(HeaderMap::Request, name, b"x").unwrap();
        }
        ask(&host, REDACT, &question);
        for name in ["content-digest", "repr-digest", "digest", "content-md5"] {
            let found = host.header_now(HeaderMap::Request, name).is_some();
            assert_eq!(found, left, "{name} {question}");
        }
    }
}

#[test]
fn a_stream_passes_event_by_event_without_a_length() {
    let host = FakeHost::new();
    let (mut stream, _) = ask(&host, REDACT, QUESTION);
    host.set_header(HeaderMap::Response, "content-length", b"99").unwrap();
    let kind = "text/event-stream; charset=utf-8";
    assert_eq!(answer_headers(&host, stream.as_mut(), kind), Action::Continue);
    assert_eq!(host.header_now(HeaderMap::Response, "content-length"), None);
    let event = |text: &str| {
        format!("data: {{\"choices\":[{{\"delta\":{{\"content\":\"{text}\"}}}}]}}\n\n")
    };
    let first = answer_body(&host, stream.as_mut(), &event("c@"), false);
    assert_eq!(first, "", "it may be the beginning of an address");
    let second = answer_body(&host, stream.as_mut(), &event("d.com is it"), false);
    assert_eq!(second, event("[EMAIL]"));
    let last = answer_body(&host, stream.as_mut(), "data: [DONE]\n\n", true);
    assert_eq!(last, event(" is it") + "data: [DONE]\n\n");
    stream.on_end();
    let state = host.state("weir.guard").unwrap().unwrap();
    assert!(state.ends_with(b"response redact pii.email=1"));
}

#[test]
fn a_stream_that_is_cut_is_reported_all_the_same() {
    let host = FakeHost::new();
    let (mut stream, _) = ask(&host, REDACT, r#"{"messages":[]}"#);
    answer_headers(&host, stream.as_mut(), "text/event-stream");
    let event = "data: {\"choices\":[{\"delta\":{\"content\":\"c@d.com or \"}}]}\n\n";
    answer_body(&host, stream.as_mut(), event, false);
    let state = host.state("weir.guard").unwrap().unwrap();
    assert_eq!(state, b"action=redact; response redact pii.email=1");
    let metric = "weir_guardrail_findings_total.rule.pii.email.direction.response.action.redact";
    assert_eq!(host.metric(metric), None, "counted when it is over");
    stream.on_end();
    assert_eq!(host.metric(metric), Some(1));
}

#[test]
fn a_response_that_cannot_be_inspected_is_withheld() {
    for (kind, rule) in
        [("image/png", "unscannable.content-type"), ("", "unscannable.content-type")]
    {
        let host = FakeHost::new();
        let (mut stream, _) = ask(&host, REDACT, QUESTION);
        assert_eq!(answer_headers(&host, stream.as_mut(), kind), Action::Pause);
        assert!(host.local_reply().is_none(), "there may be no body");
        answer_body(&host, stream.as_mut(), "x", false);
        let reply = host.local_reply().unwrap();
        assert_eq!(reply.status, 400);
        assert!(String::from_utf8(reply.body).unwrap().contains(rule));
    }
}

#[test]
fn who_is_refused_on_a_path_that_is_no_inference_api_learns_that_it_is_inspected() {
    for (path, says) in [("/login", true), ("/v1/chat/completions", false)] {
        let host = FakeHost::new();
        let mut stream = stream(&host, REDACT);
        request_headers(&host, &[("content-length", "8"), ("content-type", "text/css")]);
        host.set_header(HeaderMap::Request, ":path", path.as_bytes()).unwrap();
        host.set_body(Body::Request, b"user=ann");
        stream.on_http_request_headers(4, false);
        stream.on_http_request_body(8, true);
        let reply = host.local_reply().unwrap();
        assert_eq!(reply.status, 400);
        let text = String::from_utf8(reply.body).unwrap();
        assert_eq!(text.contains("unknown_paths: pass"), says, "{text}");
    }
}

#[test]
fn a_route_that_asks_for_an_unknown_policy_fails_closed() {
    let host = FakeHost::new();
    let mut stream = stream(&host, REDACT);
    request_headers(&host, &[]);
    let metadata = ["xds", "route_metadata", "filter_metadata", "weir", "policy"];
    host.set_property(&metadata, b"nosuch");
    assert_eq!(stream.on_http_request_headers(2, false), Action::Pause);
    assert_eq!(host.local_reply().unwrap().status, 500);
}

#[test]
fn headers_and_bodies_that_are_not_utf8_are_values() {
    let host = FakeHost::new();
    let mut stream = stream(&host, REDACT);
    request_headers(&host, &[]);
    for name in ["content-type", "content-length", "content-encoding", "accept-encoding"] {
        host.set_header(HeaderMap::Request, name, b"\xff\xfe").unwrap();
    }
    assert_eq!(stream.on_http_request_headers(6, false), Action::Pause);
    assert_eq!(host.local_reply().unwrap().status, 400, "an encoding that nobody knows");
}

#[test]
fn a_host_that_fails_fails_closed_unless_the_policy_says_otherwise() {
    for (on_error, passes) in [("block", false), ("allow", true)] {
        let host = FakeHost::new();
        let config =
            REDACT.replace("\"rules\":[{", &format!("\"on_error\":\"{on_error}\",\"rules\":[{{"));
        let mut stream = stream(&host, &config);
        request_headers(&host, &[("content-length", "66")]);
        stream.on_http_request_headers(3, false);
        host.set_body(Body::Request, QUESTION.as_bytes());
        host.close_headers();
        let action = stream.on_http_request_body(QUESTION.len(), true);
        assert_eq!(action == Action::Continue, passes, "{on_error}");
        assert_eq!(host.local_reply().is_none(), passes, "{on_error}");
    }
}
