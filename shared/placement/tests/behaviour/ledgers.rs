//! What is known of replicas beside the counts: tokens in decode, their pace, and what other gateways send.

#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

use crate::support::{RECEIVED_NS, idle, prompt, view};
use weir_placement::{
    Dispatch, ExpectedTtft, LoadView, Outstanding, Phase, PickRequest, Policy, PoolState,
    PrefixIndex, replica_key,
};

const MS: u64 = 1_000_000;

fn dispatch(host: u8, decode_tokens: u32) -> Dispatch {
    let replica = replica_key(format!("10.0.0.{host}:80").as_bytes());
    let (uncached_tokens, prefill_us, alone_us) = (100, 20_000, 50_000);
    Dispatch { replica, uncached_tokens, prefill_us, decode_tokens, alone_us, streamed: true }
}

fn pool(running: u32, sequence: u64, prefixes: &mut PrefixIndex) -> LoadView {
    let mut reports: Vec<_> = (1..=3).map(idle).collect();
    reports.iter_mut().for_each(|report| report.running = Some(running));
    view(reports, sequence, prefixes)
}

#[test]
fn tokens_are_in_decode_from_the_first_token_to_the_end() {
    let (one, other) = (dispatch(1, 700), dispatch(1, 300));
    let mut sent = Outstanding::default();
    let tokens = |sent: &Outstanding| sent.load(one.replica).decode_tokens;
    sent.dispatch(&one, RECEIVED_NS);
    sent.dispatch(&other, RECEIVED_NS);
    assert_eq!(tokens(&sent), 0);
    sent.first_token(&one, RECEIVED_NS, RECEIVED_NS);
    sent.first_token(&other, RECEIVED_NS, RECEIVED_NS);
    assert_eq!(tokens(&sent), 1000);
    sent.finish(&one, Phase::Decode);
    assert_eq!(tokens(&sent), 300);
    sent.finish(&other, Phase::Decode);
    assert_eq!(tokens(&sent), 0);
}

#[test]
fn tokens_of_streams_whose_end_was_lost_go_with_their_counts() {
    let mut prefixes = PrefixIndex::with_capacity(64);
    let (mut sent, lost) = (Outstanding::default(), dispatch(1, 500));
    for _ in 0..10 {
        sent.dispatch(&lost, RECEIVED_NS);
        sent.first_token(&lost, RECEIVED_NS, RECEIVED_NS);
    }
    for sequence in 1..=3 {
        sent.observe(&pool(4, sequence, &mut prefixes));
    }
    let load = sent.load(lost.replica);
    assert_eq!((load.in_flight, load.decode_tokens), (4, 2000));
}

/// A pool in which each replica serves in turn, the first as many times slower.
fn paced(times: u64) -> (Outstanding, LoadView, PrefixIndex) {
    let mut prefixes = PrefixIndex::with_capacity(1 << 10);
    let view = pool(0, 1, &mut prefixes);
    let mut sent = Outstanding::default();
    for round in 0..30 {
        for host in 1..=3 {
            let (request, at) = (dispatch(host, 100), RECEIVED_NS + round * 1000 * MS);
            let took = if host == 1 { 60 * times } else { 60 };
            sent.dispatch(&request, at);
            sent.first_token(&request, at, at + took * MS);
            sent.finish(&request, Phase::Decode);
        }
    }
    (sent, view, prefixes)
}

/// How many of many conversations each replica gets.
fn placed(sent: &Outstanding, view: &LoadView, prefixes: &PrefixIndex) -> [usize; 3] {
    let mut counts = [0; 3];
    for conversation in 0..300 {
        let fingerprints = prompt(1000 + conversation, 10);
        let request = PickRequest {
            fingerprints: &fingerprints,
            prompt_tokens: 640,
            prompt_bytes: 2560,
            conversation: Some(conversation),
            ..PickRequest::default()
        };
        let now_ns = RECEIVED_NS + 100 * MS;
        let state = PoolState { view, prefixes, outstanding: sent, now_ns };
        counts[ExpectedTtft::default().pick(&request, &state).unwrap().best()] += 1;
    }
    counts
}

#[test]
fn a_replica_that_takes_longer_than_the_others_gets_what_nobody_else_can_do_sooner() {
    let (sent, view, prefixes) = paced(1);
    assert!(placed(&sent, &view, &prefixes).iter().all(|count| *count > 50));
    let (sent, view, prefixes) = paced(4);
    assert_eq!(placed(&sent, &view, &prefixes)[0], 0);
    // Once nothing has been heard of it for a minute, it is tried again.
    let (mut sent, _, mut prefixes) = paced(4);
    let mut view = pool(0, 1, &mut prefixes);
    for sequence in 2..900 {
        view = pool(0, sequence, &mut prefixes);
        sent.observe(&view);
    }
    assert!(placed(&sent, &view, &prefixes)[0] > 50);
}

#[test]
fn what_had_to_wait_says_nothing_of_a_replicas_pace() {
    let mut sent = Outstanding::default();
    let waited = Dispatch { alone_us: 0, ..dispatch(1, 100) };
    sent.dispatch(&waited, RECEIVED_NS);
    sent.first_token(&waited, RECEIVED_NS, RECEIVED_NS + 9000 * MS);
    sent.finish(&waited, Phase::Decode);
    assert_eq!(sent.pace_of(&sent.load(waited.replica)), 256);
}

#[test]
fn a_conversation_stays_where_its_prefix_is_unless_others_send_most_requests() {
    let text = prompt(1, 40);
    let request = PickRequest {
        fingerprints: &text,
        prompt_tokens: 2560,
        prompt_bytes: 10_240,
        conversation: Some(7),
        ..PickRequest::default()
    };
    for (running, stays) in [(0, true), (9, false)] {
        let mut prefixes = PrefixIndex::with_capacity(1 << 10);
        let mut sent = Outstanding::default();
        let mut view = pool(running, 1, &mut prefixes);
        for sequence in 2..600 {
            view = pool(running, sequence, &mut prefixes);
            sent.observe(&view);
        }
        let pick = |prefixes: &PrefixIndex| {
            let now_ns = RECEIVED_NS;
            let state = PoolState { view: &view, prefixes, outstanding: &sent, now_ns };
            ExpectedTtft::default().pick(&request, &state).unwrap().best()
        };
        let home = pick(&prefixes);
        let elsewhere = (home + 1) % 3;
        // Half of it, so that the rest is worth less than the credit of the home could be.
        let part = PickRequest { fingerprints: &text[..20], ..request };
        let expectation = prefixes.learn(&part, view.id(elsewhere).unwrap());
        prefixes.confirm(&expectation);
        assert_eq!(pick(&prefixes) == elsewhere, stays, "{running} requests of others");
    }
}
