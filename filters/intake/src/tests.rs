//! The filter against a fake host.

use weir_host::{Action, Body, Config, FakeHost, HeaderMap, Host, HttpContext, RootContext};
use weir_pools::{Latest, PoolSource, ServedNames, Undecodable};
use weir_snapshot::limits::{MAX_SLOTS, SLOT_SILENCE_NS};
use weir_snapshot::signature::{
    BodyDigest, CHALLENGE_HEADER, HEADER, NO_CHALLENGE, PATH, TIME_HEADER, sign_look, sign_push,
};
use weir_snapshot::{Accepted, Refusal, RefusalCode, Told, keys};

use crate::Root;

const BODY: &str = r#"{"version":2,"pool":"llama","epoch":5,"sequence":SEQ,
    "endpoints":[{"address":"127.0.0.1:9001","state":"ready","age_ms":3,"waiting":2}]}"#;

fn root(host: &FakeHost, config: &str) -> Root<FakeHost> {
    host.set_configuration(Config::Plugin, config.as_bytes());
    let mut root = Root::new(host.clone());
    assert!(root.on_configure(config.len()), "{:?}", host.logs());
    root
}

fn stream(host: &FakeHost, config: &str) -> Box<dyn HttpContext> {
    root(host, config).create_http_context(7)
}

fn body(sequence: u64) -> String {
    BODY.replace("SEQ", &sequence.to_string())
}

/// Sends one push through a new stream and returns status and body of the reply.
fn push(host: &FakeHost, config: &str, body: &str) -> (u16, String) {
    push_to(&root(host, config), host, body)
}

fn push_to(root: &Root<FakeHost>, host: &FakeHost, body: &str) -> (u16, String) {
    let mut stream = root.create_http_context(7);
    host.set_header(HeaderMap::Request, ":method", b"POST").unwrap();
    host.set_header(HeaderMap::Request, ":path", b"/weir/v1/snapshot").unwrap();
    host.set_body(Body::Request, body.as_bytes());
    assert_eq!(stream.on_http_request_headers(3, false), Action::Pause);
    assert_eq!(stream.on_http_request_body(body.len(), true), Action::Pause);
    let reply = host.local_reply().unwrap();
    (reply.status, String::from_utf8(reply.body).unwrap())
}

/// `CARGO_MANIFEST_DIR` is a variable that cargo sets for every test, long enough for a key.
const SIGNED: &str = r#"{"signing_key_env":"CARGO_MANIFEST_DIR"}"#;

fn key() -> Vec<u8> {
    std::env::var("CARGO_MANIFEST_DIR").unwrap().into_bytes()
}

/// The same, signed with this challenge.
fn signed_push(host: &FakeHost, challenge: &str, body: &str) -> (u16, String) {
    let signed = sign_push(&key(), challenge, BodyDigest::of(body.as_bytes()));
    host.set_header(HeaderMap::Request, CHALLENGE_HEADER, challenge.as_bytes()).unwrap();
    host.set_header(HeaderMap::Request, HEADER, signed.as_bytes()).unwrap();
    push(host, SIGNED, body)
}

/// The challenge that the intake asks for.
fn asked(host: &FakeHost) -> String {
    let (status, reply) = signed_push(host, NO_CHALLENGE, &body(1));
    assert_eq!(status, 401, "{reply}");
    match Refusal::parse(reply.as_bytes()).unwrap() {
        Refusal { code: RefusalCode::Challenge, told: Told::Challenge(challenge), .. } => challenge,
        other => panic!("{other:?}"),
    }
}

/// Status and body of a look.
fn look(host: &FakeHost, config: &str) -> (u16, String) {
    let mut stream = stream(host, config);
    host.set_header(HeaderMap::Request, ":method", b"GET").unwrap();
    host.set_header(HeaderMap::Request, ":path", PATH.as_bytes()).unwrap();
    assert_eq!(stream.on_http_request_headers(3, true), Action::Pause);
    let reply = host.local_reply().unwrap();
    (reply.status, String::from_utf8(reply.body).unwrap())
}

const OPEN: &str = r#"{"allow_unsigned":true}"#;

#[test]
fn a_snapshot_is_stored_and_shown() {
    let host = FakeHost::new();
    let (status, reply) = push(&host, OPEN, &body(1));
    assert_eq!(status, 200, "{reply}");
    assert!(reply.contains(r#""accepted":true"#), "{reply}");
    let mut stream = stream(&host, OPEN);
    host.set_header(HeaderMap::Request, ":method", b"GET").unwrap();
    stream.on_http_request_headers(3, true);
    let shown = String::from_utf8(host.local_reply().unwrap().body).unwrap();
    assert!(shown.contains("127.0.0.1:9001") && shown.contains("llama"), "{shown}");
}

#[test]
fn the_counts_of_a_pool_exist_before_its_first_request_and_are_kept_afterwards() {
    let host = FakeHost::new();
    push(&host, OPEN, &body(1));
    let key = keys::outstanding(0);
    let (_, cas) = host.shared(&key).unwrap().unwrap();
    host.set_shared(&key, b"counted", Some(cas)).unwrap();
    push(&host, OPEN, &body(2));
    assert_eq!(host.shared(&key).unwrap().unwrap().0, b"counted");
}

#[test]
fn an_older_or_equal_snapshot_is_refused() {
    let host = FakeHost::new();
    assert_eq!(push(&host, OPEN, &body(2)).0, 200);
    for sequence in [1, 2] {
        let (status, reply) = push(&host, OPEN, &body(sequence));
        assert_eq!(status, 409, "{reply}");
        assert!(reply.contains("out_of_order"), "{reply}");
    }
    assert_eq!(push(&host, OPEN, &body(3)).0, 200);
}

#[test]
fn malformed_and_oversized_pushes_say_why() {
    let host = FakeHost::new();
    for (body, status, expected) in [
        ("", 400, "malformed"),
        ("{", 400, "malformed"),
        ("\u{feff}{}", 400, "malformed"),
        (r#"{"version":3}"#, 400, "unknown_version"),
        (&body(1).replace("127.0.0.1:9001", "nowhere"), 400, "endpoints[0].address"),
    ] {
        let (found, reply) = push(&host, OPEN, body);
        assert_eq!(found, status, "{reply}");
        assert!(reply.contains(expected), "{reply}");
    }
    let small = r#"{"allow_unsigned":true,"max_body_bytes":20}"#;
    assert_eq!(push(&host, small, &body(1)).0, 413);
}

#[test]
fn other_paths_and_methods_are_refused() {
    let host = FakeHost::new();
    for (method, path, status) in
        [("POST", "/", 404), ("DELETE", "/weir/v1/snapshot", 405), ("GET", "/\u{ff}", 404)]
    {
        let mut stream = stream(&host, OPEN);
        host.set_header(HeaderMap::Request, ":method", method.as_bytes()).unwrap();
        host.set_header(HeaderMap::Request, ":path", path.as_bytes()).unwrap();
        assert_eq!(stream.on_http_request_headers(3, true), Action::Pause);
        assert_eq!(host.local_reply().unwrap().status, status);
    }
}

#[test]
fn a_bad_configuration_is_refused_with_the_reason() {
    let host = FakeHost::new();
    host.set_configuration(Config::Plugin, b"{}");
    assert!(!Root::new(host.clone()).on_configure(2));
    assert!(host.logs()[0].1.contains("exactly one of signing_key_env"), "{:?}", host.logs());
}

mod authentication;
mod fleet;
mod pools;
mod prefixes;
mod take_over;
