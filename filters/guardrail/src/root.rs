//! Configuration, and what the streams share.

use std::cell::RefCell;
use std::hash::RandomState;
use std::rc::Rc;

use weir_guard::{Recall, Shapes};
use weir_host::hold::HoldProbe;
use weir_host::{Config, Host, HttpContext, LogLevel, RootContext};
use weir_request::{FilterGroup, Handover};
use weir_settings::Policies;
use weir_settings::guardrail::{GuardrailPolicy, policies};
use weir_wire::path::Dialect;

use crate::audit::Metrics;
use crate::saturation::Saturation;
use crate::stream::Stream;

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
}

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
                    saturation: RefCell::default(),
                    recall,
                    shapes: Shapes::default(),
                    handover: group.map(|with| with.handover.clone()).unwrap_or_default(),
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
