//! The filter against a fake host.

use weir_host::{Action, Config, FakeHost, HeaderMap, Host, HttpContext, RootContext};

use crate::attempts::{AttemptEnd, AttemptEvent, AttemptOutcome, Attempts, Cursor};
use crate::root::Root;

mod held;
mod renamed;

const A: &str = "127.0.0.1:9001";

/// A worker's VM with the filter in it.
struct Vm {
    host: FakeHost,
    root: Root<FakeHost>,
    cursor: Cursor,
}

impl Vm {
    fn new(configuration: &str) -> Self {
        let host = FakeHost::new();
        host.set_configuration(Config::Plugin, configuration.as_bytes());
        let mut root = Root::new(host.clone());
        assert!(root.on_configure(0), "{:?}", host.logs());
        let mut cursor = Cursor::default();
        // Tests of one thread share what a VM has one of.
        Attempts::of_vm().read(&mut cursor, |_| ());
        Self { host, root, cursor }
    }

    /// An attempt that has just begun.
    fn attempt(&self, address: &str, number: u32) -> Box<dyn HttpContext> {
        self.host.set_property(&["upstream", "address"], address.as_bytes());
        let count = u64::from(number).to_le_bytes();
        self.host.set_property(&["upstream", "request_attempt_count"], &count);
        let mut stream = self.root.create_http_context(7);
        assert_eq!(stream.on_http_request_headers(3, false), Action::Continue);
        assert_eq!(stream.on_http_request_body(10, true), Action::Continue);
        stream
    }

    /// Its response headers.
    fn status(&self, stream: &mut dyn HttpContext, status: &str, end: bool) {
        self.host.set_header(HeaderMap::Response, ":status", status.as_bytes()).unwrap();
        assert_eq!(stream.on_http_response_headers(1, end), Action::Continue);
    }

    /// The client's stream ends.
    fn client_leaves(&self) {
        self.host.set_property(&["request", "duration"], &7_u64.to_le_bytes());
    }

    fn outcomes(&mut self) -> Vec<AttemptOutcome> {
        let mut all = Vec::new();
        Attempts::of_vm().read(&mut self.cursor, |outcome| all.push(outcome.clone()));
        all
    }

    fn events(&mut self) -> Vec<AttemptEvent> {
        self.outcomes().into_iter().map(|outcome| outcome.event).collect()
    }

    fn counted(&self, outcome: &str) -> Option<i64> {
        self.host.metric(&format!("weir_attempts_total.outcome.{outcome}"))
    }
}

#[test]
fn a_retry_is_two_attempts_with_their_addresses_numbers_and_statuses() {
    let mut vm = Vm::new("");
    let mut first = vm.attempt(A, 1);
    vm.status(first.as_mut(), "503", false);
    // The router reads no more of an answer that it retries.
    first.on_end();
    let mut second = vm.attempt("127.0.0.1:9002", 2);
    vm.status(second.as_mut(), "200", false);
    second.on_http_response_body(5, true);
    second.on_end();
    let of = |address: &str, number, event| AttemptOutcome {
        address: address.as_bytes().into(),
        number,
        event,
    };
    let expected = [
        of(A, 1, AttemptEvent::Headers(503)),
        of(A, 1, AttemptEvent::Ended(AttemptEnd::Answered(503))),
        of("127.0.0.1:9002", 2, AttemptEvent::Headers(200)),
        of("127.0.0.1:9002", 2, AttemptEvent::Ended(AttemptEnd::Answered(200))),
    ];
    assert_eq!(vm.outcomes(), expected);
}

#[test]
fn each_end_has_its_outcome() {
    // Status, bytes of body, whether it came to its end, whether the client has left; end, label.
    let table = [
        (Some("200"), 5, true, false, AttemptEnd::Answered(200), "2xx"),
        (Some("200"), 5, true, true, AttemptEnd::Answered(200), "2xx"),
        (Some("404"), 5, true, false, AttemptEnd::Answered(404), "4xx"),
        (Some("500"), 0, false, false, AttemptEnd::Answered(500), "5xx"),
        (Some("302"), 0, true, false, AttemptEnd::Answered(302), "other"),
        (Some("200"), 5, false, false, AttemptEnd::Cut { first_byte: true }, "cut"),
        (Some("200"), 0, false, false, AttemptEnd::Cut { first_byte: false }, "cut"),
        (Some("200"), 5, false, true, AttemptEnd::Abandoned, "abandoned"),
        (None, 0, false, false, AttemptEnd::NoAnswer, "none"),
        (None, 0, false, true, AttemptEnd::Abandoned, "abandoned"),
    ];
    for row in table {
        let (status, bytes, complete, left, end, label) = row;
        let mut vm = Vm::new("{}");
        let mut stream = vm.attempt(A, 1);
        if let Some(status) = status {
            vm.status(stream.as_mut(), status, false);
            stream.on_http_response_body(bytes, complete);
        }
        if left {
            vm.client_leaves();
        }
        stream.on_end();
        assert_eq!(vm.events().last(), Some(&AttemptEvent::Ended(end)), "{row:?}");
        assert_eq!(vm.counted(label), Some(1), "{row:?}");
    }
}

#[test]
fn trailers_and_answers_without_a_body_are_whole_answers() {
    let mut vm = Vm::new("");
    let mut with_trailers = vm.attempt(A, 1);
    vm.status(with_trailers.as_mut(), "200", false);
    with_trailers.on_http_response_trailers(1);
    let mut empty = vm.attempt(A, 1);
    vm.status(empty.as_mut(), "204", true);
    with_trailers.on_end();
    empty.on_end();
    let ends = vm.events().into_iter().filter(|event| matches!(event, AttemptEvent::Ended(_)));
    let expected = [200, 204].map(|status| AttemptEvent::Ended(AttemptEnd::Answered(status)));
    assert_eq!(ends.collect::<Vec<_>>(), expected);
}

#[test]
fn counts_wait_for_a_tick_while_many_come_and_are_all_there_afterwards() {
    let mut vm = Vm::new("");
    let end = |vm: &Vm| {
        let mut stream = vm.attempt(A, 1);
        vm.status(stream.as_mut(), "200", true);
        stream.on_end();
    };
    end(&vm);
    assert_eq!(vm.counted("2xx"), Some(1), "an idle worker counts at once");
    end(&vm);
    end(&vm);
    assert_eq!(vm.counted("2xx"), Some(1));
    vm.root.on_tick();
    assert_eq!((vm.counted("2xx"), vm.host.tick_ms() > 0), (Some(3), true));
    vm.root.on_tick();
    assert_eq!(vm.host.tick_ms(), 0, "nothing happens any more");
}

#[test]
fn what_envoy_does_not_say_or_says_in_odd_bytes_is_no_trap() {
    let mut vm = Vm::new("");
    let mut stream = vm.root.create_http_context(8);
    vm.host.set_property(&["upstream", "request_attempt_count"], b"odd");
    stream.on_http_request_headers(0, true);
    vm.status(stream.as_mut(), "\u{ff}", false);
    stream.on_end();
    let [outcome] = &vm.outcomes()[..] else { panic!("one event") };
    assert_eq!((outcome.address.len(), outcome.number), (0, 0));
    assert_eq!(outcome.event, AttemptEvent::Ended(AttemptEnd::NoAnswer));
    let mut closed = vm.attempt(A, 1);
    vm.host.close_headers();
    closed.on_http_response_headers(1, false);
    closed.on_end();
    let mut unconfigured = Root::new(vm.host.clone()).create_http_context(9);
    assert_eq!(unconfigured.on_http_request_headers(0, true), Action::Continue);
    unconfigured.on_http_response_headers(1, true);
    unconfigured.on_end();
}

#[test]
fn access_logs_are_told_only_where_that_is_wanted() {
    let state = |configuration: &str| {
        let vm = Vm::new(configuration);
        for (address, status) in [(A, Some("503")), ("127.0.0.1:9002", None), (A, Some("200"))] {
            let mut stream = vm.attempt(address, 1);
            if let Some(status) = status {
                vm.status(stream.as_mut(), status, true);
            }
            stream.on_end();
        }
        vm.host.state("weir.attempts").unwrap().map(|text| String::from_utf8(text).unwrap())
    };
    assert_eq!(state(""), None);
    let expected = "127.0.0.1:9001=503,127.0.0.1:9002=-,127.0.0.1:9001=200";
    assert_eq!(state(r#"{"leave_state":true}"#).as_deref(), Some(expected));
}

#[test]
fn an_unknown_setting_is_refused_by_name() {
    let host = FakeHost::new();
    host.set_configuration(Config::Plugin, br#"{"policies":{}}"#);
    assert!(!Root::new(host.clone()).on_configure(0));
    let said = host.logs().pop().unwrap().1;
    assert!(said.starts_with("weir.attempt: ") && said.contains("`policies`"), "{said}");
}
