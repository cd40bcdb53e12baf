//! Configuration.

use std::cell::RefCell;
use std::rc::Rc;

use weir_attempt::Attempts;
use weir_host::hold::HoldProbe;
use weir_host::notice::Notice;
use weir_host::tick::Ticker;
use weir_host::{Config, Host, HttpContext, LogLevel, RootContext};
use weir_pools::ServedNames;
use weir_request::{FilterGroup, RouteCheck};
use weir_settings::endpoint_picker::policies;
use weir_wire::path::Dialect;

use crate::failover;
use crate::metrics::Metrics;
use crate::pools::Pools;
use crate::report_metrics::ReportMetrics;
use crate::shadow::ShadowMetrics;
use crate::shared::Shared;
use crate::stream::Stream;

/// The filter's root context.
pub struct Root<H: Host> {
    host: H,
    group: Option<FilterGroup>,
    shared: Option<Rc<Shared>>,
}

impl<H: Host> Root<H> {
    /// A root context that is not configured yet.
    pub fn new(host: H) -> Self {
        Self { host, group: None, shared: None }
    }

    /// What its streams share, for tests to look at.
    #[cfg(test)]
    pub(crate) fn shared_for_tests(&self) -> Option<&Shared> {
        self.shared.as_deref()
    }

    /// Runs as one with others, from the next configuration on: takes what they know of requests.
    pub fn join(&mut self, group: FilterGroup) {
        self.group = Some(group);
    }

    /// Takes a configuration; false, with the reason in the log, if it cannot be used.
    pub fn configure(&mut self, configuration: &[u8]) -> bool {
        match policies(configuration) {
            Ok(policies)
                if policies.iter().any(|policy| policy.failover.is_some()) && self.is_too_old() =>
            {
                false
            }
            Ok(policies) => {
                let group = self.group.as_ref();
                let ticker = Ticker::new();
                let pools = Pools::default();
                let tick = group.map_or_else(|| ticker.part(), |with| with.busy.clone());
                let named = policies.iter().filter_map(|policy| policy.pool.clone());
                if policies.iter().any(|policy| policy.failover.is_some()) {
                    Attempts::of_vm().expect_failover();
                }
                let served = ServedNames::say(
                    &self.host,
                    "weir.endpoint-picker",
                    named,
                    tick.another(),
                    pools.undecodable(),
                );
                self.shared = Some(Rc::new(Shared {
                    policies,
                    asks_route: group.is_none_or(|with| with.asks_route),
                    probe: group.map_or_else(|| HoldProbe::new(&ticker), |with| with.probe.clone()),
                    before: group.map(|with| with.handover.clone()),
                    state_keys: group.map(|with| with.state_keys).unwrap_or_default(),
                    pools: RefCell::new(pools),
                    served,
                    metrics: Metrics::new(),
                    reports: ReportMetrics::new(),
                    shadow: ShadowMetrics::new(),
                    tick,
                    odd_facts: Notice::default(),
                    route_check: RouteCheck::default(),
                    left_routes: Notice::default(),
                    no_facts: Notice::default(),
                }));
                true
            }
            Err(error) => {
                self.host.log(LogLevel::Error, &format!("weir.endpoint-picker: {error}"));
                false
            }
        }
    }
}

impl<H: Host> Root<H> {
    /// Whether this Envoy is too old for failover; the log says so.
    #[cold]
    fn is_too_old(&self) -> bool {
        let minor = failover::too_old(&self.host);
        if let Some(minor) = minor {
            let what = format!(
                "weir.endpoint-picker: `failover` needs Envoy 1.37, and this is 1.{minor}, which may crash where a stream \
                 is to be retried: take it out, or update Envoy"
            );
            self.host.log(LogLevel::Error, &what);
        }
        minor.is_some()
    }
}

impl<H: Host> RootContext for Root<H> {
    fn on_configure(&mut self, _size: usize) -> bool {
        self.configure(&self.host.configuration(Config::Plugin))
    }

    fn on_tick(&mut self) {
        let Some(shared) = &self.shared else { return };
        let answered = weir_request::answer_stuck(&self.host, &shared.probe, Dialect::OpenAi);
        if answered > 0 {
            shared.metrics.misconfigured.increment(&self.host);
        }
        shared.on_tick(&self.host);
    }

    fn on_end(&mut self) {
        // What waits for a tick would be lost, and counts would stay too high.
        if let Some(shared) = &self.shared {
            shared.on_tick(&self.host);
        }
    }

    fn create_http_context(&self, context_id: u32) -> Box<dyn HttpContext> {
        Box::new(Stream::new(self.host.clone(), context_id, self.shared.clone()))
    }
}
