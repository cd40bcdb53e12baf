//! What is learned of prefix caches, from and to other Envoys.

use weir_placement::{Outstanding, PrefixEvents, PrefixRing};
use weir_snapshot::limits::MAX_PREFIXES_DIGITS;
use weir_snapshot::{LearnedPrefixes, hex};

use super::*;

/// An event as the ring has it: replica 7 serves one fingerprint, at this tick.
fn event(tick: u64) -> Vec<u8> {
    let head = [7_u64.to_le_bytes(), tick.to_le_bytes(), [1, 0, 0, 0, 1, 0, 0, 0]].concat();
    [&head[..], &9_u64.to_le_bytes()].concat()
}

/// Pushes with the cursor `seen`, bringing `brought`; answers with what the reply says of prefixes.
fn exchange(host: &FakeHost, sequence: u64, seen: &str, brought: &[u8]) -> Option<LearnedPrefixes> {
    let prefixes = LearnedPrefixes { cursor: seen.to_owned(), events: hex(brought) };
    let prefixes = serde_json::to_string(&prefixes).unwrap();
    let field = format!("\"prefixes\":{prefixes},\"endpoints\"");
    let (status, reply) = push(host, OPEN, &body(sequence).replace("\"endpoints\"", &field));
    assert_eq!(status, 200, "{reply}");
    Accepted::parse(reply.as_bytes()).unwrap().prefixes
}

fn ring(host: &FakeHost) -> PrefixRing {
    let stored = host.shared(&keys::prefixes(0)).unwrap().unwrap_or_default().0;
    PrefixRing::read(stored, keys::pool_key("llama")).unwrap().unwrap()
}

#[test]
fn what_came_from_elsewhere_reaches_the_workers_and_does_not_leave_again() {
    let host = FakeHost::new();
    host.set_now_ns(100 << 14);
    assert_eq!(push(&host, OPEN, &body(1)).0, 200);
    assert!(host.shared(&keys::prefixes(0)).unwrap().is_none());
    let first = exchange(&host, 2, "0-0", &event(30)).unwrap();
    assert_eq!(first.events, "");
    let mut ticks = Vec::new();
    ring(&host).read_on(&mut Default::default(), |event| ticks.push(format!("{event:?}")));
    assert!(ticks.len() == 1 && ticks[0].contains("tick: 70"), "{ticks:?}");
    // A worker that counts alone looks at it nevertheless.
    let stored = host.shared(&keys::outstanding(0)).unwrap().unwrap().0;
    assert!(Outstanding::decode(&stored).note_worker(99));
    // What a worker of this Envoy has told leaves, once, as its age.
    let mut own = ring(&host);
    own.append(&PrefixEvents::arriving(&event(40), 100 << 14));
    let mut bytes = own.as_bytes().to_vec();
    let origin = bytes.len() - event(0).len() + 17;
    bytes[origin] = 0;
    host.set_shared(&keys::prefixes(0), &bytes, None).unwrap();
    let told = exchange(&host, 3, &first.cursor, b"").unwrap();
    assert_eq!(told.events, hex(&event(40)));
    assert_eq!(exchange(&host, 4, &told.cursor, b"").unwrap().events, "");
    assert_eq!(host.metric("weir_undecodable_total"), None);
}

#[test]
fn a_sidecar_that_does_not_share_is_told_nothing_and_what_makes_no_sense_is_left_out() {
    let host = FakeHost::new();
    let (_, reply) = push(&host, OPEN, &body(1));
    assert!(!reply.contains("prefixes"), "{reply}");
    // What is no cursor stands for the beginning.
    for (at, seen) in (2..).zip(["", "x", "1-x"]) {
        assert_eq!(exchange(&host, at, seen, b"").unwrap().cursor, "0-0");
    }
    assert!(exchange(&host, 8, "0-0", b"hello").is_some());
    assert!(host.shared(&keys::prefixes(0)).unwrap().is_none(), "nothing came");
    let much = event(1).repeat(2 * MAX_PREFIXES_DIGITS / event(1).len());
    assert!(exchange(&host, 9, "0-0", &much).is_some());
    host.set_shared(&keys::prefixes(0), b"garbage", None).unwrap();
    assert!(exchange(&host, 10, "0-0", &event(1)).is_some());
    assert_eq!(host.metric("weir_undecodable_total"), Some(1));
    assert_eq!(ring(&host).as_bytes().len(), 32 + event(1).len(), "begun anew");
}
