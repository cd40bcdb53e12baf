//! Simple rules to compare with: what one gets without placement.

use std::cell::Cell;

use super::candidates::{Best, Candidates, Scored, Standing};
use super::{Policy, PoolState};
use crate::load_view::Replica;
use crate::pick::{Basis, NoPick, Pick};
use crate::request::PickRequest;

/// Endpoints take turns.
#[derive(Debug, Clone, Default)]
pub struct RoundRobin {
    turn: Cell<u64>,
}

impl Policy for RoundRobin {
    fn pick(&self, request: &PickRequest<'_>, state: &PoolState<'_>) -> Result<Pick, NoPick> {
        let turn = self.turn.get();
        self.turn.set(turn.wrapping_add(1));
        let endpoints = u64::try_from(state.view.len()).unwrap_or(1).max(1);
        let distance = |index: usize| {
            let index = u64::try_from(index).unwrap_or(0);
            (index + endpoints - turn % endpoints) % endpoints
        };
        pick_by(request, state, |index, _| distance(index))
    }
}

/// The endpoint with the fewest requests waiting, running, and sent since the last snapshot.
#[derive(Debug, Clone, Default)]
pub struct LeastLoad;

impl Policy for LeastLoad {
    fn pick(&self, request: &PickRequest<'_>, state: &PoolState<'_>) -> Result<Pick, NoPick> {
        pick_by(request, state, |_, replica| {
            let measured = [replica.record.waiting, replica.record.running];
            let measured: u64 = measured.into_iter().flatten().map(u64::from).sum();
            let own = state.outstanding.load(replica.id.key());
            (measured + u64::from(own.dispatched)).max(u64::from(own.in_flight))
        })
    }
}

/// The candidates by ascending `cost`.
fn pick_by(
    request: &PickRequest<'_>,
    state: &PoolState<'_>,
    cost: impl Fn(usize, Replica<'_>) -> u64,
) -> Result<Pick, NoPick> {
    let candidates = Candidates::new(request, state)?;
    let mut best = Best::default();
    for (index, replica) in (0..).zip(state.view.replicas()) {
        let record = replica.record;
        if candidates.admit(usize::from(index), record.state) {
            let cost = cost(usize::from(index), replica);
            best.offer(Scored { standing: Standing::of(record), cost, weight: 0, index });
        }
    }
    let order = best.order();
    Ok(Pick {
        order,
        matched_tokens: 0,
        uncached_tokens: request.prompt_tokens,
        prefill_us: 0,
        alone_us: 0,
        expected_ttft_us: 0,
        basis: Basis::Rule,
    })
}
