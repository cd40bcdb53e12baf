//! The steps of the crate documentation, in order, over one request after the other.

#![allow(clippy::unwrap_used, reason = "a failing test may panic")]

#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

use weir_placement::{
    Basis, CachedTokens, Dispatch, ExpectedTtft, LoadView, Outstanding, Phase, PickRequest, Policy,
    PoolState, PrefixIndex,
};
use weir_snapshot::{SnapshotMessage, encode};

const NOW: u64 = 5_000_000_000;

fn view(prefixes: &mut PrefixIndex) -> LoadView {
    let body = br#"{"version":2,"pool":"llama","epoch":1,"sequence":1,"endpoints":[
        {"address":"127.0.0.1:9001","state":"ready","age_ms":3,"waiting":0,"running":1},
        {"address":"127.0.0.1:9002","state":"ready","age_ms":3,"waiting":0,"running":1},
        {"address":"127.0.0.1:9003","state":"ready","age_ms":3,"waiting":0,"running":1}]}"#;
    let message = SnapshotMessage::parse(body).unwrap();
    LoadView::decode(&encode(&message, NOW).unwrap(), prefixes).unwrap()
}

#[test]
fn second_turn_goes_where_the_first_went() {
    let mut prefixes = PrefixIndex::default();
    let mut outstanding = Outstanding::default();
    let view = view(&mut prefixes);
    let policy = ExpectedTtft::default();

    let turn = PickRequest {
        fingerprints: &[1, 2, 3, 4],
        prompt_tokens: 256,
        prompt_bytes: 1024,
        ..Default::default()
    };
    let state =
        PoolState { view: &view, prefixes: &prefixes, outstanding: &outstanding, now_ns: NOW };
    let first = policy.pick(&turn, &state).unwrap();
    assert_eq!((first.matched_tokens, first.basis), (0, Basis::Load));
    assert_eq!(first.order.iter().count(), 3);

    let dispatch = Dispatch::of(&first, &view, 0, true).unwrap();
    let expectation = prefixes.learn(&turn, view.id(first.best()).unwrap());
    outstanding.dispatch(&dispatch, NOW);
    outstanding.first_token(&dispatch, NOW, NOW);
    prefixes.confirm(&expectation);
    outstanding.finish(&dispatch, Phase::Decode);
    prefixes.correct(&expectation, CachedTokens { cached: 0, prompt: 250 });

    let turn = PickRequest {
        fingerprints: &[1, 2, 3, 4, 5, 6],
        prompt_tokens: 400,
        prompt_bytes: 1600,
        ..Default::default()
    };
    let state =
        PoolState { view: &view, prefixes: &prefixes, outstanding: &outstanding, now_ns: NOW };
    let second = policy.pick(&turn, &state).unwrap();
    assert_eq!(second.best(), first.best());
    assert_eq!((second.matched_tokens, second.uncached_tokens), (256, 144));
    let header = second.header_value(&view);
    assert!(header.starts_with(view.address(first.best()).unwrap()));
    assert_eq!(header.split(|byte| *byte == b',').count(), 3);
}
