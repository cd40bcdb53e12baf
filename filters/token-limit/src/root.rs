//! Configuration.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use weir_host::hold::HoldProbe;
use weir_host::notice::Notice;
use weir_host::tick::Ticker;
use weir_host::{Config, Host, HostError, HttpContext, LogLevel, RootContext};
use weir_pools::{ChangeError, Saturation, change_shared};
use weir_request::{Applicant, FilterGroup, Limits, Verdict};
use weir_settings::SettingsError;
use weir_settings::token_limit::{PolicyLimit, TokenLimitSettings};
use weir_tokens::Corrections;
use weir_tokens::limits::{DIRECTORY_KEY, Listed, with_limits};
use weir_wire::path::Dialect;

use crate::admit::{Decided, decide};
use crate::digest_key::digester;
use crate::metrics::Metrics;
use crate::shared::{FILTER, Shared};
use crate::spending::Spending;
use crate::stream::Stream;
use crate::unsettled::Unsettled;

/// The filter's root context.
pub struct Root<H: Host> {
    host: H,
    group: Option<FilterGroup>,
    shared: Option<Rc<Shared>>,
}

/// Why a configuration cannot be used.
#[derive(Debug)]
enum Refused {
    Settings(SettingsError),
    Host(HostError),
}

impl std::fmt::Display for Refused {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Settings(error) => write!(f, "{error}"),
            Self::Host(error) => write!(f, "shared data: {error}"),
        }
    }
}

impl<H: Host> Root<H> {
    /// A root context that is not configured yet.
    pub fn new(host: H) -> Self {
        Self { host, group: None, shared: None }
    }

    /// Runs as one with others, from the next configuration on: the router asks before it lets a
    /// request go.
    pub fn join(&mut self, group: FilterGroup) {
        self.group = Some(group);
    }

    /// What the router asks; `None` before a configuration was taken.
    pub fn limits(&self) -> Option<Rc<dyn Limits>> {
        let shared = Rc::clone(self.shared.as_ref()?);
        Some(Rc::new(Port { host: self.host.clone(), shared }))
    }

    /// Takes a configuration; false, with the reason in the log, if it cannot be used.
    pub fn configure(&mut self, configuration: &[u8]) -> bool {
        match self.read(configuration) {
            Ok(shared) => {
                self.shared = Some(Rc::new(shared));
                true
            }
            Err(refused) => {
                self.host.log(LogLevel::Error, &format!("{FILTER}: {refused}"));
                false
            }
        }
    }

    fn read(&self, configuration: &[u8]) -> Result<Shared, Refused> {
        let group = self.group.as_ref();
        let settings = TokenLimitSettings::from_json(configuration, group.is_some());
        let settings = settings.map_err(Refused::Settings)?;
        let digester = digester(&self.host).map_err(Refused::Host)?;
        Spending::prepare(&self.host).map_err(Refused::Host)?;
        self.list(&settings);
        let ticker = Ticker::new();
        let busy = group.map_or_else(|| ticker.part(), |with| with.busy.clone());
        Ok(Shared {
            metrics: Metrics::new(settings.limits().into_iter()),
            settings,
            asks_route: group.is_none_or(|with| with.asks_route),
            probe: group.map_or_else(|| HoldProbe::new(&ticker), |with| with.probe.clone()),
            handover: group.map(|with| with.handover.clone()),
            state_keys: group.map(|with| with.state_keys).unwrap_or_default(),
            digester,
            fleet: RefCell::default(),
            corrections: RefCell::new(Corrections::default()),
            saturation: RefCell::new(Saturation::new(FILTER)),
            unsettled: RefCell::new(Unsettled::new(busy.another())),
            spending: RefCell::new(Spending::new(busy.another())),
            busy,
            let_go: Cell::new(None),
            odd_facts: Notice::default(),
            troubles: Notice::default(),
            crowded: Notice::default(),
            alone: Notice::default(),
            nobody: Notice::default(),
        })
    }

    /// Lists the limits for whoever looks at their slots.
    fn list(&self, settings: &TokenLimitSettings) {
        let limits = settings.limits().into_iter();
        let limits: Vec<_> = limits.map(listed).collect();
        let listed = change_shared(&self.host, DIRECTORY_KEY, |stored| {
            Ok::<_, ()>(with_limits(stored, &limits))
        });
        // Others that are faster list the same.
        if let Err(ChangeError::Host(error)) = listed {
            let line = format!("{FILTER}: shared data {DIRECTORY_KEY}: {error}");
            self.host.log(LogLevel::Warn, &line);
        }
    }
}

impl<H: Host> RootContext for Root<H> {
    fn on_configure(&mut self, _size: usize) -> bool {
        self.configure(&self.host.configuration(Config::Plugin))
    }

    fn on_tick(&mut self) {
        let Some(shared) = &self.shared else { return };
        shared.metrics.flush(&self.host);
        shared.settle_again(&self.host);
        let trouble = shared.spending.borrow_mut().flush_if_due(&self.host);
        shared.note_spending(&self.host, trouble);
        if weir_request::answer_stuck(&self.host, &shared.probe, Dialect::OpenAi) > 0 {
            shared.metrics.misconfigured.increment(&self.host);
        }
    }

    fn on_end(&mut self) {
        if let Some(shared) = &self.shared {
            let trouble = shared.spending.borrow_mut().flush(&self.host);
            shared.note_spending(&self.host, trouble);
        }
    }

    fn create_http_context(&self, context_id: u32) -> Box<dyn HttpContext> {
        Box::new(Stream::new(self.host.clone(), context_id, self.shared.clone()))
    }
}

fn listed(limit: &PolicyLimit) -> Listed {
    Listed { name: limit.name.clone(), limit: limit.limit, values: limit.per.len() as u64 }
}

/// What the router asks.
struct Port<H> {
    host: H,
    shared: Rc<Shared>,
}

impl<H: Host> Limits for Port<H> {
    fn admit(&self, applicant: &Applicant<'_>) -> Verdict {
        let shared = &self.shared;
        match decide(&self.host, shared, applicant) {
            Decided::Go(None) => Verdict::Go { asks_usage: false, meter: None },
            Decided::Go(Some(admission)) => {
                let meter = admission.by_tokens().then(|| Rc::clone(&admission.meter));
                let asks_usage = admission.hides_usage;
                let before = shared.let_go.replace(Some((applicant.context_id, admission)));
                if let Some((_, before)) = before {
                    shared.give_back(&self.host, *before);
                }
                Verdict::Go { asks_usage, meter }
            }
            Decided::Downgrade(model) => Verdict::Downgrade(model),
            Decided::Refused(refusal) => {
                refusal.send(&self.host, applicant.facts.dialect);
                Verdict::Refused
            }
        }
    }
}
