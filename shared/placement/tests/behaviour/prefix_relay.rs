//! What leaves one Envoy and arrives at another.

#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

use crate::prefix_events::{MS, POOL, Worker, pair};
use crate::support::{RECEIVED_NS, prompt};
use weir_placement::{MAX_RELAY_BYTES, PrefixEvents, PrefixRing, RingCursor};

#[test]
fn what_one_envoy_has_learned_another_knows_whatever_their_clocks_say() {
    // The other's clock is an hour ahead.
    let ahead = 3_600_000 * MS;
    let (mut here, _, mut ring) = pair();
    let (mut there, mut elsewhere) = (Worker::new(), PrefixRing::new(POOL, 2));
    here.serve(1, &prompt(3, 40), 0, 1000);
    here.tell(&mut ring);
    let (mut cursor, now) = (RingCursor::default(), RECEIVED_NS + 3000 * MS);
    let leaving = ring.leaving(&mut cursor, now);
    assert_eq!(ring.leaving(&mut cursor, now), b"", "it leaves once");
    assert_eq!(RingCursor::parse(cursor.to_string().as_bytes()), Some(cursor));
    let arrived = PrefixEvents::arriving(&leaving, now + ahead);
    assert_eq!(arrived.len(), 1);
    elsewhere.append(&arrived);
    assert_eq!(there.take(&elsewhere), (1, 0));
    assert!(there.matches(&prompt(3, 40))[1] > 0);
    assert_eq!(
        elsewhere.leaving(&mut RingCursor::default(), now + ahead),
        b"",
        "nor does it come back"
    );
}

#[test]
fn more_than_leaves_at_a_time_leaves_later_and_what_is_no_event_does_not_arrive() {
    let (mut here, _, mut ring) = pair();
    for text in 0..60 {
        here.serve(0, &prompt(text, 20), 0, 1000 + text);
    }
    here.tell(&mut ring);
    let (mut cursor, mut count) = (RingCursor::default(), 0);
    for round in 0..3 {
        let leaving = ring.leaving(&mut cursor, RECEIVED_NS);
        assert!(leaving.len() <= MAX_RELAY_BYTES && leaving.is_empty() == (round == 2));
        count += PrefixEvents::arriving(&leaving, RECEIVED_NS).len();
    }
    assert_eq!(count, 60);
    let leaving = ring.leaving(&mut RingCursor::default(), RECEIVED_NS);
    let cut = leaving.get(..leaving.len() - 1).unwrap();
    let whole = PrefixEvents::arriving(&leaving, RECEIVED_NS).len();
    assert_eq!(PrefixEvents::arriving(cut, RECEIVED_NS).len(), whole - 1);
    let endless = leaving.repeat(9);
    let mut ring = PrefixRing::new(POOL, 1);
    ring.append(&PrefixEvents::arriving(&endless, RECEIVED_NS));
    assert!(PrefixRing::read(ring.as_bytes().to_vec(), POOL).unwrap().is_some(), "it has room");
    for odd in [&b""[..], b"-", b"1", b"1-", b"x-1", b"\xff-1"] {
        assert_eq!(RingCursor::parse(odd), None);
    }
}
