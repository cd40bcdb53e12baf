//! Configuration, and what the streams share.

use std::cell::RefCell;
use std::rc::Rc;

use weir_host::hold::HoldProbe;
use weir_host::{Config, Context, ContextType, Host, HttpContext, LogLevel, RootContext};
use weir_request::Handover;
use weir_settings::Policies;
use weir_settings::guardrail::{GuardrailPolicy, policies};
use weir_wire::path::Dialect;

use crate::audit::Metrics;
use crate::saturation::Saturation;
use crate::stream::Stream;

/// What all streams of the filter share.
pub(crate) struct Shared {
    pub(crate) policies: Policies<GuardrailPolicy>,
    pub(crate) probe: HoldProbe,
    pub(crate) metrics: Metrics,
    pub(crate) saturation: RefCell<Saturation>,
    /// Where the filter before leaves what it knows, if both run as one; else nothing ever is there.
    pub(crate) handover: Handover,
}

/// The filter's root context.
pub struct Root<H: Host> {
    host: H,
    shared: Option<Rc<Shared>>,
    handover: Handover,
    probe: HoldProbe,
}

impl<H: Host> Root<H> {
    /// A root context that is not configured yet.
    pub fn new(host: H) -> Self {
        Self { host, shared: None, handover: Handover::default(), probe: HoldProbe::new() }
    }

    /// Takes what the filter before it in the same VM has read, and leaves it to the one after. What
    /// either finds out about their plugin is in `probe`: the second to find it out would stop the
    /// tick that another filter of the plugin has started since. Call before [`Root::configure`].
    pub fn pass_on(&mut self, handover: Handover, probe: HoldProbe) {
        (self.handover, self.probe) = (handover, probe);
    }

    /// Takes a configuration; false, with the reason in the log, if it cannot be used.
    pub fn configure(&mut self, configuration: &[u8]) -> bool {
        let variable = |name: &str| std::env::var_os(name).map(|v| v.into_encoded_bytes());
        match policies(configuration, variable) {
            Ok(policies) => {
                self.shared = Some(Rc::new(Shared {
                    policies,
                    probe: self.probe.clone(),
                    metrics: Metrics::new(),
                    saturation: RefCell::default(),
                    handover: self.handover.clone(),
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

impl<H: Host> Context for Root<H> {}

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

    fn get_type(&self) -> Option<ContextType> {
        Some(ContextType::HttpContext)
    }

    fn create_http_context(&self, context_id: u32) -> Option<Box<dyn HttpContext>> {
        Some(Box::new(Stream::new(self.host.clone(), context_id, self.shared.clone())))
    }
}
