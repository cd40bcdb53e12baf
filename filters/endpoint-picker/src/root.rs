//! Configuration, and what the streams share.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use weir_host::hold::HoldProbe;
use weir_host::{Config, Context, ContextType, Host, HttpContext, LogLevel, RootContext};
use weir_placement::{ExpectedTtft, FreshnessLimits, TtftModel};
use weir_request::Handover;
use weir_settings::Policies;
use weir_settings::endpoint_picker::{PickerPolicy, policies};
use weir_wire::path::Dialect;

use crate::metrics::Metrics;
use crate::pool::Pools;
use crate::stream::Stream;

/// What all streams of the filter share.
pub(crate) struct Shared {
    pub(crate) policies: Policies<PickerPolicy>,
    pub(crate) probe: HoldProbe,
    /// What the filter before this one in the same VM leaves.
    pub(crate) before: Option<Handover>,
    pub(crate) pools: RefCell<Pools>,
    pub(crate) metrics: Metrics,
    ticking: Cell<bool>,
}

/// How long what a response told may wait, in ms: half a snapshot's interval.
const FLUSH_MS: u32 = 50;

impl Shared {
    /// Makes sure that a tick comes. It goes on until one finds nothing to do, because starting it
    /// costs a host call and under load there is always something.
    pub(crate) fn tick<H: Host>(&self, host: &H) {
        if !self.ticking.replace(true) {
            // Without a tick the next request writes what waits.
            let _ = host.set_tick_ms(FLUSH_MS);
        }
    }

    /// Call when somebody else has stopped the tick.
    pub(crate) fn resume_tick<H: Host>(&self, host: &H) {
        if self.ticking.replace(false) {
            self.tick(host);
        }
    }

    fn on_tick<H: Host>(&self, host: &H) {
        if !self.pools.borrow_mut().flush(host) && self.ticking.replace(false) {
            let _ = host.set_tick_ms(0);
        }
    }
}

/// The rule that a policy's settings stand for.
pub(crate) fn rule(policy: &PickerPolicy) -> ExpectedTtft {
    let rate = u64::from(policy.prefill_tokens_per_second.max(1));
    ExpectedTtft {
        model: TtftModel { prefill_ns_per_token: 1_000_000_000 / rate, ..TtftModel::default() },
        limits: FreshnessLimits { fresh_ms: u64::from(policy.fresh_ms) },
    }
}

/// The filter's root context.
pub struct Root<H: Host> {
    host: H,
    before: Option<Handover>,
    shared: Option<Rc<Shared>>,
}

impl<H: Host> Root<H> {
    /// A root context that is not configured yet.
    pub fn new(host: H) -> Self {
        Self { host, before: None, shared: None }
    }

    /// Takes what is known of requests from a filter that runs as one with this, from the next
    /// configuration on.
    pub fn take_over(&mut self, before: Handover) {
        self.before = Some(before);
    }

    /// Takes a configuration; false, with the reason in the log, if it cannot be used.
    pub fn configure(&mut self, configuration: &[u8]) -> bool {
        match policies(configuration) {
            Ok(policies) => {
                self.shared = Some(Rc::new(Shared {
                    policies,
                    probe: HoldProbe::new(),
                    before: self.before.clone(),
                    pools: RefCell::default(),
                    metrics: Metrics::new(),
                    ticking: Cell::new(false),
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

impl<H: Host> Context for Root<H> {}

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

    fn get_type(&self) -> Option<ContextType> {
        Some(ContextType::HttpContext)
    }

    fn create_http_context(&self, context_id: u32) -> Option<Box<dyn HttpContext>> {
        Some(Box::new(Stream::new(self.host.clone(), context_id, self.shared.clone())))
    }
}
