//! Requests and responses against a fake host: what is learned from which.

use weir_attempt::{AttemptEnd, AttemptEvent, AttemptOutcome, Attempts};
use weir_host::{Action, Body, Config, FakeHost, HeaderMap, Host, HttpContext, RootContext};
use weir_placement::{Health, Outstanding, replica_key};
use weir_snapshot::{
    Directory, EndpointReport, EndpointState, SnapshotMessage, VersionStamp, encode, keys,
};

use crate::root::Root;

mod load_reports;
mod sharing;

const ADDRESSES: [&str; 3] = ["10.0.0.1:80", "10.0.0.2:80", "10.0.0.3:80"];
const SECOND: u64 = 1_000_000_000;
const ANSWER: &str =
    r#"{"id":"1","usage":{"prompt_tokens":9,"prompt_tokens_details":{"cached_tokens":4}}}"#;
const ERROR: &str = r#"{"error":{"message":"no"}}"#;

/// A worker with the filter in it, and a pool of three replicas.
struct Vm {
    host: FakeHost,
    root: Root<FakeHost>,
}

/// A request on its way.
struct Sent {
    stream: Box<dyn HttpContext>,
    /// The list in the header.
    listed: Vec<String>,
}

impl Vm {
    fn new() -> Self {
        Self::with("")
    }

    /// With these further members of the policy.
    fn with(members: &str) -> Self {
        let host = FakeHost::new();
        host.set_now_ns(1000 * SECOND);
        let endpoints = ADDRESSES.map(|address| {
            let mut report = EndpointReport::new(address.to_owned(), EndpointState::Ready);
            (report.age_ms, report.waiting, report.running) = (Some(5), Some(0), Some(0));
            report
        });
        let message = SnapshotMessage::new("p", (1, 1), 0, endpoints.to_vec());
        let stamp = VersionStamp::of(&message, host.now_ns());
        let view = encode(&message, host.now_ns()).unwrap();
        host.set_shared(keys::POOLS, &Directory::new(&[]).with(0, "p"), None).unwrap();
        host.set_shared(&keys::stamp(0), &stamp.encode(), None).unwrap();
        host.set_shared(&keys::view(0), &view, None).unwrap();
        let policy =
            format!(r#"{{"policies":{{"default":{{"pool":"p","fresh_ms":600000{members}}}}}}}"#);
        host.set_configuration(Config::Plugin, policy.as_bytes());
        Self::on(&host)
    }

    /// One more worker of an Envoy that is configured.
    fn on(host: &FakeHost) -> Self {
        let mut root = Root::new(host.clone());
        assert!(root.on_configure(0), "{:?}", host.logs());
        Self { host: host.clone(), root }
    }

    fn send(&self, stream: bool) -> Sent {
        self.send_of("the same words ", stream)
    }

    /// A request of the conversation with these words.
    fn send_of(&self, words: &str, stream: bool) -> Sent {
        let body = format!(
            r#"{{"model":"m","stream":{stream},"messages":[{{"role":"user","content":"{}"}}]}}"#,
            words.repeat(200)
        );
        for (name, value) in [(":method", "POST"), (":path", "/v1/chat/completions")] {
            self.host.set_header(HeaderMap::Request, name, value.as_bytes()).unwrap();
        }
        self.host.set_body(Body::Request, body.as_bytes());
        let mut stream = self.root.create_http_context(7);
        assert_eq!(stream.on_http_request_headers(2, false), Action::Pause);
        assert_eq!(stream.on_http_request_body(body.len(), true), Action::Continue);
        let list = self.host.header_now(HeaderMap::Request, "x-gateway-destination-endpoint");
        let list = String::from_utf8(list.unwrap()).unwrap();
        Sent { stream, listed: list.split(',').map(str::to_owned).collect() }
    }

    /// What Envoy tells when asked.
    fn envoy_says(&self, address: &str, attempts: u64, status: u64, details: &str) {
        self.host.set_property(&["upstream", "address"], address.as_bytes());
        self.host.set_property(&["upstream", "request_attempt_count"], &attempts.to_le_bytes());
        self.host.set_property(&["response", "code"], &status.to_le_bytes());
        self.host.set_property(&["response", "code_details"], details.as_bytes());
    }

    /// The response comes with this body, to its end or not, and the stream ends.
    fn answer(&self, mut sent: Sent, body: &str, complete: bool) {
        sent.stream.on_http_response_headers(1, body.is_empty() && complete);
        self.host.set_body(Body::Response, body.as_bytes());
        if !body.is_empty() {
            sent.stream.on_http_response_body(body.len(), complete);
        }
        sent.stream.on_end();
    }

    /// A request that is answered by the first of its list.
    fn served(&self) {
        let sent = self.send(false);
        self.envoy_says(&sent.listed[0], 1, 200, "via_upstream");
        self.answer(sent, ANSWER, true);
    }

    /// As all workers know it.
    fn health(&mut self, address: &str) -> Health {
        self.root.on_tick();
        let stored = self.host.shared(&keys::outstanding(0)).unwrap().unwrap_or_default().0;
        Outstanding::decode(&stored).load(replica_key(address.as_bytes())).health
    }

    fn set_aside(&mut self) -> Vec<&'static str> {
        ADDRESSES.into_iter().filter(|address| self.health(address).is_set_aside()).collect()
    }

    /// Prompt tokens that the next such request is expected to find at its replica.
    fn matched(&mut self) -> i64 {
        let metric = "weir_prefix_matched_tokens_total";
        self.root.on_tick();
        let before = self.host.metric(metric).unwrap_or(0);
        let sent = self.send(false);
        drop(sent);
        self.root.on_tick();
        self.host.metric(metric).unwrap_or(0) - before
    }

    fn attempt(&self, address: &str, event: AttemptEvent) {
        Attempts::of_vm().note(AttemptOutcome {
            address: address.as_bytes().into(),
            number: 1,
            event,
        });
    }
}

fn later(vm: &Vm, ms: u64) {
    vm.host.set_now_ns(vm.host.now_ns() + ms * 1_000_000);
}

#[test]
fn an_answer_is_learned_from_and_an_error_is_not() {
    for (body, status, learned) in
        [(ANSWER, 200, true), (ERROR, 500, false), (ERROR, 404, false), ("", 503, false)]
    {
        let mut vm = Vm::new();
        let sent = vm.send(false);
        let first = sent.listed[0].clone();
        vm.envoy_says(&first, 1, status, "via_upstream");
        vm.answer(sent, body, true);
        later(&vm, 60_000);
        assert_eq!(vm.matched() > 0, learned, "{status}");
        let reported = vm.host.metric("weir_prompt_tokens_total").unwrap_or(0);
        assert_eq!(reported > 0, learned, "{status}");
    }
}

#[test]
fn a_status_that_the_replica_is_to_blame_for_sets_it_aside_and_others_do_not() {
    for (body, status, fails) in [
        (ANSWER, 200, false),
        (ERROR, 500, true),
        ("", 503, true),
        (ERROR, 429, true),
        (ERROR, 400, false),
    ] {
        let mut vm = Vm::new();
        let sent = vm.send(false);
        let first = sent.listed[0].clone();
        vm.envoy_says(&first, 1, status, "via_upstream");
        vm.answer(sent, body, true);
        assert_eq!(vm.set_aside().first().copied() == Some(first.as_str()), fails, "{status}");
        let next = vm.send(false);
        assert_eq!(next.listed[0] != first, fails, "{status}");
        assert_eq!(vm.host.metric("weir_picker_failures_total.pool.p"), fails.then_some(1));
    }
}

#[test]
fn a_reply_that_envoy_made_itself_without_a_replica_is_nobodys_failure() {
    let mut vm = Vm::new();
    let sent = vm.send(false);
    vm.envoy_says("", 1, 503, "no_healthy_upstream");
    vm.answer(sent, "no healthy upstream", true);
    assert!(vm.set_aside().is_empty());
}

#[test]
fn those_before_the_one_that_answered_a_retry_have_failed() {
    let mut vm = Vm::new();
    let sent = vm.send(false);
    let [first, second, third] = [0, 1, 2].map(|place: usize| sent.listed[place].clone());
    vm.envoy_says(&third, 3, 200, "via_upstream");
    vm.answer(sent, ANSWER, true);
    let aside = vm.set_aside();
    assert_eq!(aside.len(), 2);
    assert!(aside.contains(&first.as_str()) && aside.contains(&second.as_str()), "{aside:?}");
    assert_eq!(vm.send(false).listed[0], third);
}

#[test]
fn a_response_that_the_replica_cuts_is_its_failure_and_one_that_the_client_leaves_is_not() {
    for (details, fails) in [
        ("upstream_reset_after_response_started{connection_termination}", true),
        ("downstream_remote_disconnect", false),
    ] {
        let mut vm = Vm::new();
        let sent = vm.send(true);
        vm.envoy_says(&sent.listed[0], 1, 200, details);
        vm.answer(sent, "data: {\"id\":\"1\"}\n\n", false);
        assert_eq!(vm.set_aside().len(), usize::from(fails), "{details}");
    }
}

#[test]
fn a_stream_that_its_client_leaves_after_a_long_silence_is_the_replicas_failure() {
    for (waited_ms, fails) in [(500, false), (15_000, true)] {
        let mut vm = Vm::new();
        let mut sent = vm.send(true);
        later(&vm, waited_ms);
        sent.stream.on_end();
        assert_eq!(vm.set_aside().len(), usize::from(fails), "{waited_ms} ms");
    }
}

#[test]
fn a_replica_that_serves_its_trial_is_back() {
    let mut vm = Vm::new();
    let sent = vm.send(false);
    let first = sent.listed[0].clone();
    vm.envoy_says(&first, 1, 500, "via_upstream");
    vm.answer(sent, ERROR, true);
    later(&vm, 100);
    vm.served();
    assert_eq!(vm.set_aside(), [first.as_str()], "another one served that");
    later(&vm, 400);
    let mut trials = Vec::new();
    for words in 0..12 {
        let sent = vm.send_of(&format!("{words} other words "), false);
        trials.push(sent.listed[0] == first);
        vm.envoy_says(&sent.listed[0], 1, 200, "via_upstream");
        vm.answer(sent, ANSWER, true);
        later(&vm, 10);
    }
    assert!(trials.contains(&true), "{trials:?}");
    assert!(vm.set_aside().is_empty());
}

#[test]
fn what_attempt_saw_is_taken_as_it_is_and_envoy_is_asked_nothing() {
    let mut vm = Vm::new();
    // Whatever Envoy would say if asked is wrong.
    vm.envoy_says("10.0.0.9:80", 9, 404, "upstream_reset");
    let sent = vm.send(false);
    let [first, second] = [0, 1].map(|place: usize| sent.listed[place].clone());
    vm.attempt(&first, AttemptEvent::Headers(503));
    vm.attempt(&first, AttemptEvent::Ended(AttemptEnd::Answered(503)));
    vm.attempt(&second, AttemptEvent::Headers(200));
    vm.answer(sent, ANSWER, true);
    vm.attempt(&second, AttemptEvent::Ended(AttemptEnd::Answered(200)));
    assert_eq!(vm.set_aside(), [first.as_str()]);
    let sent = vm.send(false);
    assert_eq!(sent.listed[0], second, "what was cached moved with the retry");
    assert_eq!(vm.host.metric("weir_picks_ignored_total.pool.p"), None);
}

#[test]
fn each_failure_that_attempt_saw_counts_once() {
    let mut vm = Vm::new();
    let sent = vm.send(false);
    let first = sent.listed[0].clone();
    vm.attempt(&first, AttemptEvent::Headers(500));
    vm.envoy_says(&first, 1, 500, "via_upstream");
    vm.answer(sent, ERROR, true);
    vm.attempt(&first, AttemptEvent::Ended(AttemptEnd::Answered(500)));
    assert_eq!(vm.set_aside(), [first.as_str()]);
    assert_eq!(vm.host.metric("weir_picker_failures_total.pool.p"), Some(1));
    vm.attempt("10.9.9.9:1", AttemptEvent::Headers(500));
    vm.root.on_tick();
    assert_eq!(vm.host.metric("weir_picker_failures_total.pool.p"), Some(1), "of another cluster");
}

#[test]
fn what_waits_for_a_tick_is_shared_when_the_plugin_is_removed() {
    let mut vm = Vm::new();
    for _ in 0..3 {
        vm.served();
    }
    let in_flight = |vm: &Vm| {
        let stored = vm.host.shared(&keys::outstanding(0)).unwrap().unwrap_or_default().0;
        let counts = Outstanding::decode(&stored);
        let each = ADDRESSES.map(|address| counts.load(replica_key(address.as_bytes())).in_flight);
        each.iter().sum::<u32>()
    };
    assert!(in_flight(&vm) > 0, "ends wait");
    vm.root.on_end();
    assert_eq!(in_flight(&vm), 0);
}

#[test]
fn in_shadow_the_header_is_left_alone_and_the_decision_is_held_against_what_happened() {
    let mut vm = Vm::with(r#","shadow":true"#);
    let name = "x-gateway-destination-endpoint";
    vm.host.set_header(HeaderMap::Request, name, b"10.0.0.3:80").unwrap();
    for (index, address) in ADDRESSES.into_iter().enumerate() {
        let sent = vm.send_of(&format!("question {index} "), false);
        assert_eq!(sent.listed, ["10.0.0.3:80"], "another picker's");
        vm.envoy_says(address, 1, 200, "via_upstream");
        vm.answer(sent, ANSWER, true);
    }
    vm.root.on_tick();
    let host = vm.host.clone();
    let count = |name: &str| host.metric(name).unwrap_or(0);
    let (yes, no) = ("weir_shadow_picks_total.agrees.yes", "weir_shadow_picks_total.agrees.no");
    assert_eq!(count(yes) + count(no), 3);
    assert!(count(no) > 0);
    assert!(vm.host.metric("weir_shadow_expected_ttft_ms.of.actual").is_some());
    assert_eq!(vm.host.metric("weir_picks_ignored_total.pool.p"), None);
    assert!(vm.set_aside().is_empty());
    // What was served is learned where it was served: the same words again find their replica's cache.
    let before = count("weir_shadow_matched_tokens_total.of.picked");
    let sent = vm.send_of("question 2 ", false);
    vm.envoy_says(ADDRESSES[2], 1, 200, "via_upstream");
    vm.answer(sent, ANSWER, true);
    vm.root.on_tick();
    assert!(count("weir_shadow_matched_tokens_total.of.picked") > before);
}

#[test]
fn odd_properties_are_no_trap() {
    let mut vm = Vm::new();
    for odd in [&b""[..], b"x", &[0xff; 8]] {
        for path in [["upstream", "address"], ["response", "code"], ["response", "code_details"]] {
            vm.host.set_property(&path, odd);
        }
        let sent = vm.send(true);
        vm.answer(sent, "\u{ff}", false);
        later(&vm, 50);
    }
    assert!(vm.set_aside().is_empty());
}
