//! An Envoy as the filters see it: workers with their own prefix index, and shared counts.

use weir_placement::{
    CachedTokens, Dispatch, Expectation, LoadView, Outstanding, Phase, PickRequest, Policy,
    PoolState, PrefixIndex,
};

use crate::workload::Turn;

pub(crate) struct Gateway {
    workers: Vec<Worker>,
    outstanding: Outstanding,
}

struct Worker {
    policy: Box<dyn Policy>,
    prefixes: PrefixIndex,
    view: Option<LoadView>,
}

/// A request that was sent.
pub(crate) struct Sent {
    pub(crate) endpoint: usize,
    worker: usize,
    dispatch: Dispatch,
    expectation: Expectation,
}

impl Gateway {
    pub(crate) fn new(workers: usize, policy: &dyn Fn() -> Box<dyn Policy>) -> Self {
        let worker = |_| Worker {
            policy: policy(),
            prefixes: PrefixIndex::with_capacity(1 << 14),
            view: None,
        };
        Self { workers: (0..workers).map(worker).collect(), outstanding: Outstanding::default() }
    }

    /// Takes over a pushed view, as it comes out of shared data.
    pub(crate) fn receive(&mut self, stored: &[u8]) {
        for worker in &mut self.workers {
            let view = LoadView::decode(stored, &mut worker.prefixes).unwrap();
            self.outstanding.observe(&view);
            worker.view = Some(view);
        }
    }

    /// Places and sends a turn that arrives at `worker`.
    pub(crate) fn send(&mut self, worker: usize, turn: &Turn, now_us: u64) -> Sent {
        let place = worker;
        let worker = &mut self.workers[place];
        let view = worker.view.as_ref().unwrap();
        let fingerprints = turn.fingerprints();
        let request = PickRequest {
            fingerprints: &fingerprints,
            prompt_bytes: turn.prompt_bytes(),
            prompt_tokens: u32::try_from(turn.prompt_tokens).unwrap(),
            conversation: Some(turn.conversation),
            ..PickRequest::default()
        };
        let now_ns = now_us * 1000;
        // Through the stored form, as between two workers.
        self.outstanding = Outstanding::decode(&self.outstanding.encode());
        let (prefixes, outstanding) = (&worker.prefixes, &self.outstanding);
        let pick = worker
            .policy
            .pick(&request, &PoolState { view, prefixes, outstanding, now_ns })
            .unwrap();
        let replica = view.id(pick.best()).unwrap();
        let dispatch = Dispatch::of(&pick, view, true).unwrap();
        self.outstanding.dispatch(&dispatch, now_ns);
        let expectation = worker.prefixes.learn(&request, replica);
        Sent { endpoint: pick.best(), worker: place, dispatch, expectation }
    }

    pub(crate) fn first_token(&mut self, sent: &Sent, now_us: u64) {
        self.outstanding.first_token(&sent.dispatch, now_us * 1000);
        self.workers[sent.worker].prefixes.confirm(&sent.expectation);
    }

    pub(crate) fn finish(&mut self, sent: &Sent, cached_tokens: u64, turn: &Turn) {
        self.outstanding.finish(&sent.dispatch, Phase::Decode);
        let reported = CachedTokens {
            cached: u32::try_from(cached_tokens).unwrap(),
            prompt: u32::try_from(turn.prompt_tokens).unwrap(),
        };
        self.workers[sent.worker].prefixes.correct(&sent.expectation, reported);
    }
}
