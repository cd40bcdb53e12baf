//! What the streams of the filter share.

use std::cell::RefCell;

use weir_host::Host;
use weir_host::hold::HoldProbe;
use weir_host::metrics::Metric;
use weir_host::notice::Notice;
use weir_host::tick::Tick;
use weir_placement::PrefixEvents;
use weir_pools::ServedNames;
use weir_request::{Handover, RouteCheck, StateKeys};
use weir_settings::Policies;
use weir_settings::endpoint_picker::PickerPolicy;

use crate::attempts::AnsweredAttempt;
use crate::metrics::Metrics;
use crate::outstanding::Event;
use crate::pools::{PoolId, Pools};
use crate::report_metrics::ReportMetrics;
use crate::shadow::ShadowMetrics;

/// `root_id` of this filter in the suite.
pub const ROOT_ID: &str = "endpoint-picker";

/// What all streams of the filter share.
pub(crate) struct Shared {
    pub(crate) policies: Policies<PickerPolicy>,
    /// Whether Envoy is asked for the route's policy.
    pub(crate) asks_route: bool,
    pub(crate) probe: HoldProbe,
    /// What the filter before this one in the same VM leaves.
    pub(crate) before: Option<Handover>,
    /// What is left in filter state.
    pub(crate) state_keys: StateKeys,
    pub(crate) pools: RefCell<Pools>,
    /// The pools that the policies name.
    pub(crate) served: ServedNames,
    pub(crate) metrics: Metrics,
    pub(crate) reports: ReportMetrics,
    pub(crate) shadow: ShadowMetrics,
    pub(crate) tick: Tick,
    /// Facts of another build.
    pub(crate) odd_facts: Notice,
    /// Policies that were chosen by a route that was left again.
    pub(crate) route_check: RouteCheck,
    pub(crate) left_routes: Notice,
    /// Requests that no filter before has read.
    pub(crate) no_facts: Notice,
}

/// How long what happened may wait before others see it, in ms: a fifth of a snapshot's interval.
const FLUSH_MS: u32 = 20;

impl Shared {
    /// Makes sure that a tick comes. It goes on until one finds nothing to do, because starting it
    /// costs a host call and under load there is always something.
    pub(crate) fn tick<H: Host>(&self, host: &H) {
        self.tick.every(host, FLUSH_MS);
    }

    /// Leaves an event to the next request of the pool, or to the next tick.
    pub(crate) fn note<H: Host>(&self, host: &H, pool: PoolId, event: Event) {
        if self.pools.borrow_mut().note(host, pool, event) {
            self.tick(host);
        }
    }

    /// Leaves what other workers are to know of a pool's prefix caches to the next tick.
    pub(crate) fn tell<H: Host>(
        &self,
        host: &H,
        pool: PoolId,
        note: impl FnOnce(&mut PrefixEvents),
    ) {
        if self.pools.borrow_mut().learned(pool, note) {
            self.tick(host);
        }
    }

    /// Adds to a counter: at once, or with the next tick if one is on its way.
    pub(crate) fn count<H: Host>(&self, host: &H, metric: &Metric, by: u32) {
        metric.add_by_tick(host, &self.tick, i64::from(by));
    }

    /// Takes notice of how attempts went since the last time; answers with the headers of an attempt that were seen
    /// just now.
    pub(crate) fn read_attempts<H: Host>(
        &self,
        host: &H,
        pools: &mut Pools,
    ) -> Option<AnsweredAttempt> {
        let read = pools.read_attempts(host);
        if read.missed > 0 {
            self.count(
                host,
                &self.metrics.missed_attempts,
                u32::try_from(read.missed).unwrap_or(u32::MAX),
            );
        }
        if read.noted && pools.wait() {
            self.tick(host);
        }
        read.last
    }

    pub(crate) fn on_tick<H: Host>(&self, host: &H) {
        self.metrics.flush(host);
        self.reports.flush(host);
        self.shadow.flush(host);
        let mut pools = self.pools.borrow_mut();
        self.read_attempts(host, &mut pools);
        if !pools.flush(host) {
            self.tick.stop(host);
        }
        self.served.on_tick(host, pools.undecodable());
    }
}
