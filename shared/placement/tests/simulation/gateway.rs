//! An Envoy as the filters see it: workers with their own prefix index, who share counts and what they learn.

use weir_placement::{
    CachedTokens, Dispatch, Expectation, LoadView, Outstanding, Phase, Policy, PoolState,
    PrefixEvents, PrefixIndex, PrefixRing, RingCursor,
};

use crate::workload::Turn;

const POOL: u64 = 7;

pub(crate) struct Gateway {
    workers: Vec<Worker>,
    outstanding: Outstanding,
    /// As it lies in shared data; `None` where workers tell each other nothing.
    ring: Option<Vec<u8>>,
}

struct Worker {
    policy: Box<dyn Policy>,
    prefixes: PrefixIndex,
    view: Option<LoadView>,
    cursor: RingCursor,
}

/// A request that was sent.
pub(crate) struct Sent {
    pub(crate) endpoint: usize,
    worker: usize,
    dispatch: Dispatch,
    expectation: Expectation,
    at_us: u64,
}

impl Gateway {
    pub(crate) fn new(workers: usize, share: bool, policy: &dyn Fn() -> Box<dyn Policy>) -> Self {
        let worker = |_| Worker {
            policy: policy(),
            prefixes: PrefixIndex::default(),
            view: None,
            cursor: RingCursor::default(),
        };
        let ring = share.then(Vec::new);
        let workers = (0..workers).map(worker).collect();
        Self { workers, outstanding: Outstanding::default(), ring }
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
        self.take_over(worker);
        let place = worker;
        let worker = &mut self.workers[place];
        let view = worker.view.as_ref().unwrap();
        let request = turn.request();
        let now_ns = now_us * 1000;
        worker.prefixes.advance(now_ns);
        // Through the stored form, as between two workers.
        self.outstanding = Outstanding::decode(&self.outstanding.encode());
        let (prefixes, outstanding) = (&worker.prefixes, &self.outstanding);
        let state = PoolState { view, prefixes, outstanding, now_ns };
        let pick = worker.policy.pick(&request, &state).unwrap();
        let replica = view.id(pick.best()).unwrap();
        let dispatch = Dispatch::of(&pick, view, 48, true).unwrap();
        self.outstanding.dispatch(&dispatch, now_ns);
        let expectation = worker.prefixes.learn(&request, replica);
        Sent { endpoint: pick.best(), worker: place, dispatch, expectation, at_us: now_us }
    }

    pub(crate) fn first_token(&mut self, sent: &Sent, turn: &Turn, now_us: u64) {
        self.outstanding.first_token(&sent.dispatch, sent.at_us * 1000, now_us * 1000);
        self.workers[sent.worker].prefixes.confirm(&sent.expectation);
        let mut events = PrefixEvents::default();
        events.served(&turn.request(), &sent.expectation);
        self.tell(&events, sent.worker);
    }

    pub(crate) fn finish(&mut self, sent: &Sent, cached_tokens: u64, turn: &Turn) {
        self.outstanding.finish(&sent.dispatch, Phase::Decode);
        let reported = CachedTokens {
            cached: u32::try_from(cached_tokens).unwrap(),
            prompt: u32::try_from(turn.prompt_tokens).unwrap(),
        };
        let evicted = self.workers[sent.worker].prefixes.correct(&sent.expectation, reported);
        if let Some(eviction) = evicted {
            let mut events = PrefixEvents::default();
            events.evicted(eviction);
            self.tell(&events, sent.worker);
        }
    }

    fn tell(&mut self, events: &PrefixEvents, worker: usize) {
        self.take_over(worker);
        let Some(stored) = &mut self.ring else { return };
        let ring = PrefixRing::read(std::mem::take(stored), POOL).unwrap();
        let mut ring = ring.unwrap_or_else(|| PrefixRing::new(POOL, 1));
        ring.append(events);
        ring.read_on(&mut self.workers[worker].cursor, |_| ());
        *stored = ring.as_bytes().to_vec();
    }

    fn take_over(&mut self, worker: usize) {
        let Some(stored) = &self.ring else { return };
        let Worker { cursor, prefixes, .. } = &mut self.workers[worker];
        if let Some(ring) = PrefixRing::read(stored.clone(), POOL).unwrap() {
            ring.read_on(cursor, |event| prefixes.merge(event));
        }
    }
}
