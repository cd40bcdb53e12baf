//! The policy that Weir ships: the least expected time to the first token.

use super::candidates::{Best, Candidates, Scored, Standing};
use super::scoring::{Estimate, ScoreInputs, Scoring};
use super::ttft_model::TtftModel;
use super::{Policy, PoolState};
use crate::load_view::FreshnessLimits;
use crate::pick::{Basis, NoPick, Pick};
use crate::request::PickRequest;

/// Minimises waiting work + uncached prefill, with KV-cache pressure, adapters and GPU use.
///
/// Measurements that are too old are left out: then prefix affinity and own counts decide. Nearly
/// equal endpoints are told apart by rendezvous hashing of the conversation, so that workers and
/// gateways that share no state send a conversation to the same replica.
#[derive(Debug, Clone, Default)]
pub struct ExpectedTtft {
    /// Constants of the time model.
    pub model: TtftModel,
    /// When measurements are too old.
    pub limits: FreshnessLimits,
}

impl Policy for ExpectedTtft {
    // Where the settings are known, most of the model's constants are too.
    #[inline]
    fn pick(&self, request: &PickRequest<'_>, state: &PoolState<'_>) -> Result<Pick, NoPick> {
        let candidates = Candidates::new(request, state)?;
        let mut endpoints = inputs_of(request, state);
        let mut scoring = Scoring::new(&self.model, self.limits, request, state);
        scoring.survey(state, &candidates, &mut endpoints);
        let mut best = Best::default();
        let mut first = None;
        for ((index, record), endpoint) in (0..).zip(scoring.records()).zip(&endpoints) {
            if !endpoint.admitted {
                continue;
            }
            let estimate = scoring.estimate(record, endpoint);
            let scored = Scored {
                standing: Standing::of(record),
                cost: scoring.cost_us(endpoint, &estimate),
                weight: endpoint.weight,
                index,
            };
            if best.offer(scored) {
                first = Some(estimate);
            }
        }
        let estimate = first.ok_or(NoPick::Absent)?;
        Ok(self.describe(request, &best, &estimate, scoring.basis()))
    }
}

/// What was sent to the endpoints of the view, and what they have cached.
fn inputs_of(request: &PickRequest<'_>, state: &PoolState<'_>) -> Vec<ScoreInputs> {
    let mut endpoints = vec![ScoreInputs::default(); state.view.len()];
    state.outstanding.each(state.view, |index, own| {
        if let Some(endpoint) = endpoints.get_mut(index) {
            endpoint.own = own;
        }
    });
    state.prefixes.each_match(request, state.view, |index, matched| {
        if let Some(endpoint) = endpoints.get_mut(index) {
            endpoint.matched = matched;
        }
    });
    endpoints
}

impl ExpectedTtft {
    fn describe(
        &self,
        request: &PickRequest<'_>,
        best: &Best,
        estimate: &Estimate,
        basis: Basis,
    ) -> Pick {
        Pick {
            order: best.order(),
            matched_tokens: request.prompt_tokens.saturating_sub(estimate.uncached_tokens),
            uncached_tokens: estimate.uncached_tokens,
            prefill_us: saturate(estimate.prefill_us),
            alone_us: saturate(estimate.alone_us),
            expected_ttft_us: saturate(estimate.ttft_us()),
            basis,
        }
    }
}

fn saturate(value: u64) -> u32 {
    u32::try_from(value).unwrap_or(u32::MAX)
}
