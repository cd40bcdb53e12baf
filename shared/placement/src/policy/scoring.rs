//! The estimate of one endpoint for one request.

use weir_snapshot::CompactView;

use super::adapter::Adapter;
use super::candidates::Candidates;
use super::ttft_model::{Present, TtftModel};
use super::{ExpectedTtft, PoolState};
use crate::hash::mix;
use crate::load_view::{Replica, is_fresh};
use crate::outstanding::OwnLoad;
use crate::pick::Basis;
use crate::request::PickRequest;

/// Rendezvous choices that get a credit.
const HOMES: usize = 2;

/// What one endpoint would need for the request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Estimate {
    /// Prompt tokens that it has to compute.
    pub(super) uncached_tokens: u32,
    /// Time for them alone, in µs.
    pub(super) prefill_us: u64,
    /// Everything before and beside them, in µs.
    load_us: u64,
}

impl Estimate {
    pub(super) fn ttft_us(&self) -> u64 {
        self.load_us.saturating_add(self.prefill_us)
    }
}

/// One request against one state of the pool.
pub(super) struct Scoring<'a> {
    model: &'a TtftModel,
    view: &'a CompactView,
    present: Present,
    prompt_tokens: u32,
    adapter: Adapter,
    /// Rendezvous hashing of the request starts from this.
    seed: u64,
    /// Greatest rendezvous weights among the candidates, greatest first.
    homes: [u64; HOMES],
    /// Credit of the first home, in 1/256 of its prefill.
    home_credit: u64,
    /// Greatest age at the push that is still fresh.
    oldest_fresh: Option<u64>,
    /// Mean measured load, in µs, for endpoints that were not measured recently; `None` if none was.
    assumed_us: Option<u64>,
    /// Share of the endpoints, in 1/256, at which a request would have to wait for another's prefill. So likely is
    /// it that this prefill makes a later request wait as long as it takes.
    crowding: u64,
}

impl<'a> Scoring<'a> {
    pub(super) fn new(
        policy: &'a ExpectedTtft,
        request: &PickRequest<'_>,
        state: &PoolState<'a>,
        candidates: &Candidates,
        own: &[OwnLoad],
    ) -> Self {
        let (model, view) = (&policy.model, state.view.compact());
        let mean_prefill_us = state.outstanding.mean_prefill_us().unwrap_or(model.mean_prefill_us);
        let seed = request.rendezvous_seed();
        let mut scoring = Self {
            model,
            view,
            present: Present { now_ns: state.now_ns, mean_prefill_us: mean_prefill_us.max(1) },
            prompt_tokens: request.prompt_tokens,
            adapter: Adapter::new(request.adapter, view),
            seed: seed.value,
            homes: [0; HOMES],
            // Where the next turn would have another home, nobody else can have sent this one there.
            home_credit: if seed.stable { model.home_credit.min(256) } else { 0 },
            oldest_fresh: state.view.oldest_fresh_age(state.now_ns, policy.limits),
            assumed_us: None,
            crowding: 0,
        };
        scoring.survey(state, candidates, own);
        scoring
    }

    /// Looks at all candidates once, for what each estimate needs to know of the others.
    fn survey(&mut self, state: &PoolState<'_>, candidates: &Candidates, own: &[OwnLoad]) {
        let (mut load, mut busy) = (Mean::default(), Mean::default());
        for ((index, replica), own) in state.view.replicas().enumerate().zip(own) {
            let record = replica.record;
            if !candidates.admit(index, record.state) {
                continue;
            }
            let mut weight = self.weight(&replica);
            for home in &mut self.homes {
                if weight > *home {
                    std::mem::swap(home, &mut weight);
                }
            }
            let queue_us = if is_fresh(record, self.oldest_fresh) {
                load.add(self.model.measured_us(record, own, &self.present, 0));
                self.model.queue_us(record, own, &self.present)
            } else {
                self.model.backlog_us(own, &self.present)
            };
            busy.add(queue_us.min(self.present.mean_prefill_us));
        }
        self.assumed_us = load.value();
        let busy_us = busy.value().unwrap_or(0).saturating_mul(256);
        self.crowding = busy_us / self.present.mean_prefill_us;
    }

    /// Rendezvous weight of a replica for this conversation.
    pub(super) fn weight(&self, replica: &Replica<'_>) -> u64 {
        mix(self.seed, replica.id.key())
    }

    /// What the replica would need, with `matched` tokens cached.
    pub(super) fn estimate(&self, replica: &Replica<'_>, matched: u32, own: &OwnLoad) -> Estimate {
        let uncached_tokens = self.prompt_tokens.saturating_sub(matched);
        let prefill_us = self.model.prefill_us(uncached_tokens);
        let record = replica.record;
        let load_us = if is_fresh(record, self.oldest_fresh) {
            let adapter = self.adapter.state_at(self.view, record);
            self.model
                .measured_us(record, own, &self.present, uncached_tokens)
                .saturating_add(self.model.contention_us(record, prefill_us))
                .saturating_add(self.model.adapter_us(adapter))
        } else {
            let assumed = self.assumed_us.unwrap_or(0);
            self.model.own_us(own, &self.present).saturating_add(assumed)
        };
        Estimate { uncached_tokens, prefill_us, load_us }
    }

    /// What the choice costs: the time to this first token, and the delay that the prefill means for those who come
    /// after, less the credit of a rendezvous home.
    pub(super) fn cost_us(&self, weight: u64, estimate: &Estimate) -> u64 {
        let share_of_prefill = |share: u64| estimate.prefill_us.saturating_mul(share) / 256;
        // The second choice gets half of the credit of the first.
        let rank = (0_u32..).zip(&self.homes).find(|(_, home)| **home == weight);
        let credit = rank.map_or(0, |(rank, _)| self.home_credit >> rank);
        estimate
            .ttft_us()
            .saturating_add(share_of_prefill(self.crowding))
            .saturating_sub(share_of_prefill(credit))
    }

    /// What the decision rests on.
    pub(super) fn basis(&self) -> Basis {
        if self.assumed_us.is_some() { Basis::Load } else { Basis::Affinity }
    }
}

#[derive(Default)]
struct Mean {
    total: u64,
    count: u64,
}

impl Mean {
    fn add(&mut self, value: u64) {
        self.total = self.total.saturating_add(value);
        self.count += 1;
    }

    fn value(&self) -> Option<u64> {
        self.total.checked_div(self.count)
    }
}
