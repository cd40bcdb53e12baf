//! What the streams of the filter share.

use std::cell::RefCell;

use weir_guard::{Recall, Shapes};
use weir_host::hold::HoldProbe;
use weir_host::notice::Notice;
use weir_pools::Saturation;
use weir_request::{Handover, RouteCheck};
use weir_settings::Policies;
use weir_settings::guardrail::GuardrailPolicy;

use crate::audit::Metrics;

/// `root_id` of this filter in the suite.
pub const ROOT_ID: &str = "guardrail";

/// What all streams of the filter share.
pub(crate) struct Shared {
    pub(crate) policies: Policies<GuardrailPolicy>,
    /// Whether Envoy is asked for the route's policy.
    pub(crate) asks_route: bool,
    pub(crate) probe: HoldProbe,
    pub(crate) metrics: Metrics,
    pub(crate) saturation: RefCell<Saturation>,
    /// Dropped with the policies, on whose addresses it relies; `None` where none makes use of it.
    pub(crate) recall: Option<RefCell<Recall>>,
    /// What streams learn of the form of events.
    pub(crate) shapes: Shapes,
    /// Where the filter before leaves what it knows, if both run as one; else nothing ever is there.
    pub(crate) handover: Handover,
    /// Facts of another build.
    pub(crate) odd_facts: Notice,
    /// Policies that were chosen by a route that was left again.
    pub(crate) route_check: RouteCheck,
    pub(crate) left_routes: Notice,
}
