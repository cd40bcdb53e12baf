//! Which endpoints may be chosen, and keeping the best few.

use weir_snapshot::{EndpointRecord, EndpointState};

use super::PoolState;
use super::subset::Subset;
use crate::load_view::{LoadView, takes_requests};
use crate::pick::{MAX_ORDER, NoPick, Order};
use crate::request::PickRequest;

/// The endpoints that a pick may use.
pub(super) struct Candidates {
    subset: Subset,
    /// Whether endpoints that should get no requests are all there are.
    last_resort: bool,
}

impl Candidates {
    /// Applies the subset, then leaves out unreachable and draining endpoints unless there are no
    /// others.
    pub(super) fn new(request: &PickRequest<'_>, state: &PoolState<'_>) -> Result<Self, NoPick> {
        if state.view.is_empty() {
            return Err(NoPick::Absent);
        }
        let subset = Subset::new(request.subset, state.view);
        let last_resort = match subset {
            Subset::All => !state.view.takes_requests(),
            Subset::Only(_) => !some_takes_requests(&subset, state.view)?,
        };
        Ok(Self { subset, last_resort })
    }

    /// Whether the endpoint at `index` with this state may be chosen.
    pub(super) fn admit(&self, index: usize, state: EndpointState) -> bool {
        (self.last_resort || takes_requests(state)) && self.subset.allows(index)
    }
}

/// Whether one of the subset should get requests.
fn some_takes_requests(subset: &Subset, view: &LoadView) -> Result<bool, NoPick> {
    let mut states = (view.replicas().enumerate())
        .filter(|(index, _)| subset.allows(*index))
        .map(|(_, replica)| replica.record.state)
        .peekable();
    states.peek().ok_or(NoPick::SubsetEmpty)?;
    Ok(states.any(takes_requests))
}

/// What comes before any cost; the order is that of preference.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Standing {
    /// It serves. A degraded one does, too; what that costs is in its cost.
    Serves,
    /// It serves on a GPU that has failed, whatever it says of itself.
    GpuFailed,
    /// It should get no requests.
    Draining,
    /// Nor should this.
    Unreachable,
}

impl Standing {
    pub(super) fn of(record: &EndpointRecord) -> Self {
        match record.state {
            EndpointState::Ready | EndpointState::Degraded if record.gpu_failed => Self::GpuFailed,
            EndpointState::Ready | EndpointState::Degraded => Self::Serves,
            EndpointState::Draining => Self::Draining,
            EndpointState::Unreachable => Self::Unreachable,
        }
    }
}

/// An endpoint with what it costs to send the request there.
#[derive(Debug, Clone, Copy)]
pub(super) struct Scored {
    /// Worse ones come later, whatever the cost.
    pub(super) standing: Standing,
    pub(super) cost: u64,
    /// Rendezvous weight: among equals the greatest is first, in every worker and gateway alike.
    pub(super) weight: u64,
    pub(super) index: u16,
}

impl Scored {
    fn precedes(&self, other: &Self) -> bool {
        let key = |of: &Self| (of.standing, of.cost, !of.weight, of.index);
        key(self) < key(other)
    }
}

/// The best [`MAX_ORDER`] seen so far.
#[derive(Default)]
pub(super) struct Best {
    places: [Option<Scored>; MAX_ORDER],
}

impl Best {
    /// Keeps `scored` if it is among the best; returns whether it is the best of all.
    pub(super) fn offer(&mut self, scored: Scored) -> bool {
        let mut rank = MAX_ORDER;
        // From the last place on: most are not even among the best, and one comparison has to do.
        while let Some(before) = rank.checked_sub(1)
            && let Some(place) = self.places.get(before).copied()
            && place.is_none_or(|held| scored.precedes(&held))
        {
            if let Some(after) = self.places.get_mut(rank) {
                *after = place;
            }
            rank = before;
        }
        if let Some(place) = self.places.get_mut(rank) {
            *place = Some(scored);
        }
        rank == 0
    }

    pub(super) fn order(&self) -> Order {
        Order::new(self.places.iter().flatten().map(|scored| scored.index))
    }
}
