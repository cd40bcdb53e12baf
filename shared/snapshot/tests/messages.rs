//! Pushes that are accepted and refused, from the tables in `testdata/snapshot`.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a failing test may panic")]

#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

use serde::Deserialize;
use serde_json::{Value, json};
use weir_snapshot::{
    Accepted, CompactView, EndpointReport, EndpointState, Invalid, ReadError, Refusal,
    SnapshotMessage, VersionStamp, encode, limits, view_json,
};

const RECEIVED_NS: u64 = 1_000_000_000;

#[derive(Deserialize)]
struct RefusedCase {
    name: String,
    body: String,
    code: Value,
    /// Absent where the words are the JSON parser's own.
    message: Option<String>,
}

#[derive(Deserialize)]
struct AcceptedCase {
    name: String,
    body: String,
    endpoints: Value,
}

fn message(endpoints: Vec<EndpointReport>) -> SnapshotMessage {
    let pool = "llama".to_owned();
    SnapshotMessage { version: 1, pool, epoch: 5, sequence: 7, endpoints }
}

fn numbered(count: usize) -> Vec<EndpointReport> {
    let address = |index| format!("10.{}.{}.1:80", index / 256, index % 256);
    (0..count).map(|index| EndpointReport::new(address(index), EndpointState::Ready)).collect()
}

#[test]
fn refused_pushes_say_why() {
    let cases = include_str!("../../../testdata/snapshot/refused.json");
    for case in serde_json::from_str::<Vec<RefusedCase>>(cases).unwrap() {
        let error = SnapshotMessage::parse(case.body.as_bytes()).expect_err(&case.name);
        let refusal = Refusal::from(&error);
        assert_eq!(json!(refusal.code), case.code, "{}", case.name);
        assert_eq!(refusal.status(), 400, "{}", case.name);
        if let Some(message) = case.message {
            assert_eq!(refusal.message, message, "{}", case.name);
        }
        assert_eq!(Refusal::parse(&refusal.to_json()), Some(refusal), "{}", case.name);
    }
}

#[test]
fn accepted_pushes_come_out_of_the_view() {
    let cases = include_str!("../../../testdata/snapshot/accepted.json");
    for case in serde_json::from_str::<Vec<AcceptedCase>>(cases).unwrap() {
        let message = SnapshotMessage::parse(case.body.as_bytes()).expect(&case.name);
        let view = CompactView::decode(&encode(&message, RECEIVED_NS).unwrap()).expect(&case.name);
        let shown = view_json([&view], RECEIVED_NS + 40_999_999);
        let shown: Value = serde_json::from_slice(&shown).unwrap();
        let expected = json!({"pools": [{"pool": "llama", "epoch": 5, "sequence": 7,
            "received_age_ms": 40, "endpoints": case.endpoints}]});
        assert_eq!(shown, expected, "{}", case.name);
    }
}

#[test]
fn message_survives_json() {
    let mut report = EndpointReport::new("10.0.0.1:80", EndpointState::Degraded);
    report.waiting = Some(3);
    report.running_adapters.push("law".to_owned());
    let sent = message(vec![report]);
    let json = serde_json::to_vec(&sent).unwrap();
    assert_eq!(SnapshotMessage::parse(&json), Ok(sent));
    assert!(!json.windows(8).any(|part| part == b"gpu_use\""), "unknown metrics are left out");
}

#[test]
fn bodies_over_the_limit_are_too_large() {
    let mut body = serde_json::to_vec(&message(Vec::new())).unwrap();
    body.resize(limits::MAX_BODY_BYTES, b' ');
    assert!(SnapshotMessage::parse(&body).is_ok());
    body.push(b' ');
    let error = SnapshotMessage::parse(&body).unwrap_err();
    assert_eq!(error, ReadError::TooLarge { bytes: limits::MAX_BODY_BYTES + 1 });
    assert_eq!(Refusal::from(&error).status(), 413);
}

#[test]
fn endpoints_are_bounded() {
    assert_eq!(message(numbered(limits::MAX_ENDPOINTS)).validate(), Ok(()));
    let over = message(numbered(limits::MAX_ENDPOINTS + 1));
    assert_eq!(over.validate(), Err(Invalid::TooManyEndpoints(4097)));
    assert!(encode(&over, 0).is_err());
}

#[test]
fn distinct_adapters_are_bounded() {
    let mut endpoints = numbered(17);
    for (index, endpoint) in endpoints.iter_mut().enumerate() {
        endpoint.running_adapters =
            (0..256).map(|name| format!("{}", index * 256 + name)).collect();
    }
    assert_eq!(message(endpoints.clone()).validate(), Err(Invalid::TooManyDistinctAdapters));
    endpoints.pop();
    assert_eq!(message(endpoints).validate(), Ok(()));
}

#[test]
fn values_that_json_cannot_carry_are_invalid_too() {
    for value in [f64::NAN, f64::INFINITY, -f64::INFINITY] {
        let mut endpoints = numbered(1);
        endpoints[0].kv_cache_use = Some(value);
        assert!(matches!(message(endpoints).validate(), Err(Invalid::Fraction { index: 0, .. })));
    }
}

#[test]
fn only_newer_views_follow() {
    let stamp = |epoch, sequence| VersionStamp { epoch, sequence, received_at_ns: 9 };
    let stored = stamp(5, 7);
    let cases = [(5, 8, true), (6, 1, true), (5, 7, false), (5, 6, false), (4, 99, false)];
    for (epoch, sequence, newer) in cases {
        assert_eq!(stamp(epoch, sequence).follows(&stored), newer, "({epoch}, {sequence})");
    }
    let refusal = Refusal::out_of_order(&message(Vec::new()), &stored);
    assert_eq!(refusal.status(), 409);
    let text = "(epoch, sequence): (5, 7), must be greater than the stored (5, 7)";
    assert_eq!(refusal.to_json(), json_refusal("out_of_order", text));
}

fn json_refusal(code: &str, message: &str) -> Vec<u8> {
    format!(r#"{{"error":{{"code":"{code}","message":"{message}"}}}}"#).into_bytes()
}

#[test]
fn stamps_are_24_bytes_and_nothing_else() {
    let stamp = VersionStamp { epoch: 1 << 40, sequence: 2, received_at_ns: u64::MAX };
    let bytes = stamp.encode();
    assert_eq!(bytes[..9], [0, 0, 0, 0, 0, 1, 0, 0, 2]);
    assert_eq!(VersionStamp::decode(&bytes), Some(stamp));
    assert_eq!(VersionStamp::decode(&bytes[1..]), None);
    assert_eq!(VersionStamp::decode(&[bytes.as_slice(), &[0]].concat()), None);
    assert_eq!(stamp.age_ns(5), 0, "a clock that went back makes nothing old");
}

#[test]
fn replies_survive_json_and_newer_fields() {
    let reply = br#"{"accepted":true,"pool":"llama","sequence":7,"spent":3,
        "endpoints":[{"address":"10.0.0.1:80","in_flight":2,"dispatched":1}]}"#;
    let reply = Accepted::parse(reply).unwrap();
    assert_eq!((reply.endpoints[0].in_flight, reply.endpoints[0].dispatched), (2, 1));
    assert_eq!(Accepted::parse(&reply.to_json()), Ok(reply));
}
