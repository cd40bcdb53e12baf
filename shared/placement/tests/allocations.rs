//! What the steps of a request may allocate: budgets that a change has to keep or to raise on purpose.
#![cfg(not(target_arch = "wasm32"))]
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a failing test may panic")]

use allocation_counter::measure;
use weir_placement::{
    CachedTokens, Dispatch, ExpectedTtft, LoadView, Outstanding, Phase, PickRequest, Policy,
    PoolState, PrefixIndex,
};
use weir_snapshot::{EndpointReport, EndpointState, SnapshotMessage, encode};

const NOW: u64 = 5_000_000_000;
/// Fingerprints of a prompt of some 50 KB.
const MARKS: u64 = 100;

fn view(replicas: usize, prefixes: &mut PrefixIndex) -> LoadView {
    let report = |index: usize| {
        let mut report = EndpointReport::new(
            format!("10.0.0.{}:{}", index % 250 + 1, 8000 + index),
            EndpointState::Ready,
        );
        report.age_ms = Some(3);
        report.waiting = Some(0);
        report.running = Some(1);
        report
    };
    let endpoints = (0..replicas).map(report).collect();
    let message = SnapshotMessage::new("llama", (1, 1), 7, endpoints);
    LoadView::decode(&encode(&message, NOW).unwrap(), prefixes).unwrap()
}

/// Allocations of each step of one request among so many replicas, after some that were like it.
fn steps(replicas: usize) -> [u64; 6] {
    let mut prefixes = PrefixIndex::default();
    let (mut sent, policy) = (Outstanding::default(), ExpectedTtft::default());
    let view = view(replicas, &mut prefixes);
    let marks: Vec<u64> = (1..=MARKS).collect();
    let request = PickRequest {
        fingerprints: &marks,
        prompt_tokens: 12_800,
        prompt_bytes: 51_200,
        ..Default::default()
    };
    let mut counts = [0; 6];
    for _ in 0..3 {
        let mut count =
            |step: usize, run: &mut dyn FnMut()| counts[step] = measure(run).count_total;
        let (mut pick, mut expectation) = (None, None);
        count(0, &mut || {
            let (view, prefixes, outstanding) = (&view, &prefixes, &sent);
            let state = PoolState { view, prefixes, outstanding, now_ns: NOW };
            pick = Some(policy.pick(&request, &state).unwrap());
        });
        let pick = pick.unwrap();
        let dispatch = Dispatch::of(&pick, &view, 100, true).unwrap();
        let replica = view.id(pick.best()).unwrap();
        count(1, &mut || expectation = Some(prefixes.learn(&request, replica)));
        count(2, &mut || sent.dispatch(&dispatch, NOW));
        let expectation = expectation.unwrap();
        count(3, &mut || {
            sent.first_token(&dispatch, NOW, NOW + 1);
            prefixes.confirm(&expectation);
        });
        count(4, &mut || {
            sent.served(dispatch.replica);
            sent.finish(&dispatch, Phase::Decode);
        });
        count(5, &mut || {
            prefixes.correct(&expectation, CachedTokens { cached: 12_800, prompt: 12_800 });
        });
    }
    counts
}

/// One list: what each replica has of the prompt. Learning and counting allocate nothing once a replica has its entry.
#[test]
fn a_pick_allocates_once_and_what_follows_nothing_however_many_replicas_there_are() {
    let [pick, learn, dispatch, first_token, finish, correct] = [1, 0, 0, 0, 0, 0];
    let budget = [pick, learn, dispatch, first_token, finish, correct];
    assert_eq!([3, 100, 1000].map(steps), [budget; 3]);
}
