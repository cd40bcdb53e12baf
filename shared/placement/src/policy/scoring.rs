//! The estimate of one endpoint for one request.

use weir_snapshot::{CompactView, EndpointRecord};

use super::candidates::Candidates;
use super::ttft_model::{AdapterState, TtftModel};
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
    prompt_tokens: u32,
    adapter: Adapter,
    /// Rendezvous hashing of the request starts from this.
    seed: u64,
    /// Greatest rendezvous weights among the candidates, greatest first.
    homes: [u64; HOMES],
    now_ns: u64,
    /// Greatest age at the push that is still fresh.
    oldest_fresh: Option<u64>,
    /// Mean measured load, in µs, for endpoints that were not measured recently; `None` if none was.
    assumed_us: Option<u64>,
}

impl<'a> Scoring<'a> {
    pub(super) fn new(
        policy: &'a ExpectedTtft,
        request: &PickRequest<'_>,
        state: &PoolState<'a>,
        candidates: &Candidates,
    ) -> Self {
        let view = state.view.compact();
        let mut scoring = Self {
            model: &policy.model,
            view,
            prompt_tokens: request.prompt_tokens,
            adapter: Adapter::new(request.adapter, view),
            seed: request.rendezvous_seed(),
            homes: [0; HOMES],
            now_ns: state.now_ns,
            oldest_fresh: state.view.oldest_fresh_age(state.now_ns, policy.limits),
            assumed_us: None,
        };
        scoring.survey(state, candidates);
        scoring
    }

    /// Looks at all candidates once, for what each estimate needs to know of the others.
    fn survey(&mut self, state: &PoolState<'_>, candidates: &Candidates) {
        let (mut total_us, mut measured) = (0_u64, 0_u64);
        for (index, replica) in state.view.replicas().enumerate() {
            let record = replica.record;
            if !candidates.admit(index, record.state) {
                continue;
            }
            if is_fresh(record, self.oldest_fresh) {
                let load = self.model.measured_us(record, &OwnLoad::default(), self.now_ns, 0);
                total_us = total_us.saturating_add(load);
                measured += 1;
            }
            let mut weight = self.weight(&replica);
            for home in &mut self.homes {
                if weight > *home {
                    std::mem::swap(home, &mut weight);
                }
            }
        }
        self.assumed_us = total_us.checked_div(measured);
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
                .measured_us(record, own, self.now_ns, uncached_tokens)
                .saturating_add(self.model.contention_us(record, prefill_us))
                .saturating_add(self.model.adapter_us(adapter))
        } else {
            let assumed = self.assumed_us.unwrap_or(0);
            self.model.own_us(own, self.now_ns).saturating_add(assumed)
        };
        Estimate { uncached_tokens, prefill_us, load_us }
    }

    /// How much of the estimate is waived because the replica is a rendezvous home of the conversation.
    pub(super) fn credit_us(&self, weight: u64, estimate: &Estimate) -> u64 {
        let rank = (0..).zip(&self.homes).find(|(_, home)| **home == weight);
        rank.map_or(0, |(rank, _)| self.model.credit_us(rank, estimate.prefill_us))
    }

    /// What the decision rests on.
    pub(super) fn basis(&self) -> Basis {
        if self.assumed_us.is_some() { Basis::Load } else { Basis::Affinity }
    }
}

/// The adapter that a request needs, as the view knows it.
enum Adapter {
    /// The request needs none.
    None,
    /// No endpoint reports it.
    Unseen,
    /// Reported under this id.
    Known(u16),
}

impl Adapter {
    fn new(name: Option<&[u8]>, view: &CompactView) -> Self {
        let known = |name| view.adapter_id(name).map_or(Self::Unseen, Self::Known);
        name.map_or(Self::None, known)
    }

    fn state_at(&self, view: &CompactView, record: &EndpointRecord) -> AdapterState {
        let id = match self {
            Self::None => return AdapterState::Active,
            Self::Unseen => None,
            Self::Known(id) => Some(id),
        };
        let (running, waiting) = (view.running_adapters(record), view.waiting_adapters(record));
        let among = |ids: &[u16]| id.is_some_and(|id| ids.contains(id));
        // A replica that reports no slots at all may hold any adapter: nothing tells it from the others.
        let slots = record.max_lora.map_or(usize::MAX, |slots| usize::try_from(slots).unwrap_or(0));
        if among(running) || slots == usize::MAX {
            AdapterState::Active
        } else if among(waiting) {
            AdapterState::Waiting
        } else if running.len() + waiting.len() < slots {
            AdapterState::FreeSlot
        } else {
            AdapterState::Full
        }
    }
}
