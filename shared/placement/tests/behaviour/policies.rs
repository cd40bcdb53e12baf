//! Which endpoints policies choose, from the table in `testdata/placement`.

#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

use serde::Deserialize;
use weir_placement::{
    Dispatch, ExpectedTtft, LeastLoad, LoadView, NoPick, Outstanding, Pick, PickRequest, Policy,
    PoolState, PrefixIndex, RoundRobin, TtftModel,
};
use weir_snapshot::EndpointReport;

use crate::support::{RECEIVED_NS, idle, prompt, view};

/// One row of the table.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    name: String,
    endpoints: Vec<EndpointReport>,
    /// ms from the reception of the view to the pick.
    #[serde(default)]
    since_ms: u64,
    request: Request,
    /// Prompts that were served before: endpoint, blocks of the request's prompt.
    #[serde(default)]
    served: Vec<(usize, u64)>,
    /// Requests under way from here: endpoint, uncached tokens.
    #[serde(default)]
    sent: Vec<(usize, u32)>,
    /// The order, as positions; or why there is none.
    #[serde(default)]
    order: Vec<usize>,
    #[serde(default)]
    no_pick: Option<String>,
    #[serde(default)]
    basis: Option<String>,
    #[serde(default)]
    matched_tokens: Option<u32>,
    #[serde(default)]
    ttft_ms: Option<u32>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Request {
    /// Of 64 tokens each.
    blocks: u64,
    #[serde(default)]
    adapter: Option<String>,
    #[serde(default)]
    subset: Option<String>,
}

/// A policy that lets no rendezvous home interfere, so that the table can say what follows from
/// load alone.
fn without_homes() -> ExpectedTtft {
    ExpectedTtft {
        model: TtftModel { home_credit: 0, ..TtftModel::default() },
        ..ExpectedTtft::default()
    }
}

fn pick(case: &Case) -> Result<Pick, NoPick> {
    let mut prefixes = PrefixIndex::with_capacity(1 << 12);
    let view = view(case.endpoints.clone(), 1, &mut prefixes);
    let fingerprints = prompt(1, case.request.blocks);
    let tokens = u32::try_from(case.request.blocks * 64).unwrap();
    let request = PickRequest {
        fingerprints: &fingerprints,
        prompt_tokens: tokens,
        prompt_bytes: u64::from(tokens) * 4,
        adapter: case.request.adapter.as_deref().map(str::as_bytes),
        subset: case.request.subset.as_deref().map(str::as_bytes),
        ..PickRequest::default()
    };
    for (index, blocks) in &case.served {
        let served = PickRequest {
            fingerprints: &fingerprints[..usize::try_from(*blocks).unwrap()],
            ..request
        };
        prefixes.learn(&served, view.id(*index).unwrap());
    }
    let now_ns = RECEIVED_NS + case.since_ms * 1_000_000;
    let mut outstanding = Outstanding::default();
    for (index, uncached_tokens) in &case.sent {
        let replica = view.id(*index).unwrap().key();
        let prefill_us = uncached_tokens * 200;
        outstanding.dispatch(
            &Dispatch {
                replica,
                uncached_tokens: *uncached_tokens,
                prefill_us,
                decode_tokens: *uncached_tokens,
                alone_us: 0,
                streamed: false,
            },
            now_ns,
        );
    }
    let state = PoolState { view: &view, prefixes: &prefixes, outstanding: &outstanding, now_ns };
    without_homes().pick(&request, &state)
}

#[test]
fn expected_ttft_chooses_as_in_the_table() {
    let cases = include_str!("../../../../testdata/placement/picks.json");
    for case in serde_json::from_str::<Vec<Case>>(cases).unwrap() {
        let pick = match pick(&case) {
            Ok(pick) => pick,
            Err(reason) => {
                assert_eq!(Some(reason.to_string()), case.no_pick, "{}", case.name);
                continue;
            }
        };
        assert_eq!(case.no_pick, None, "{}", case.name);
        let order: Vec<usize> = pick.order.iter().take(case.order.len()).collect();
        assert_eq!(order, case.order, "{}: {pick:?}", case.name);
        if let Some(basis) = &case.basis {
            assert_eq!(pick.basis.name(), basis, "{}", case.name);
        }
        if let Some(matched) = case.matched_tokens {
            assert_eq!(pick.matched_tokens, matched, "{}", case.name);
        }
        if let Some(ttft_ms) = case.ttft_ms {
            assert_eq!(pick.expected_ttft_us / 1000, ttft_ms, "{}", case.name);
        }
    }
}

/// Picks for a cold request of this conversation, by a VM of its own.
fn pick_cold(policy: &dyn Policy, endpoints: &[EndpointReport], conversation: u64) -> String {
    let mut prefixes = PrefixIndex::with_capacity(8);
    let view = view(endpoints.to_vec(), 1, &mut prefixes);
    let conversation = Some(conversation);
    let request = PickRequest { prompt_tokens: 500, conversation, ..PickRequest::default() };
    let outstanding = Outstanding::default();
    let state = PoolState {
        view: &view,
        prefixes: &prefixes,
        outstanding: &outstanding,
        now_ns: RECEIVED_NS,
    };
    let pick = policy.pick(&request, &state).unwrap();
    String::from_utf8(view.address(pick.best()).unwrap().to_vec()).unwrap()
}

#[test]
fn gateways_that_share_nothing_agree_on_first_sightings() {
    let endpoints: Vec<_> = (1..=8).map(idle).collect();
    let mut turned = endpoints.clone();
    turned.reverse();
    turned[3].running = Some(2);
    let policy = ExpectedTtft::default();
    let mut chosen = std::collections::BTreeMap::new();
    for conversation in 0..800 {
        let here = pick_cold(&policy, &endpoints, conversation);
        // The busier one costs 3 ms more, far less than the credit of a home.
        assert_eq!(here, pick_cold(&policy, &turned, conversation));
        *chosen.entry(here).or_insert(0) += 1;
    }
    assert_eq!(chosen.len(), 8);
    assert!(chosen.values().all(|count| (60..140).contains(count)), "{chosen:?}");
}

#[test]
fn one_endpoint_more_moves_only_its_share() {
    let before: Vec<_> = (1..=8).map(idle).collect();
    let after: Vec<_> = (1..=9).map(idle).collect();
    let policy = ExpectedTtft::default();
    let moved = |conversation: &u64| {
        let (old, new) =
            (pick_cold(&policy, &before, *conversation), pick_cold(&policy, &after, *conversation));
        assert!(old == new || new == "10.0.0.9:80");
        old != new
    };
    let moved = (0..900).filter(moved).count();
    assert!((60..140).contains(&moved), "{moved}");
}

#[test]
fn a_burst_spreads_before_the_next_snapshot() {
    let mut prefixes = PrefixIndex::with_capacity(1 << 10);
    let view = view((1..=4).map(idle).collect(), 1, &mut prefixes);
    let mut outstanding = Outstanding::default();
    let mut sent = [0; 4];
    for conversation in 0..40 {
        let conversation = Some(conversation);
        let request = PickRequest { prompt_tokens: 1000, conversation, ..PickRequest::default() };
        let state = PoolState {
            view: &view,
            prefixes: &prefixes,
            outstanding: &outstanding,
            now_ns: RECEIVED_NS,
        };
        let pick = ExpectedTtft::default().pick(&request, &state).unwrap();
        outstanding.dispatch(&Dispatch::of(&pick, &view, 0, false).unwrap(), RECEIVED_NS);
        sent[pick.best()] += 1;
    }
    assert!(sent.iter().all(|count| (9..=11).contains(count)), "{sent:?}");
}

#[test]
fn alternates_are_the_next_best_and_go_into_the_header() {
    let mut endpoints: Vec<_> = (1..=4).map(idle).collect();
    for (endpoint, waiting) in endpoints.iter_mut().zip([9, 2, 0, 5]) {
        endpoint.waiting = Some(waiting);
    }
    let mut prefixes = PrefixIndex::with_capacity(8);
    let view = view(endpoints, 1, &mut prefixes);
    let outstanding = Outstanding::default();
    let state = PoolState {
        view: &view,
        prefixes: &prefixes,
        outstanding: &outstanding,
        now_ns: RECEIVED_NS,
    };
    let pick = without_homes().pick(&PickRequest::default(), &state).unwrap();
    assert_eq!(pick.header_value(&view), b"10.0.0.3:80,10.0.0.2:80,10.0.0.4:80");
}

fn picks(policy: &dyn Policy, view: &LoadView, count: usize) -> Vec<usize> {
    let prefixes = PrefixIndex::with_capacity(8);
    let outstanding = Outstanding::default();
    let state =
        PoolState { view, prefixes: &prefixes, outstanding: &outstanding, now_ns: RECEIVED_NS };
    (0..count).map(|_| policy.pick(&PickRequest::default(), &state).unwrap().best()).collect()
}

#[test]
fn round_robin_takes_turns_among_those_that_take_requests() {
    let mut endpoints: Vec<_> = (1..=4).map(idle).collect();
    endpoints[1].state = weir_snapshot::EndpointState::Unreachable;
    let view = view(endpoints, 1, &mut PrefixIndex::with_capacity(8));
    assert_eq!(picks(&RoundRobin::default(), &view, 8), [0, 2, 2, 3, 0, 2, 2, 3]);
}

#[test]
fn least_load_takes_the_one_with_the_fewest_requests() {
    let mut endpoints: Vec<_> = (1..=3).map(idle).collect();
    for (endpoint, running) in endpoints.iter_mut().zip([4, 2, 3]) {
        endpoint.running = Some(running);
    }
    let view = view(endpoints, 1, &mut PrefixIndex::with_capacity(8));
    assert_eq!(picks(&LeastLoad, &view, 2), [1, 1]);
}
