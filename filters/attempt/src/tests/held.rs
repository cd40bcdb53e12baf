//! Streams that are held until their first token.

use weir_host::Body;
use weir_wire::path::Dialect;

use super::*;

const CHUNK: &str = "data: {\"choices\":[{\"delta\":{\"content\":\"a\"}}]}\n\n";
const ERROR: &str = "data: {\"error\":{\"message\":\"engine died\",\"code\":500}}\n\n";

impl Vm {
    /// An attempt of a request that may be begun anew, whose headers have come.
    fn held(&self) -> Box<dyn HttpContext> {
        self.held_in(Dialect::OpenAi)
    }

    fn held_in(&self, dialect: Dialect) -> Box<dyn HttpContext> {
        Attempts::of_vm().expect_failover();
        crate::mark(&self.host, dialect).unwrap();
        let mut stream = self.attempt(A, 1);
        self.host.set_header(HeaderMap::Response, ":status", b"200").unwrap();
        self.host.set_header(HeaderMap::Response, "content-length", b"9").unwrap();
        assert_eq!(stream.on_http_response_headers(1, false), Action::Pause);
        stream
    }

    /// So much of the body is there.
    fn body(&self, stream: &mut dyn HttpContext, body: &str, end: bool) -> Action {
        self.host.set_body(Body::Response, body.as_bytes());
        stream.on_http_response_body(body.len(), end)
    }

    fn header(&self, name: &str) -> Option<String> {
        let value = self.host.header_now(HeaderMap::Response, name)?;
        Some(String::from_utf8(value).unwrap())
    }

    fn missing(&self, why: &str) -> Option<i64> {
        self.host.metric(&format!("weir_first_tokens_missing_total.why.{why}"))
    }
}

#[test]
fn headers_go_on_with_the_first_token_and_nothing_is_changed() {
    let mut vm = Vm::new("");
    let mut stream = vm.held();
    assert_eq!(vm.body(stream.as_mut(), ": OK\n\n", false), Action::Pause);
    assert!(vm.events().is_empty(), "who reads the attempts is told when the headers go on");
    let more = format!(": OK\n\n{CHUNK}");
    assert_eq!(vm.body(stream.as_mut(), &more, false), Action::Continue);
    assert_eq!(vm.host.body_now(Body::Response), more.as_bytes());
    assert_eq!(
        (vm.header(":status"), vm.header("content-length")),
        (Some("200".into()), Some("9".into()))
    );
    assert_eq!(vm.body(stream.as_mut(), ERROR, true), Action::Continue, "what comes later passes");
    assert_eq!(vm.host.body_now(Body::Response), ERROR.as_bytes());
    stream.on_end();
    let ended = AttemptEvent::Ended(AttemptEnd::Answered(200));
    assert_eq!(vm.events(), [AttemptEvent::Headers(200), ended]);
    assert_eq!(vm.host.tick_ms(), 20, "the watch for a missing option is over");
}

#[test]
fn an_error_in_place_of_the_first_token_becomes_the_answer_of_an_attempt_that_failed() {
    let mut vm = Vm::new(r#"{"leave_state":true}"#);
    let mut stream = vm.held();
    assert_eq!(vm.body(stream.as_mut(), ERROR, false), Action::Continue);
    assert_eq!((vm.header(":status"), vm.header("content-length")), (Some("500".into()), None));
    assert_eq!(vm.header("content-type").as_deref(), Some("application/json"));
    let error = br#"{"error":{"message":"engine died","code":500}}"#;
    assert_eq!(vm.host.body_now(Body::Response), error);
    assert_eq!(vm.body(stream.as_mut(), "data: [DONE]\n\n", true), Action::Continue);
    assert_eq!(vm.host.body_now(Body::Response), b"", "nothing follows an error");
    stream.on_end();
    let ended = AttemptEvent::Ended(AttemptEnd::Answered(500));
    assert_eq!(vm.events(), [AttemptEvent::Headers(500), ended]);
    assert_eq!((vm.missing("error"), vm.counted("5xx")), (Some(1), Some(1)));
    let state = vm.host.state("weir.attempts").unwrap().unwrap();
    assert_eq!(String::from_utf8(state).unwrap(), format!("{A}=500"));
    let said = vm.host.logs().pop().unwrap().1;
    assert!(said.contains(A) && !said.contains("engine died"), "{said}");
}

#[test]
fn a_stream_that_ends_without_a_token_is_a_failure_in_the_clients_dialect() {
    for trailers in [false, true] {
        let mut vm = Vm::new("");
        let mut stream = vm.held_in(Dialect::Anthropic);
        vm.host.set_body(Body::Response, b"");
        let action = match trailers {
            true => stream.on_http_response_trailers(1),
            false => stream.on_http_response_body(0, true),
        };
        assert_eq!((action, vm.header(":status").as_deref()), (Action::Continue, Some("503")));
        let body = String::from_utf8(vm.host.body_now(Body::Response)).unwrap();
        assert!(
            body.starts_with(r#"{"type":"error","error":{"type":"overloaded_error""#),
            "{body}"
        );
        assert_eq!(vm.missing("empty"), Some(1));
        assert_eq!(vm.events().last(), Some(&AttemptEvent::Headers(503)));
    }
}

#[test]
fn an_attempt_that_is_over_before_its_first_token_had_no_answer() {
    let mut vm = Vm::new("");
    vm.held().on_end();
    assert_eq!(vm.events(), [AttemptEvent::Ended(AttemptEnd::NoAnswer)]);
    assert_eq!((vm.missing("silent"), vm.counted("none")), (Some(1), Some(1)));
    let mut left = vm.held();
    vm.client_leaves();
    left.on_end();
    assert_eq!(vm.events(), [AttemptEvent::Ended(AttemptEnd::Abandoned)]);
    vm.root.on_tick();
    assert_eq!(vm.missing("silent"), Some(1), "the client has left");
}

#[test]
fn what_is_not_marked_or_no_success_or_has_no_body_is_not_held() {
    let vm = Vm::new("");
    Attempts::of_vm().expect_failover();
    let mut unmarked = vm.attempt(A, 1);
    vm.status(unmarked.as_mut(), "200", false);
    assert_eq!(vm.body(unmarked.as_mut(), ERROR, false), Action::Continue);
    assert_eq!(vm.header(":status").as_deref(), Some("200"));
    crate::mark(&vm.host, Dialect::OpenAi).unwrap();
    for (status, end) in [("500", false), ("429", false), ("200", true)] {
        vm.status(vm.attempt(A, 1).as_mut(), status, end);
    }
    vm.host.set_property(&["weir.failover"], b"klingon");
    vm.status(vm.attempt(A, 1).as_mut(), "200", false);
}

#[test]
fn a_stream_that_envoy_never_shows_goes_on_and_none_is_held_after_it() {
    let mut vm = Vm::new("");
    let mut stream = vm.held();
    vm.host.set_property(&["response", "backend_latency"], &7_u64.to_le_bytes());
    vm.host.set_now_ns(1_000_000_000);
    vm.root.on_tick();
    assert_eq!(vm.host.metric("weir_attempts_misconfigured_total"), Some(1));
    assert!(vm.host.logs().pop().unwrap().1.contains("allow_on_headers_stop_iteration"));
    stream.on_end();
    vm.status(vm.attempt(A, 1).as_mut(), "200", false);
}

#[test]
fn a_replica_that_sends_single_bytes_is_not_read_for_ever_and_an_hour_of_comments_is_held() {
    let mut vm = Vm::new("");
    let mut stream = vm.held();
    let comments = ": keep-alive\n\n".repeat(3_600 / 15);
    for piece in 1..=240 {
        let so_far = &comments[..piece * 14];
        assert_eq!(vm.body(stream.as_mut(), so_far, false), Action::Pause, "piece {piece}");
    }
    stream.on_end();
    let mut stream = vm.held();
    let bytes = format!(": {}", "x".repeat(8_000));
    let held = (1..bytes.len())
        .take_while(|&end| vm.body(stream.as_mut(), &bytes[..end], false) == Action::Pause);
    let held = held.count();
    assert!((2_000..4_000).contains(&held), "{held} pieces were held");
    stream.on_end();
    vm.root.on_tick();
    assert_eq!(vm.missing("unseen"), Some(1));
    // A beginning that is too long: a comment, one event, or many.
    let event = "event: response.in_progress\ndata: {\"type\":\"response.in_progress\"}\n\n";
    for (counted, long) in [
        ": ".to_owned() + &"x".repeat(300_000),
        event.replace("\"}", &("x".repeat(300_000) + "\"}")),
        event.repeat(5_000),
    ]
    .into_iter()
    .enumerate()
    {
        let mut stream = vm.held();
        assert_eq!(vm.body(stream.as_mut(), &long, false), Action::Continue);
        stream.on_end();
        vm.root.on_tick();
        assert_eq!(vm.missing("unseen"), Some(2 + counted as i64));
    }
    let said = vm.host.logs().pop().unwrap().1;
    assert!(said.contains(A) && said.contains("256 KiB"), "{said}");
}
