//! How to choose among the endpoints of a pool.

mod adapter;
mod baseline;
mod candidates;
mod doubt;
mod expected_ttft;
mod scoring;
mod subset;
mod ttft_model;

pub use baseline::{LeastLoad, RoundRobin};
pub use expected_ttft::ExpectedTtft;
pub use ttft_model::TtftModel;

use crate::load_view::LoadView;
use crate::outstanding::Outstanding;
use crate::pick::{NoPick, Pick};
use crate::prefix_index::PrefixIndex;
use crate::request::PickRequest;

/// Everything that is known of a pool at one moment.
#[derive(Debug, Clone, Copy)]
pub struct PoolState<'a> {
    /// What the sidecar measured.
    pub view: &'a LoadView,
    /// Who served which prefix.
    pub prefixes: &'a PrefixIndex,
    /// What this Envoy has sent and not got back.
    pub outstanding: &'a Outstanding,
    /// The present, in ns of the host's clock.
    pub now_ns: u64,
}

/// A rule that chooses endpoints. Policies hold settings; what changes from request to request is
/// in the state.
pub trait Policy {
    /// The endpoints for `request`, best first.
    ///
    /// # Errors
    /// [`NoPick`] when no endpoint is known or allowed; the request then goes by Envoy's own
    /// balancing.
    fn pick(&self, request: &PickRequest<'_>, state: &PoolState<'_>) -> Result<Pick, NoPick>;
}
