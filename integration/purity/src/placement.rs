//! A pick from fingerprints, a view and the index of prefixes, and what is learned from it.

use weir_fingerprint::{PrefixChain, Seed};
use weir_placement::{
    Dispatch, ExpectedTtft, LoadView, Outstanding, Phase, PickRequest, Policy, PoolState,
    PrefixIndex,
};
use weir_snapshot::encode;

pub(crate) fn probe(input: &[u8]) -> Option<u64> {
    let mut prefixes = PrefixIndex::with_capacity(64);
    let stored = encode(&crate::snapshot::message(input)?, 1).ok()?;
    let view = LoadView::decode(&stored, &mut prefixes).ok()?;
    let mut chain = PrefixChain::new();
    chain.push_turns(input);
    let prefix = chain.finish();
    let fingerprints = prefix.fingerprints(Seed::new("llama", None, None, 0));
    let request = PickRequest {
        fingerprints: &fingerprints,
        prompt_bytes: prefix.bytes(),
        prompt_tokens: 10,
        ..PickRequest::default()
    };
    place(&request, &view, &mut prefixes)?;
    let expectation = prefixes.learn(&request, view.id(0)?);
    prefixes.confirm(&expectation);
    prefixes.take_back(&request, &expectation);
    let known = prefixes.matches(&request, &view).tokens(0);
    Some(crate::size::size(input).saturating_add(u64::from(known)))
}

fn place(request: &PickRequest<'_>, view: &LoadView, prefixes: &mut PrefixIndex) -> Option<()> {
    let mut outstanding = Outstanding::decode(&[]);
    let state = PoolState { view, prefixes, outstanding: &outstanding, now_ns: 2 };
    let pick = ExpectedTtft::default().pick(request, &state).ok()?;
    let dispatch = Dispatch::of(&pick, view, 0, true)?;
    outstanding.dispatch(&dispatch, 2);
    outstanding.failed(9, 1);
    outstanding.served(9);
    outstanding.first_token(&dispatch, 2, 3);
    outstanding.finish(&dispatch, Phase::Decode);
    (!outstanding.encode().is_empty() && !pick.header_value(view).is_empty()).then_some(())
}
