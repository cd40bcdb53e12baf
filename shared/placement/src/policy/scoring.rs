//! The estimate of one endpoint for one request.

use weir_snapshot::{CompactView, EndpointRecord};

use super::PoolState;
use super::adapter::Adapter;
use super::candidates::Candidates;
use super::doubt::doubt_us;
use super::ttft_model::{Present, TtftModel};
use crate::hash::mix;
use crate::load_view::{FreshnessLimits, Replica, is_fresh};
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
    /// Time to the first token at the model's pace, in µs; 0 where others are in the way.
    pub(super) alone_us: u64,
    /// Everything before and beside them, in µs.
    load_us: u64,
}

impl Estimate {
    pub(super) fn ttft_us(&self) -> u64 {
        self.load_us + self.prefill_us
    }
}

/// What is known of one endpoint of the view besides its record.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct ScoreInputs {
    /// What was sent to it from here.
    pub(super) own: OwnLoad,
    /// Prompt tokens that it has cached.
    pub(super) matched: u32,
    /// Whether it may be chosen; nothing below is known otherwise.
    pub(super) admitted: bool,
    /// Whether it was measured recently.
    fresh: bool,
    /// How long it takes, in 1/256 of what is common in this pool.
    pace: u64,
    /// Rendezvous weight for this conversation.
    pub(super) weight: u64,
    /// Time before a prefill can start there, in µs.
    queue_us: u64,
    /// What it costs that it may not serve as it seems to, in µs.
    doubt_us: u64,
}

/// One request against one state of the pool.
pub(super) struct Scoring<'a> {
    model: TtftModel,
    view: &'a CompactView,
    /// Rendezvous hashing of the request starts from this.
    seed: u64,
    /// Greatest age at the push that is still fresh.
    oldest_fresh: Option<u64>,
    prompt_tokens: u32,
    /// Prompt tokens that nobody is known to have cached.
    new_tokens: u32,
    /// Share, in 1/256, of what the replicas run that other gateways have sent.
    foreign_share: u64,
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
}

impl<'a> Scoring<'a> {
    #[inline]
    pub(super) fn new(
        model: &TtftModel,
        limits: FreshnessLimits,
        request: &PickRequest<'_>,
        state: &PoolState<'a>,
    ) -> Self {
        let (model, view) = (model.bounded(), state.view.compact());
        let seed = request.rendezvous_seed();
        Self {
            view,
            seed: seed.value,
            oldest_fresh: state.view.oldest_fresh_age(state.now_ns, limits),
            prompt_tokens: request.prompt_tokens,
            new_tokens: request.prompt_tokens,
            foreign_share: state.outstanding.foreign_share(),
            adapter: Adapter::new(request.adapter, view),
            homes: [0; HOMES],
            // Where the next turn would have another home, nobody else can have sent this one there.
            home_credit: if seed.stable { model.home_credit } else { 0 },
            assumed_us: None,
            crowding: 0,
            model,
        }
    }

    /// Looks at the endpoints that may be chosen.
    #[inline]
    pub(super) fn survey(
        &mut self,
        state: &PoolState<'_>,
        candidates: &Candidates,
        endpoints: &mut [ScoreInputs],
    ) {
        let present = Present::new(&self.model, state);
        let view_age_us = state.view.stamp().age_ns(state.now_ns) / 1_000;
        let view_age_ms = view_age_us / 1_000;
        let (mut admitted, mut fresh, mut busy_us) = (0_u64, 0_u64, 0_u64);
        let replicas = state.view.replicas().zip(endpoints.iter_mut()).enumerate();
        for (index, (Replica { id, record }, endpoint)) in replicas {
            if !candidates.admit(index, record.state) {
                continue;
            }
            endpoint.admitted = true;
            endpoint.fresh = is_fresh(record, self.oldest_fresh);
            endpoint.weight = mix(self.seed, id.key());
            endpoint.pace = state.outstanding.pace_of(&endpoint.own);
            self.new_tokens =
                self.new_tokens.min(self.prompt_tokens.saturating_sub(endpoint.matched));
            let measured = endpoint.fresh.then_some(record);
            endpoint.queue_us = self.model.queue_us(measured, &endpoint.own, &present);
            endpoint.doubt_us = doubt_us(record, &endpoint.own, state.now_ns, view_age_ms);
            self.add_elsewhere(index, endpoint, view_age_us, &present);
            admitted += 1;
            fresh += u64::from(endpoint.fresh);
            busy_us += endpoint.queue_us.min(present.mean_prefill_us);
            self.note_home(endpoint.weight);
        }
        self.crowding = busy_us / admitted.max(1) * 256 / present.mean_prefill_us;
        // Where all were measured, nobody needs the mean: spare the pass.
        self.assumed_us =
            if fresh == admitted { Some(0) } else { self.mean_load_us(endpoints, fresh) };
    }

    /// Adds what other gateways say to have at an endpoint, as long as the view is fresh, less the prefills that must be done
    /// `age_us` after the push. What was measured there has some of it already, so the larger of the two counts.
    fn add_elsewhere(
        &self,
        index: usize,
        endpoint: &mut ScoreInputs,
        age_us: u64,
        present: &Present,
    ) {
        let told = self.view.elsewhere(index).filter(|_| self.oldest_fresh.is_some());
        let Some((in_flight, prefill_tokens)) = told else { return };
        let told = (prefill_tokens, age_us);
        let told_us = self.model.told_queue_us(&endpoint.own, told, present);
        endpoint.queue_us = endpoint.queue_us.max(told_us);
        endpoint.own.in_flight = endpoint.own.in_flight.saturating_add(in_flight);
    }

    fn note_home(&mut self, mut weight: u64) {
        for home in &mut self.homes {
            if weight > *home {
                std::mem::swap(home, &mut weight);
            }
        }
    }

    /// Mean load of the `fresh` endpoints that were measured recently.
    #[cold]
    fn mean_load_us(&self, endpoints: &[ScoreInputs], fresh: u64) -> Option<u64> {
        let measured = self.records().zip(endpoints).filter(|(_, endpoint)| endpoint.fresh);
        let loads = measured.map(|(record, endpoint)| {
            endpoint.queue_us + self.model.beside_queue_us(record, &endpoint.own, 0)
        });
        loads.fold(0_u64, u64::saturating_add).checked_div(fresh)
    }

    /// What was measured at the endpoints, in the order of the view.
    pub(super) fn records(&self) -> impl Iterator<Item = &'a EndpointRecord> + use<'a> {
        self.view.endpoints().iter()
    }

    /// What the endpoint would need.
    pub(super) fn estimate(&self, record: &EndpointRecord, endpoint: &ScoreInputs) -> Estimate {
        let uncached_tokens = self.prompt_tokens.saturating_sub(endpoint.matched);
        let unhurried_us = self.model.prefill_us(uncached_tokens);
        let prefill_us = unhurried_us * endpoint.pace / 256;
        let overhead_us = self.model.overhead_us * endpoint.pace / 256;
        let alone_us =
            if endpoint.queue_us == 0 { self.model.overhead_us + unhurried_us } else { 0 };
        let beside_us = if endpoint.fresh {
            let adapter = self.adapter.state_at(self.view, record);
            self.model.beside_queue_us(record, &endpoint.own, uncached_tokens)
                + self.model.contention_us(record, prefill_us)
                + self.model.throttled_us(record, endpoint.queue_us + prefill_us)
                + self.model.adapter_us(adapter)
        } else {
            self.model.sharing_us(None, &endpoint.own) + self.assumed_us.unwrap_or(0)
        };
        let load_us = overhead_us + endpoint.queue_us + beside_us;
        Estimate { uncached_tokens, prefill_us, alone_us, load_us }
    }

    /// What the choice costs: the time to this first token, and the delay that the prefill means
    /// for those who come after, less the credit of a rendezvous home.
    pub(super) fn cost_us(&self, endpoint: &ScoreInputs, estimate: &Estimate) -> u64 {
        let share_of_prefill = |share: u64| estimate.prefill_us * share / 256;
        // The second choice gets half of the credit of the first.
        let rank = (0_u32..).zip(&self.homes).find(|(_, home)| **home == endpoint.weight);
        let credit = rank.map_or(0, |(rank, _)| self.home_credit >> rank);
        // What somebody is known to have was sent elsewhere unseen only if other gateways send much. No credit
        // exceeds the prefill.
        let new_us = self.model.prefill_us(self.new_tokens).min(estimate.prefill_us);
        let credited_us = new_us + (estimate.prefill_us - new_us) * self.foreign_share / 256;
        let served_us =
            estimate.ttft_us() + share_of_prefill(self.crowding) - credited_us * credit / 256;
        served_us.saturating_add(endpoint.doubt_us)
    }

    /// What the decision rests on.
    pub(super) fn basis(&self) -> Basis {
        if self.assumed_us.is_some() { Basis::Load } else { Basis::Affinity }
    }
}
