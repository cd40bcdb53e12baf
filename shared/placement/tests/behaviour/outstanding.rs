//! Own counts: what workers share, and how lost counts heal.

#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

use crate::support::{RECEIVED_NS, idle, view};
use weir_placement::{Dispatch, Outstanding, OwnLoad, Phase, PrefixIndex, replica_key};

const NOW: u64 = RECEIVED_NS;

fn dispatch(host: u8, uncached_tokens: u32) -> Dispatch {
    let replica = replica_key(format!("10.0.0.{host}:80").as_bytes());
    Dispatch {
        replica,
        uncached_tokens,
        prefill_us: uncached_tokens * 200,
        decode_tokens: uncached_tokens,
        alone_us: 0,
        streamed: true,
    }
}

/// In flight, in prefill, tokens in prefill, dispatched.
fn counts(load: OwnLoad) -> (u32, u32, u32, u32) {
    (load.in_flight, load.in_prefill, load.prefill_tokens, load.dispatched)
}

#[test]
fn requests_are_counted_from_dispatch_to_end() {
    let (first, second) = (dispatch(1, 1000), dispatch(1, 500));
    let mut sent = Outstanding::default();
    let load = |sent: &Outstanding| counts(sent.load(first.replica));
    sent.dispatch(&first, NOW);
    sent.dispatch(&second, NOW);
    assert_eq!(load(&sent), (2, 2, 1500, 2));
    sent.first_token(&first, NOW, NOW);
    assert_eq!(load(&sent), (2, 1, 500, 2));
    sent.finish(&first, Phase::Decode);
    assert_eq!(load(&sent), (1, 1, 500, 2));
    sent.finish(&second, Phase::Prefill);
    assert_eq!(load(&sent), (0, 0, 0, 2), "dispatches count until the next snapshot");
    assert_eq!(counts(sent.load(dispatch(2, 0).replica)), (0, 0, 0, 0));
}

#[test]
fn ends_that_nobody_began_change_nothing() {
    let mut sent = Outstanding::default();
    sent.first_token(&dispatch(1, 9), NOW, NOW);
    sent.finish(&dispatch(1, 9), Phase::Prefill);
    assert_eq!(sent, Outstanding::default());
    sent.dispatch(&dispatch(1, 9), NOW);
    sent.finish(&dispatch(1, 9), Phase::Prefill);
    sent.finish(&dispatch(1, 9), Phase::Prefill);
    assert_eq!(counts(sent.load(dispatch(1, 9).replica)), (0, 0, 0, 1));
}

#[test]
fn backlog_runs_down_with_the_clock_and_ends_with_the_prefill() {
    let sent_to = dispatch(1, 1000);
    let mut sent = Outstanding::default();
    sent.dispatch(&sent_to, NOW);
    sent.dispatch(&sent_to, NOW + 100_000_000);
    let backlog = |sent: &Outstanding, after_ms: u64| {
        sent.load(sent_to.replica).backlog_us(NOW + after_ms * 1_000_000)
    };
    assert_eq!(backlog(&sent, 100), 300_000, "200 ms each, 100 ms of them past");
    assert_eq!(backlog(&sent, 400), 0);
    sent.first_token(&sent_to, NOW, NOW);
    assert_eq!(backlog(&sent, 100), 300_000, "one is still in prefill");
    sent.first_token(&sent_to, NOW, NOW);
    assert_eq!(backlog(&sent, 100), 0);
}

#[test]
fn mean_prefill_follows_what_is_sent() {
    let mut sent = Outstanding::default();
    assert_eq!(sent.mean_prefill_us(), None);
    sent.dispatch(&dispatch(1, 500), NOW);
    assert_eq!(sent.mean_prefill_us(), Some(100_000));
    for _ in 0..200 {
        sent.dispatch(&dispatch(1, 1000), NOW);
    }
    let mean = sent.mean_prefill_us().unwrap();
    assert!((195_000..=200_000).contains(&mean), "{mean}");
}

#[test]
fn dispatches_start_anew_with_each_snapshot() {
    let mut prefixes = PrefixIndex::with_capacity(64);
    let mut sent = Outstanding::default();
    sent.dispatch(&dispatch(1, 10), NOW);
    let load = |sent: &Outstanding| sent.load(dispatch(1, 10).replica);
    assert!(sent.observe(&view(vec![idle(1)], 1, &mut prefixes)));
    assert_eq!((load(&sent).dispatched, load(&sent).dispatched_before), (0, 1));
    sent.dispatch(&dispatch(1, 10), NOW);
    assert!(!sent.observe(&view(vec![idle(1)], 1, &mut prefixes)), "the same snapshot again");
    assert_eq!((load(&sent).dispatched, load(&sent).dispatched_before), (1, 1));
    assert!(sent.observe(&view(vec![idle(1)], 2, &mut prefixes)));
    assert_eq!((load(&sent).dispatched, load(&sent).dispatched_before), (0, 1));
    assert_eq!(load(&sent).in_flight, 2);
}

#[test]
fn endpoints_that_left_the_pool_are_dropped() {
    let mut prefixes = PrefixIndex::with_capacity(64);
    let mut sent = Outstanding::default();
    sent.dispatch(&dispatch(1, 10), NOW);
    sent.dispatch(&dispatch(2, 10), NOW);
    sent.observe(&view(vec![idle(2), idle(3)], 1, &mut prefixes));
    assert_eq!(sent.load(dispatch(1, 10).replica).in_flight, 0);
    assert_eq!(sent.load(dispatch(2, 10).replica).in_flight, 1);
}

#[test]
fn leaked_counts_heal_when_the_replica_stays_idle() {
    let mut prefixes = PrefixIndex::with_capacity(64);
    let mut busy = idle(2);
    busy.running = Some(1);
    let mut unknown = idle(3);
    unknown.running = None;
    let mut sent = Outstanding::default();
    for host in 1..=3 {
        sent.dispatch(&dispatch(host, 10), NOW);
    }
    let in_flight =
        |sent: &Outstanding| [1, 2, 3].map(|host| sent.load(dispatch(host, 0).replica).in_flight);
    // A measurement that is not recent is believed when five in a row say the same.
    let mut old = idle(1);
    old.age_ms = Some(700);
    for sequence in 1..=6 {
        sent.observe(&view(
            vec![old.clone(), busy.clone(), unknown.clone()],
            sequence,
            &mut prefixes,
        ));
        assert_eq!(in_flight(&sent), [1, 1, 1], "a replica may be idle for a moment");
    }
    sent.observe(&view(vec![old, busy, unknown], 7, &mut prefixes));
    assert_eq!(in_flight(&sent), [0, 1, 1], "only a replica that is known to be idle");
}

#[test]
fn leaked_counts_of_a_busy_replica_heal_to_what_it_runs_and_what_was_sent_since() {
    let mut prefixes = PrefixIndex::with_capacity(64);
    let mut sent = Outstanding::default();
    let leaked = dispatch(1, 10);
    (0..50).for_each(|_| sent.dispatch(&leaked, NOW));
    let mut busy = idle(1);
    (busy.running, busy.waiting) = (Some(3), Some(2));
    let mut counts = Vec::new();
    for sequence in 1..=4 {
        // Two more are sent between any two snapshots, and two end.
        (0..2).for_each(|_| sent.dispatch(&leaked, NOW));
        (0..2).for_each(|_| sent.finish(&leaked, Phase::Prefill));
        sent.observe(&view(vec![busy.clone()], sequence, &mut prefixes));
        let load = sent.load(leaked.replica);
        assert!(load.in_prefill <= load.in_flight && load.awaited <= load.in_prefill);
        counts.push((load.in_flight, load.prefill_tokens));
    }
    assert_eq!(counts, [(50, 500), (50, 500), (9, 90), (9, 90)]);
}

#[test]
fn old_measurements_and_unknown_ones_heal_nothing() {
    let mut prefixes = PrefixIndex::with_capacity(64);
    for (age_ms, running) in [(Some(900), Some(0)), (None, Some(0)), (Some(5), None)] {
        let mut sent = Outstanding::default();
        (0..50).for_each(|_| sent.dispatch(&dispatch(1, 10), NOW));
        let mut record = idle(1);
        (record.age_ms, record.running, record.waiting) = (age_ms, running, Some(1));
        for sequence in 1..=4 {
            sent.observe(&view(vec![record.clone()], sequence, &mut prefixes));
        }
        assert_eq!(sent.load(dispatch(1, 10).replica).in_flight, 50);
    }
}

#[test]
fn loads_come_in_the_order_of_the_view() {
    let mut prefixes = PrefixIndex::with_capacity(64);
    let mut sent = Outstanding::default();
    for host in [3, 9, 1, 3] {
        sent.dispatch(&dispatch(host, 10), NOW);
    }
    let view = view((1..=5).rev().map(idle).collect(), 1, &mut prefixes);
    let in_flight: Vec<u32> = sent.by_endpoint(&view).iter().map(|load| load.in_flight).collect();
    assert_eq!(in_flight, [0, 0, 2, 0, 1]);
}

#[test]
fn stored_counts_come_back() {
    let mut prefixes = PrefixIndex::with_capacity(64);
    let mut sent = Outstanding::default();
    for host in 1..=4 {
        sent.dispatch(&dispatch(host, u32::from(host) * 100), NOW);
    }
    sent.observe(&view((1..=4).map(idle).collect(), 3, &mut prefixes));
    sent.first_token(&dispatch(2, 200), NOW, NOW);
    let stored = sent.encode();
    assert_eq!(stored.len(), 52 + 4 * 80);
    assert_eq!(Outstanding::decode(&stored), sent);
}

#[test]
fn unreadable_values_count_as_no_counts() {
    let mut sent = Outstanding::default();
    sent.dispatch(&dispatch(1, 10), NOW);
    sent.dispatch(&dispatch(2, 10), NOW);
    let stored = sent.encode();
    let mut other_format = stored.clone();
    other_format[3] = 9;
    let mut unsorted = stored[..52].to_vec();
    unsorted.extend_from_slice(&stored[52 + 80..]);
    unsorted.extend_from_slice(&stored[52..52 + 80]);
    let cases = [&stored[..stored.len() - 1], &stored[..10], b"", &other_format, &unsorted];
    for bytes in cases {
        assert_eq!(Outstanding::decode(bytes), Outstanding::default());
    }
}

#[cfg(not(target_arch = "wasm32"))]
mod properties {
    use super::*;
    use proptest::prelude::*;

    fn bytes(len: usize) -> impl Strategy<Value = Vec<u8>> {
        proptest::collection::vec(any::<u8>(), len)
    }

    proptest! {
        #[test]
        fn arbitrary_bytes_never_panic(
            header in bytes(48),
            mut entries in proptest::collection::vec(bytes(80), 0..5),
        ) {
            // Ascending by key, else they are refused at once.
            entries.sort_by_key(|entry| u64::from_le_bytes(entry[..8].try_into().unwrap()));
            let stored = [b"WVO\x03".to_vec(), header, entries.concat()].concat();
            let mut sent = Outstanding::decode(&stored);
            let mut prefixes = PrefixIndex::with_capacity(64);
            let large = dispatch(1, u32::MAX / 200);
            sent.dispatch(&large, u64::MAX);
            sent.failed(large.replica, 7);
            sent.served(large.replica);
            sent.failed(large.replica, u64::MAX);
            sent.observe(&view(vec![idle(1)], u64::MAX, &mut prefixes));
            sent.finish(&large, Phase::Prefill);
            prop_assert_eq!(Outstanding::decode(&sent.encode()), sent);
        }

        #[test]
        fn every_sequence_of_events_balances(
            events in proptest::collection::vec((1..4_u8, 0..3_u8), 0..60)
        ) {
            let mut sent = Outstanding::default();
            // Per host: requests in prefill, and in decode.
            let mut model = [[0_u32; 2]; 4];
            for (host, event) in events {
                let request = dispatch(host, 64);
                let [prefill, decode] = &mut model[usize::from(host)];
                match event {
                    0 => {
                        sent.dispatch(&request, NOW);
                        *prefill += 1;
                    }
                    1 if *prefill > 0 => {
                        sent.first_token(&request, NOW, NOW);
                        (*prefill, *decode) = (*prefill - 1, *decode + 1);
                    }
                    2 if *decode > 0 => {
                        sent.finish(&request, Phase::Decode);
                        *decode -= 1;
                    }
                    2 if *prefill > 0 => {
                        sent.finish(&request, Phase::Prefill);
                        *prefill -= 1;
                    }
                    _ => {}
                }
                for (host, [prefill, decode]) in (0..).zip(model) {
                    let load = sent.load(dispatch(host, 64).replica);
                    prop_assert_eq!(load.in_flight, prefill + decode);
                    prop_assert_eq!(load.in_prefill, prefill);
                    prop_assert_eq!(load.prefill_tokens, 64 * prefill);
                }
            }
        }
    }
}
