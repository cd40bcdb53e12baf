//! Configuration.

use std::cell::RefCell;
use std::hash::RandomState;
use std::rc::Rc;

use weir_guard::{Recall, Shapes};
use weir_host::hold::HoldProbe;
use weir_host::notice::Notice;
use weir_host::{Config, Host, HttpContext, LogLevel, RootContext};
use weir_pools::Saturation;
use weir_request::{FilterGroup, RouteCheck};
use weir_settings::guardrail::policies;
use weir_wire::path::Dialect;

use crate::audit::Metrics;
use crate::shared::Shared;
use crate::stream::Stream;

/// The filter's root context.
pub struct Root<H: Host> {
    host: H,
    shared: Option<Rc<Shared>>,
    group: Option<FilterGroup>,
}

impl<H: Host> Root<H> {
    /// A root context that is not configured yet.
    pub fn new(host: H) -> Self {
        Self { host, shared: None, group: None }
    }

    /// Runs as one with others, from the next configuration on: takes what the filter before has
    /// read, and leaves it to the one after.
    pub fn join(&mut self, group: FilterGroup) {
        self.group = Some(group);
    }

    /// Takes a configuration; false, with the reason in the log, if it cannot be used.
    pub fn configure(&mut self, configuration: &[u8]) -> bool {
        let variable = |name: &str| std::env::var_os(name).map(|v| v.into_encoded_bytes());
        match policies(configuration, variable) {
            Ok(policies) => {
                let group = self.group.as_ref();
                let recalls = policies.iter().any(|policy| policy.recall);
                // The keys of `RandomState` come from Envoy's source of randomness.
                let recall = recalls.then(|| RefCell::new(Recall::new(RandomState::new())));
                self.shared = Some(Rc::new(Shared {
                    policies,
                    asks_route: group.is_none_or(|with| with.asks_route),
                    probe: group.map_or_else(HoldProbe::default, |with| with.probe.clone()),
                    metrics: Metrics::new(),
                    saturation: RefCell::new(Saturation::new("weir.guardrail")),
                    recall,
                    shapes: Shapes::default(),
                    handover: group.map(|with| with.handover.clone()).unwrap_or_default(),
                    odd_facts: Notice::default(),
                    route_check: RouteCheck::default(),
                    left_routes: Notice::default(),
                }));
                true
            }
            Err(error) => {
                self.host.log(LogLevel::Error, &format!("weir.guardrail: {error}"));
                false
            }
        }
    }
}

impl<H: Host> RootContext for Root<H> {
    fn on_configure(&mut self, _size: usize) -> bool {
        self.configure(&self.host.configuration(Config::Plugin))
    }

    fn on_tick(&mut self) {
        let Some(shared) = &self.shared else { return };
        if weir_request::answer_stuck(&self.host, &shared.probe, Dialect::OpenAi) > 0 {
            shared.metrics.misconfigured.increment(&self.host);
        }
    }

    fn create_http_context(&self, context_id: u32) -> Box<dyn HttpContext> {
        Box::new(Stream::new(self.host.clone(), context_id, self.shared.clone()))
    }
}
