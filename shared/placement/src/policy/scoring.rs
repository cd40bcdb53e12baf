//! The estimate of one endpoint for one request.

use weir_snapshot::{CompactView, EndpointRecord, EndpointState};

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
        self.load_us + self.prefill_us
    }
}

/// An endpoint that may be chosen, as the survey saw it.
pub(super) struct Surveyed {
    /// Position in the view.
    pub(super) index: u16,
    /// Whether requests should go there.
    pub(super) state: EndpointState,
    /// Rendezvous weight for this conversation.
    pub(super) weight: u64,
    /// Whether it was measured recently.
    fresh: bool,
    /// Time before a prefill can start there, in µs.
    queue_us: u64,
}

/// What the survey needs to know.
struct Survey {
    present: Present,
    /// Rendezvous hashing of the request starts from this.
    seed: u64,
    /// Greatest age at the push that is still fresh.
    oldest_fresh: Option<u64>,
}

impl Survey {
    fn look_at(
        &self,
        model: &TtftModel,
        index: u16,
        replica: &Replica<'_>,
        own: &OwnLoad,
    ) -> Surveyed {
        let record = replica.record;
        let fresh = is_fresh(record, self.oldest_fresh);
        Surveyed {
            index,
            state: record.state,
            weight: mix(self.seed, replica.id.key()),
            fresh,
            queue_us: model.queue_us(fresh.then_some(record), own, &self.present),
        }
    }
}

/// One request against one state of the pool.
pub(super) struct Scoring<'a> {
    model: TtftModel,
    view: &'a CompactView,
    prompt_tokens: u32,
    adapter: Adapter,
    /// Greatest rendezvous weights among the candidates, greatest first.
    homes: [u64; HOMES],
    /// Credit of the first home, in 1/256 of its prefill.
    home_credit: u64,
    /// Mean measured load, in µs, for endpoints that were not measured recently; `None` if none
    /// was.
    assumed_us: Option<u64>,
    /// Share of the endpoints, in 1/256, at which a request would have to wait for another's
    /// prefill. So likely is it that this prefill makes a later request wait as long as it takes.
    crowding: u64,
    surveyed: Vec<Surveyed>,
}

impl<'a> Scoring<'a> {
    pub(super) fn new(
        policy: &'a ExpectedTtft,
        request: &PickRequest<'_>,
        state: &PoolState<'a>,
        candidates: &Candidates,
        own: &[OwnLoad],
    ) -> Self {
        let (model, view) = (policy.model.bounded(), state.view.compact());
        let present = Present::new(&model, state);
        let seed = request.rendezvous_seed();
        let survey = Survey {
            present,
            seed: seed.value,
            oldest_fresh: state.view.oldest_fresh_age(state.now_ns, policy.limits),
        };
        let replicas = (0..).zip(state.view.replicas()).zip(own);
        let surveyed: Vec<Surveyed> = replicas
            .filter(|((index, replica), _)| candidates.admit(*index, replica.record.state))
            .map(|((index, replica), own)| survey.look_at(&model, index, &replica, own))
            .collect();
        // Where the next turn would have another home, nobody else can have sent this one there.
        let home_credit = if seed.stable { model.home_credit } else { 0 };
        let mut scoring = Self {
            model,
            view,
            prompt_tokens: request.prompt_tokens,
            adapter: Adapter::new(request.adapter, view),
            homes: greatest(&surveyed),
            home_credit,
            assumed_us: None,
            crowding: crowding(&surveyed, present.mean_prefill_us),
            surveyed,
        };
        scoring.assumed_us = scoring.mean_load_us(own);
        scoring
    }

    /// Mean load of the endpoints that were measured recently.
    fn mean_load_us(&self, own: &[OwnLoad]) -> Option<u64> {
        let fresh = self.surveyed.iter().filter(|endpoint| endpoint.fresh);
        if self.surveyed.iter().all(|endpoint| endpoint.fresh) {
            // Nobody needs it: spare the pass.
            return Some(0);
        }
        let load = |endpoint: &Surveyed| {
            let (record, own) = self.known(endpoint, own)?;
            Some(endpoint.queue_us + self.model.beside_queue_us(record, own, 0))
        };
        let (total, count) = fresh
            .filter_map(load)
            .fold((0_u64, 0), |(total, count), load| (total.saturating_add(load), count + 1));
        total.checked_div(count)
    }

    /// The endpoints that may be chosen.
    pub(super) fn surveyed(&self) -> &[Surveyed] {
        &self.surveyed
    }

    /// What was measured at an endpoint, and sent to it.
    fn known<'b>(
        &self,
        endpoint: &Surveyed,
        own: &'b [OwnLoad],
    ) -> Option<(&'a EndpointRecord, &'b OwnLoad)> {
        let index = usize::from(endpoint.index);
        self.view.endpoints().get(index).zip(own.get(index))
    }

    /// What the endpoint would need, with `matched` tokens cached and `own` requests by endpoint;
    /// `None` if it is not of this view.
    pub(super) fn estimate(
        &self,
        endpoint: &Surveyed,
        matched: u32,
        own: &[OwnLoad],
    ) -> Option<Estimate> {
        let (record, own) = self.known(endpoint, own)?;
        let uncached_tokens = self.prompt_tokens.saturating_sub(matched);
        let prefill_us = self.model.prefill_us(uncached_tokens);
        let beside_us = if endpoint.fresh {
            let adapter = self.adapter.state_at(self.view, record);
            self.model.beside_queue_us(record, own, uncached_tokens)
                + self.model.contention_us(record, prefill_us)
                + self.model.adapter_us(adapter)
        } else {
            self.model.sharing_us(None, own) + self.assumed_us.unwrap_or(0)
        };
        Some(Estimate { uncached_tokens, prefill_us, load_us: endpoint.queue_us + beside_us })
    }

    /// What the choice costs: the time to this first token, and the delay that the prefill means
    /// for those who come after, less the credit of a rendezvous home.
    pub(super) fn cost_us(&self, endpoint: &Surveyed, estimate: &Estimate) -> u64 {
        let share_of_prefill = |share: u64| estimate.prefill_us * share / 256;
        // The second choice gets half of the credit of the first.
        let rank = (0_u32..).zip(&self.homes).find(|(_, home)| **home == endpoint.weight);
        let credit = rank.map_or(0, |(rank, _)| self.home_credit >> rank);
        // No credit exceeds the prefill.
        estimate.ttft_us() + share_of_prefill(self.crowding) - share_of_prefill(credit)
    }

    /// What the decision rests on.
    pub(super) fn basis(&self) -> Basis {
        if self.assumed_us.is_some() { Basis::Load } else { Basis::Affinity }
    }
}

/// The greatest rendezvous weights, greatest first.
fn greatest(surveyed: &[Surveyed]) -> [u64; HOMES] {
    let mut homes = [0; HOMES];
    for endpoint in surveyed {
        let mut weight = endpoint.weight;
        for home in &mut homes {
            if weight > *home {
                std::mem::swap(home, &mut weight);
            }
        }
    }
    homes
}

fn crowding(surveyed: &[Surveyed], mean_prefill_us: u64) -> u64 {
    let busy = |endpoint: &Surveyed| endpoint.queue_us.min(mean_prefill_us);
    let busy_us: u64 = surveyed.iter().map(busy).sum();
    let endpoints = u64::try_from(surveyed.len()).unwrap_or(1).max(1);
    busy_us / endpoints * 256 / mean_prefill_us
}
