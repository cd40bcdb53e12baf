//! Configuration, and what the streams share.

use std::cell::RefCell;
use std::rc::Rc;

use weir_host::hold::HoldProbe;
use weir_host::metrics::Metric;
use weir_host::tick::{Tick, Ticker};
use weir_host::{Config, Host, HttpContext, LogLevel, RootContext};
use weir_placement::{ExpectedTtft, FreshnessLimits, TtftModel};
use weir_request::{FilterGroup, Handover, StateKeys};
use weir_settings::Policies;
use weir_settings::endpoint_picker::{PickerPolicy, policies};
use weir_wire::path::Dialect;

use crate::metrics::Metrics;
use crate::pool::Pools;
use crate::stream::Stream;

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
    pub(crate) metrics: Metrics,
    tick: Tick,
}

/// How long what happened may wait before others see it, in ms: a fifth of a snapshot's interval.
const FLUSH_MS: u32 = 20;

impl Shared {
    /// Makes sure that a tick comes. It goes on until one finds nothing to do, because starting it
    /// costs a host call and under load there is always something.
    pub(crate) fn tick<H: Host>(&self, host: &H) {
        self.tick.every(host, FLUSH_MS);
    }

    /// Adds to a counter: at once, or with the next tick if one is on its way.
    pub(crate) fn count<H: Host>(&self, host: &H, metric: &Metric, by: u32) {
        metric.add_by_tick(host, &self.tick, i64::from(by));
    }

    fn on_tick<H: Host>(&self, host: &H) {
        self.metrics.flush(host);
        if !self.pools.borrow_mut().flush(host) {
            self.tick.stop(host);
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
    group: Option<FilterGroup>,
    shared: Option<Rc<Shared>>,
}

impl<H: Host> Root<H> {
    /// A root context that is not configured yet.
    pub fn new(host: H) -> Self {
        Self { host, group: None, shared: None }
    }

    /// Runs as one with others, from the next configuration on: takes what they know of requests.
    pub fn join(&mut self, group: FilterGroup) {
        self.group = Some(group);
    }

    /// Takes a configuration; false, with the reason in the log, if it cannot be used.
    pub fn configure(&mut self, configuration: &[u8]) -> bool {
        match policies(configuration) {
            Ok(policies) => {
                let group = self.group.as_ref();
                let ticker = Ticker::new();
                self.shared = Some(Rc::new(Shared {
                    policies,
                    asks_route: group.is_none_or(|with| with.asks_route),
                    probe: group.map_or_else(|| HoldProbe::new(&ticker), |with| with.probe.clone()),
                    before: group.map(|with| with.handover.clone()),
                    state_keys: group.map(|with| with.state_keys).unwrap_or_default(),
                    pools: RefCell::default(),
                    metrics: Metrics::new(),
                    tick: group.map_or_else(|| ticker.part(), |with| with.busy.clone()),
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

    fn create_http_context(&self, context_id: u32) -> Box<dyn HttpContext> {
        Box::new(Stream::new(self.host.clone(), context_id, self.shared.clone()))
    }
}
