//! What the streams of the filter share.

use std::rc::Rc;

use weir_host::hold::HoldProbe;
use weir_host::metrics::Metric;
use weir_host::notice::Notice;
use weir_host::tick::Tick;
use weir_host::{Host, LogLevel};
use weir_pools::{ServedNames, Undecodable};
use weir_request::{Handover, Limits, StateKeys};
use weir_settings::Policies;
use weir_settings::model_router::RouterPolicy;
use weir_settings::trust::Trust;

use crate::degradation::Degradation;
use crate::split::Splits;

/// What all streams of the filter share.
pub(crate) struct Shared {
    pub(crate) policies: Policies<RouterPolicy>,
    /// What something before Weir vouches for.
    pub(crate) trust: Trust,
    /// The shares of the splits that they name.
    pub(crate) splits: Splits,
    /// The pools that they name.
    pub(crate) served: ServedNames,
    /// What is counted and logged of shared data that cannot be read.
    pub(crate) undecodable: Undecodable,
    /// Whether pools are saturated, and what was served instead.
    pub(crate) degradation: Degradation,
    /// Whether Envoy is asked for the route's policy.
    pub(crate) asks_route: bool,
    pub(crate) probe: HoldProbe,
    /// What is left in filter state.
    pub(crate) state_keys: StateKeys,
    /// The filter of the same VM that comes next.
    pub(crate) next: Option<Handover>,
    /// Whoever limits what is spent, in the same VM.
    pub(crate) limits: Option<Rc<dyn Limits>>,
    /// The tick with which counters come, if it is on.
    pub(crate) busy: Tick,
    pub(crate) routed: Metric,
    pub(crate) rejected: Metric,
    /// Streams that Envoy would never show a body of, and requests that no policy applies to.
    pub(crate) misconfigured: Metric,
    /// Requests of nobody, where the policy asks who it is.
    pub(crate) nobody: Metric,
    pub(crate) nobody_told: Notice,
}

impl Shared {
    /// Counts a request of nobody, where the policy asks who it is, and says so now and then.
    #[cold]
    pub(crate) fn note_nobody<H: Host>(&self, host: &H) {
        self.nobody.increment(host);
        self.nobody_told.say(host, LogLevel::Warn, || {
            "weir.model-router: a request of nobody, although the policy asks who it is: does authentication stand before \
             Weir, and has jwt_authn `payload_in_metadata`? (weir_router_nobody_total)"
                .to_owned()
        });
    }
}
