//! Pushes that are accepted and refused, from the tables in `testdata/snapshot`.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a failing test may panic")]

#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

use serde::Deserialize;
use serde_json::{Value, json};
use weir_snapshot::{
    Accepted, CompactView, EndpointReport, EndpointState, FleetNews, Held, Invalid,
    LearnedPrefixes, Order, ReadError, Refusal, RefusalCode, SnapshotMessage, Spending,
    SpendingRow, SpendingSeen, Told, VersionStamp, encode, keys, limits, signature, view_json,
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
    SnapshotMessage::new("llama", (5, 7), 0, endpoints)
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
            "sender": 0, "received_age_ms": 40, "endpoints": case.endpoints}]});
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
fn a_push_takes_the_place_of_what_is_older_and_of_no_other_sidecars_turn() {
    let stamp = |epoch, sequence, sender| VersionStamp {
        epoch,
        sequence,
        sender,
        received_at_ns: 9,
        pool: keys::pool_key("llama"),
    };
    let stored = stamp(5, 7, 1);
    let cases = [
        ((5, 8, 1), Order::Newer),
        ((6, 1, 1), Order::Newer),
        ((6, 1, 2), Order::Newer),
        ((5, 7, 1), Order::Older),
        ((5, 6, 1), Order::Older),
        ((4, 99, 1), Order::Older),
        // Two sidecars never share an epoch, whatever the numbers.
        ((5, 8, 2), Order::HeldByAnother),
        ((5, 7, 2), Order::HeldByAnother),
        ((4, 99, 2), Order::HeldByAnother),
    ];
    for ((epoch, sequence, sender), order) in cases {
        let pushed = stamp(epoch, sequence, sender);
        assert_eq!(pushed.order(&stored), order, "({epoch}, {sequence}, {sender})");
    }
    // A slot that was another pool's says nothing of this one.
    let other = VersionStamp { pool: keys::pool_key("qwen"), ..stamp(1, 1, 2) };
    assert_eq!(other.order(&stored), Order::Newer);
}

#[test]
fn refusals_tell_what_is_held() {
    let stored = VersionStamp { epoch: 9, sequence: 3, sender: 4, received_at_ns: 1, pool: 1 };
    let refusal = Refusal::out_of_order(&message(Vec::new()), &stored);
    assert_eq!(refusal.status(), 409);
    let body: Value = serde_json::from_slice(&refusal.to_json()).unwrap();
    assert_eq!(
        body["error"],
        json!({"code": "out_of_order", "held": {"epoch": 9, "sequence": 3, "sender": 4},
            "message": "epoch: 5, another sidecar holds the pool with 9"})
    );
    assert_eq!(refusal.told, Told::Held(Held { epoch: 9, sequence: 3, sender: 4 }));
    assert_eq!(Refusal::parse(&refusal.to_json()), Some(refusal));
    let own = VersionStamp { sender: 0, epoch: 5, sequence: 7, ..stored };
    let refusal = Refusal::out_of_order(&message(Vec::new()), &own);
    let text = "(epoch, sequence): (5, 7), must be greater than the stored (5, 7)";
    assert_eq!(refusal.message, text);
}

#[test]
fn refusals_tell_challenge_and_version_and_take_no_other_challenge() {
    let challenge = signature::challenge(0xfe);
    let refusal = Refusal::challenge(challenge.clone());
    assert_eq!((refusal.status(), &refusal.told), (401, &Told::Challenge(challenge.clone())));
    assert_eq!(Refusal::parse(&refusal.to_json()), Some(refusal));
    let refusal = Refusal::without_challenge();
    assert_eq!((refusal.status(), &refusal.told), (400, &Told::Reads(2)));
    assert!(refusal.message.ends_with("update weir-sidecar"), "{}", refusal.message);
    assert_eq!(Refusal::parse(&refusal.to_json()), Some(refusal));
    let odd = br#"{"error":{"code":"challenge","message":"m","challenge":"x\r\ny: z"}}"#;
    assert_eq!(Refusal::parse(odd).unwrap().told, Told::Nothing);
    // A gateway before version 2 tells nothing.
    let old = br#"{"error":{"code":"unknown_version","message":"version: 2 is unknown"}}"#;
    let old = Refusal::parse(old).unwrap();
    assert_eq!((old.code, old.told), (RefusalCode::UnknownVersion, Told::Nothing));
}

#[test]
fn stamps_are_40_bytes_and_nothing_else() {
    let stamp = VersionStamp {
        epoch: 1 << 40,
        sequence: 2,
        received_at_ns: u64::MAX,
        sender: 3,
        pool: keys::pool_key("llama"),
    };
    let bytes = stamp.encode();
    assert_eq!(bytes[..9], [0, 0, 0, 0, 0, 1, 0, 0, 2]);
    assert_eq!(VersionStamp::decode(&bytes), Some(stamp));
    assert_eq!(VersionStamp::decode(&bytes[1..]), None);
    assert_eq!(VersionStamp::decode(&bytes[..24]), None, "as it was before");
    assert_eq!(VersionStamp::decode(&[bytes.as_slice(), &[0]].concat()), None);
    assert_eq!(stamp.age_ns(5), 0, "a clock that went back makes nothing old");
    assert!(stamp.same_view(&VersionStamp { received_at_ns: 1, ..stamp }));
    for other in [
        VersionStamp { epoch: 1, ..stamp },
        VersionStamp { sequence: 1, ..stamp },
        VersionStamp { sender: 1, ..stamp },
        VersionStamp { pool: 1, ..stamp },
    ] {
        assert!(!stamp.same_view(&other));
    }
}

#[test]
fn what_is_pushed_of_a_fleet_is_in_no_view() {
    let mut pushed = message(numbered(1));
    pushed.fleet = FleetNews { gateways: 3, ..FleetNews::default() }.to_lines();
    let json = serde_json::to_vec(&pushed).unwrap();
    assert_eq!(SnapshotMessage::parse(&json), Ok(pushed.clone()));
    assert_eq!(encode(&pushed, 1), encode(&message(numbered(1)), 1));
}

#[test]
fn replies_survive_json_and_newer_fields() {
    let reply = br#"{"accepted":true,"pool":"llama","sequence":7,"spend":3,
        "endpoints":[{"address":"10.0.0.1:80","in_flight":2,"dispatched":1}]}"#;
    let reply = Accepted::parse(reply).unwrap();
    assert_eq!((reply.endpoints[0].in_flight, reply.endpoints[0].dispatched), (2, 1));
    assert_eq!((&reply.pools, reply.unpushed.len()), (&None, 0), "a gateway that does not say");
    assert_eq!(Accepted::parse(&reply.to_json()), Ok(reply));
}

#[test]
fn replies_have_room_for_pools_keys_of_limits_and_prefixes() {
    let reply = Accepted {
        pools: Some(vec!["llama".to_owned(), "lama".to_owned()]),
        unpushed: vec!["lama".to_owned()],
        fleet: vec!["gateway 00ff".to_owned()],
        prefixes: Some(LearnedPrefixes { cursor: "7-9".to_owned(), events: "00ff".to_owned() }),
        ..Accepted::new(&message(Vec::new()), Vec::new())
    };
    assert_eq!(Accepted::parse(&reply.to_json()), Ok(reply));
    let odd = br#"{"accepted":true,"pool":"p","sequence":1,"endpoints":[],
        "pools":["a","b c","\u0007",""],"unpushed":["a\n"],"prefixes":{"cursor":"7","events":"0x"}}"#;
    let odd = Accepted::parse(odd).unwrap();
    assert_eq!((odd.pools, odd.unpushed), (Some(vec!["a".to_owned()]), Vec::new()));
    assert_eq!(odd.prefixes, None, "it is handed on as it came");
}

#[test]
fn what_was_spent_is_told_in_pieces_and_a_piece_says_how_far_it_goes() {
    let row = |changed| SpendingRow { model: "m".to_owned(), changed, ..SpendingRow::default() };
    let spending = |rows| {
        let rows: Vec<_> = (1..=rows).map(row).collect();
        Accepted {
            spending: Some(Spending { epoch: 9, version: 5_000, rows }),
            ..Accepted::new(&message(Vec::new()), Vec::new())
        }
    };
    let most = limits::MAX_SPENDING_ROWS as u64;
    let whole = spending(most);
    assert_eq!(Accepted::parse(&whole.to_json()).unwrap().spending.unwrap().rows.len(), 256);
    // A gateway that tells more than it should: the rest is asked for again.
    let cut = Accepted::parse(&spending(most + 9).to_json()).unwrap().spending.unwrap();
    assert_eq!((cut.rows.len() as u64, cut.version), (most, most));
    assert_eq!(Accepted::parse(&spending(0).to_json()).unwrap().spending.unwrap().version, 5_000);
}

#[test]
fn what_a_sidecar_was_told_of_spending_is_of_one_process() {
    let seen = SpendingSeen { epoch: u64::MAX, version: 7 };
    assert_eq!(SpendingSeen::parse(seen.to_string().as_bytes()), Some(seen));
    assert_eq!(
        (seen.since(u64::MAX), seen.since(1)),
        (7, 0),
        "another process counts from nothing"
    );
    assert_eq!(SpendingSeen::parse(b"0-0"), Some(SpendingSeen::default()));
    for odd in [&b""[..], b"1", b"1-", b"-1", b"1-2-3", b"\xff-1", b"18446744073709551616-0"] {
        assert_eq!(SpendingSeen::parse(odd), None, "{odd:?}");
    }
}
