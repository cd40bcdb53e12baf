//! Two workers of one Envoy: what the one learns, the other knows.

use weir_placement::PrefixRing;

use super::*;

fn pair() -> (Vm, Vm) {
    let one = Vm::new();
    let other = Vm::on(&one.host);
    (one, other)
}

fn shares(vm: &Vm, what: &str) -> i64 {
    vm.host.metric(&format!("weir_prefix_shares_total.what.{what}")).unwrap_or(0)
}

/// The stored ring is not longer than this, so there are no events in it.
const EMPTY: usize = 32;

fn ring(vm: &Vm) -> Vec<u8> {
    vm.host.shared(&keys::prefixes(0)).unwrap().unwrap_or_default().0
}

/// Nothing is learned of what the replica had cached.
fn served_without_usage(vm: &Vm) {
    let sent = vm.send(false);
    vm.envoy_says(&sent.listed[0], 1, 200, "via_upstream");
    vm.answer(sent, r#"{"id":"1"}"#, true);
}

#[test]
fn a_conversation_that_began_on_one_worker_is_placed_by_its_prefix_on_the_other() {
    let (mut one, mut other) = pair();
    one.served();
    one.root.on_tick();
    assert_eq!((shares(&one, "told"), shares(&one, "taken")), (1, 0));
    later(&one, 1000);
    assert!(other.matched() > 0);
    assert_eq!((shares(&one, "taken"), shares(&one, "missed")), (1, 0));
}

#[test]
fn what_was_not_served_is_not_told() {
    let (mut one, mut other) = pair();
    let sent = one.send(false);
    one.envoy_says(&sent.listed[0], 1, 500, "via_upstream");
    one.answer(sent, ERROR, true);
    one.root.on_tick();
    later(&one, 60_000);
    assert_eq!((other.matched(), shares(&one, "told")), (0, 0));
}

#[test]
fn a_response_that_is_broken_off_takes_back_what_others_were_told() {
    let (mut one, mut other) = pair();
    let mut sent = one.send(true);
    let details = "upstream_reset_after_response_started{connection_termination}";
    one.envoy_says(&sent.listed[0], 1, 200, details);
    sent.stream.on_http_response_headers(1, false);
    let event = b"data: {\"id\":\"1\"}\n\n";
    one.host.set_body(Body::Response, event);
    sent.stream.on_http_response_body(event.len(), false);
    one.root.on_tick();
    later(&one, 2000);
    // It counts in the pool from now on, so nothing waits for a second any more.
    assert!(other.matched() > 0);
    sent.stream.on_end();
    later(&one, 60_000);
    one.root.on_tick();
    assert_eq!(shares(&one, "told"), 2);
    assert_eq!(other.matched(), 0);
}

#[test]
fn a_worker_alone_looks_at_nothing_and_tells_once_a_second() {
    let mut alone = Vm::new();
    let mut told = Vec::new();
    for _ in 0..30 {
        served_without_usage(&alone);
        alone.root.on_tick();
        later(&alone, 100);
        told.push(shares(&alone, "told"));
    }
    told.dedup();
    assert_eq!(told, [1, 11, 21]);
    // The second worker's first request says that there are two.
    let mut other = Vm::on(&alone.host);
    assert!(other.matched() > 0);
    served_without_usage(&alone);
    alone.root.on_tick();
    assert_eq!(shares(&alone, "told"), 31);
    later(&alone, 10);
    served_without_usage(&other);
    other.root.on_tick();
    assert_eq!(shares(&alone, "told"), 32);
}

#[test]
fn a_ring_that_cannot_be_read_is_counted_and_begun_anew() {
    let (mut one, mut other) = pair();
    one.host.set_shared(&keys::prefixes(0), b"WVL\x09 of another module", None).unwrap();
    one.served();
    one.root.on_tick();
    let undecodable = one.host.metric("weir_undecodable_total").unwrap_or(0);
    assert!(undecodable > 0 && one.host.logs()[0].1.contains("weir/v2/prefixes/0"));
    later(&one, 1000);
    assert!(other.matched() > 0);
    assert_eq!(one.host.metric("weir_undecodable_total"), Some(undecodable), "mended");
}

#[test]
fn events_that_lose_against_other_workers_wait_for_the_next_tick() {
    let (mut one, _) = pair();
    one.served();
    one.host.lose_swaps(1000);
    // There is no ring yet, so the first is stored all the same.
    one.root.on_tick();
    later(&one, 2000);
    one.served();
    one.root.on_tick();
    assert_eq!(shares(&one, "told"), 1);
    one.host.lose_swaps(0);
    one.root.on_tick();
    assert_eq!(shares(&one, "told"), 2);
    assert!((EMPTY..=PrefixRing::MAX_BYTES).contains(&ring(&one).len()));
}

#[test]
fn a_replica_whose_generation_changes_is_forgotten() {
    for (after, forgotten) in [(Some(1), false), (None, false), (Some(2), true)] {
        let mut vm = Vm::new();
        let push = |sequence, generation| {
            let endpoints = ADDRESSES.map(|address| {
                let mut report = EndpointReport::new(address.to_owned(), EndpointState::Ready);
                (report.age_ms, report.waiting, report.running) = (Some(5), Some(0), Some(0));
                report.generation = generation;
                report
            });
            let message = SnapshotMessage::new("p", (1, sequence), 0, endpoints.to_vec());
            let now_ns = vm.host.now_ns();
            let view = encode(&message, now_ns).unwrap();
            let stamp = VersionStamp::of(&message, now_ns).encode();
            vm.host.set_shared(&keys::stamp(0), &stamp, None).unwrap();
            vm.host.set_shared(&keys::view(0), &view, None).unwrap();
        };
        push(2, Some(1));
        vm.served();
        later(&vm, 1000);
        push(3, after);
        later(&vm, 100);
        assert_eq!(vm.matched() == 0, forgotten, "{after:?}");
    }
}
