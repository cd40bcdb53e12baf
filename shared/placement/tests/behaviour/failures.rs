//! Replicas that fail, or are not heard of: they are left alone, tried now and then, and taken back.

#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

use crate::support::{RECEIVED_NS, idle, prompt, view};
use weir_placement::{
    Dispatch, ExpectedTtft, LoadView, Outstanding, Phase, PickRequest, Policy, PoolState,
    PrefixIndex,
};

const MS: u64 = 1_000_000;
/// The replica that fails.
const BAD: usize = 2;

/// Five replicas, of which requests of many conversations go to one each.
struct Pool {
    prefixes: PrefixIndex,
    view: LoadView,
    outstanding: Outstanding,
}

impl Pool {
    fn new() -> Self {
        let mut prefixes = PrefixIndex::with_capacity(1 << 12);
        let view = view((1..=5).map(idle).collect(), 1, &mut prefixes);
        Self { prefixes, view, outstanding: Outstanding::default() }
    }

    /// Sends a request of this conversation; answers with the order.
    fn send(&mut self, conversation: u64, now_ns: u64) -> (Vec<usize>, Dispatch) {
        let fingerprints = prompt(conversation, 10);
        let request = PickRequest {
            fingerprints: &fingerprints,
            prompt_tokens: 640,
            prompt_bytes: 2560,
            conversation: Some(conversation),
            ..PickRequest::default()
        };
        // Through the stored form, as between two workers.
        self.outstanding = Outstanding::decode(&self.outstanding.encode());
        let (prefixes, outstanding) = (&self.prefixes, &self.outstanding);
        let state = PoolState { view: &self.view, prefixes, outstanding, now_ns };
        let pick = ExpectedTtft::default().pick(&request, &state).unwrap();
        let dispatch = Dispatch::of(&pick, &self.view, 0, true).unwrap();
        self.outstanding.dispatch(&dispatch, now_ns);
        (pick.order.iter().collect(), dispatch)
    }

    /// How many of 2,000 requests, one every 5 ms, go to the bad replica after the first second. It fails
    /// while `fails` says so; all answer at once.
    fn sent_to_bad(&mut self, fails: impl Fn(u64) -> bool) -> usize {
        let bad = (0..2000).filter(|index| {
            let now_ns = RECEIVED_NS + index * 5 * MS;
            let (order, dispatch) = self.send(*index, now_ns);
            let is_bad = order[0] == BAD;
            if is_bad && fails(index * 5) {
                self.outstanding.failed(dispatch.replica, now_ns);
                self.outstanding.finish(&dispatch, Phase::Prefill);
            } else {
                self.outstanding.first_token(&dispatch, now_ns, now_ns);
                self.outstanding.served(dispatch.replica);
                self.outstanding.finish(&dispatch, Phase::Decode);
            }
            is_bad && *index >= 200
        });
        bad.count()
    }
}

#[test]
fn a_replica_that_fails_gets_only_trials_after_the_first_second() {
    let bad = Pool::new().sent_to_bad(|_| true);
    assert!((1..=6).contains(&bad), "{bad} of 1800");
}

#[test]
fn a_replica_that_serves_again_gets_its_share_again() {
    let bad = Pool::new().sent_to_bad(|ms| ms < 1500);
    assert!((180..=540).contains(&bad), "{bad} of 1800, a fifth is 360");
}

#[test]
fn one_that_is_set_aside_is_the_last_alternate() {
    let mut pool = Pool::new();
    let bad = pool.view.id(BAD).unwrap().key();
    pool.outstanding.failed(bad, RECEIVED_NS);
    for conversation in 0..50 {
        let (order, dispatch) = pool.send(conversation, RECEIVED_NS + MS);
        assert!(!order.contains(&BAD), "{order:?}");
        pool.outstanding.finish(&dispatch, Phase::Prefill);
    }
    assert!(pool.outstanding.load(bad).health.is_set_aside());
}

#[test]
fn where_all_fail_load_and_prefixes_decide_as_ever() {
    let mut pool = Pool::new();
    for index in 0..5 {
        let key = pool.view.id(index).unwrap().key();
        pool.outstanding.failed(key, RECEIVED_NS);
    }
    let firsts: std::collections::BTreeSet<usize> =
        (0..50).map(|conversation| pool.send(conversation, RECEIVED_NS + MS).0[0]).collect();
    assert_eq!(firsts.len(), 5);
}

#[test]
fn a_replica_whose_streams_wait_in_vain_costs_by_how_long_they_wait() {
    let mut pool = Pool::new();
    let conversation = (0..).find(|conversation| pool.send(*conversation, RECEIVED_NS).0[0] == BAD);
    let conversation = conversation.unwrap();
    let bad = pool.view.id(BAD).unwrap().key();
    let silence =
        |pool: &Pool, ms: u64| pool.outstanding.load(bad).silence_us(RECEIVED_NS + ms * MS);
    assert_eq!([100, 1000, 60_000].map(|ms| silence(&pool, ms) > 0), [false, false, true]);
    let (order, dispatch) = pool.send(conversation, RECEIVED_NS + 5000 * MS);
    assert_ne!(order[0], BAD);
    pool.outstanding.finish(&dispatch, Phase::Prefill);
    // It was only slow.
    let heard = Dispatch { replica: bad, ..dispatch };
    pool.outstanding.first_token(&heard, RECEIVED_NS, RECEIVED_NS + 5001 * MS);
    assert_eq!(silence(&pool, 5900), 0);
}

#[test]
fn failures_are_kept_while_the_endpoint_is_in_the_pool_and_forgotten_after_it() {
    let mut pool = Pool::new();
    let bad = pool.view.id(BAD).unwrap().key();
    pool.outstanding.failed(bad, RECEIVED_NS);
    for sequence in 2..20 {
        let next = view((1..=5).map(idle).collect(), sequence, &mut pool.prefixes);
        pool.outstanding.observe(&next);
    }
    assert!(pool.outstanding.load(bad).health.is_set_aside());
    let without = view((4..=5).map(idle).collect(), 20, &mut pool.prefixes);
    pool.outstanding.observe(&without);
    assert!(pool.outstanding.load(bad).health.is_well());
}
