//! Configuration.

use std::rc::Rc;

use weir_host::hold::HoldProbe;
use weir_host::metrics::Metric;
use weir_host::notice::Notice;
use weir_host::tick::Ticker;
use weir_host::{Config, Host, HttpContext, LogLevel, RootContext};
use weir_pools::{ServedNames, Undecodable};
use weir_request::{FilterGroup, Held};
use weir_settings::model_router::{RouterPolicy, RouterSettings};
use weir_wire::path::Dialect;

use crate::degradation::Degradation;
use crate::shared::Shared;
use crate::split::Splits;
use crate::stream::Stream;

/// What the filter's log lines begin with.
const FILTER: &str = "weir.model-router";

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

    /// Runs as one with others, from the next configuration on.
    pub fn join(&mut self, group: FilterGroup) {
        self.group = Some(group);
    }

    /// Takes a configuration; false, with the reason in the log, if it cannot be used.
    pub fn configure(&mut self, configuration: &[u8]) -> bool {
        match RouterSettings::from_json(configuration) {
            Ok(settings) => {
                self.shared = Some(Rc::new(self.shared_by_streams(settings)));
                true
            }
            Err(error) => {
                self.host.log(LogLevel::Error, &format!("{FILTER}: {error}"));
                false
            }
        }
    }

    /// What all streams of this worker share.
    fn shared_by_streams(&self, settings: RouterSettings) -> Shared {
        let RouterSettings { policies, trust, max_held_bytes } = settings;
        Held::set_most(max_held_bytes);
        let group = self.group.as_ref();
        let ticker = Ticker::new();
        let busy = group.map_or_else(|| ticker.part(), |with| with.busy.clone());
        let undecodable = Undecodable::new(FILTER);
        let named = policies.iter().flat_map(RouterPolicy::pools).map(str::to_owned);
        let tick = busy.another();
        let served = ServedNames::say(&self.host, FILTER, named, tick, &undecodable);
        let degradation = Degradation::of(policies.iter());
        Shared {
            splits: Splits::of(&policies, FILTER),
            policies,
            degradation,
            trust,
            served,
            undecodable,
            asks_route: group.is_none_or(|with| with.asks_route),
            probe: group.map_or_else(|| HoldProbe::new(&ticker), |with| with.probe.clone()),
            state_keys: group.map(|with| with.state_keys).unwrap_or_default(),
            next: group.map(|with| with.handover.clone()),
            limits: group.and_then(|with| with.limits.clone()),
            busy,
            routed: Metric::counter("weir_router_routed_total"),
            rejected: Metric::counter("weir_router_rejected_total"),
            misconfigured: Metric::counter("weir_router_misconfigured_total"),
            nobody: Metric::counter("weir_router_nobody_total"),
            nobody_told: Notice::default(),
        }
    }
}

impl<H: Host> RootContext for Root<H> {
    fn on_configure(&mut self, _size: usize) -> bool {
        self.configure(&self.host.configuration(Config::Plugin))
    }

    fn on_tick(&mut self) {
        let Some(shared) = &self.shared else { return };
        shared.routed.flush(&self.host);
        shared.degradation.flush(&self.host);
        shared.served.on_tick(&self.host, &shared.undecodable);
        if weir_request::answer_stuck(&self.host, &shared.probe, Dialect::OpenAi) > 0 {
            shared.misconfigured.increment(&self.host);
        }
    }

    fn create_http_context(&self, context_id: u32) -> Box<dyn HttpContext> {
        Box::new(Stream::new(self.host.clone(), context_id, self.shared.clone()))
    }
}
