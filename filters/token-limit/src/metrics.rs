//! What the filter counts. Label values are names of limits, which come from the configuration, and
//! of fixed sets; where a policy says so, names of the first consumers, of a bounded number.

use std::cell::RefCell;

use weir_host::Host;
use weir_host::metrics::Metric;
use weir_host::tick::Tick;
use weir_settings::token_limit::PolicyLimit;
use weir_tokens::charge::Used;
use weir_tokens::limits::{LimitId, Notes};

/// What became of a request, by limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Decision {
    /// It fits.
    Admitted,
    /// It was answered with 429.
    Rejected,
    /// It was answered with 503, because the fleet could not be asked.
    Unavailable,
    /// It did not fit and went on, because the limit is in shadow.
    Shadowed,
    /// It did not fit and went on, because the pool was not saturated.
    Deprioritised,
    /// It went on with another model.
    Downgraded,
}

/// What metrics call them, in their order.
const DECISIONS: [&str; 6] =
    ["admitted", "rejected", "unavailable", "shadowed", "deprioritised", "downgraded"];

const TYPES: [&str; 4] = ["prompt", "cached", "completion", "reasoning"];

/// Most consumers that metrics name; all further ones are `other`.
const MAX_CONSUMERS: usize = 64;

/// Longest name of a consumer in a metric.
const MAX_NAME: usize = 64;

/// All metrics of the filter.
pub(crate) struct Metrics {
    by_consumer: RefCell<Vec<(String, [Metric; 2])>>,
    by_limit: Vec<(LimitId, LimitMetrics)>,
    /// Requests whose charge is what the replica reported.
    pub(crate) by_usage: Metric,
    /// Requests whose charge is what was seen.
    pub(crate) by_sight: Metric,
    /// Requests that took nothing.
    pub(crate) nothing: Metric,
    /// Requests that were refused because the pool was saturated.
    pub(crate) shed: Metric,
    /// Requests that nobody could decide about.
    pub(crate) unknown: Metric,
    /// Requests that no policy applies to, or that could not be edited.
    pub(crate) misconfigured: Metric,
    /// Settlements that were given up.
    pub(crate) unsettled: Metric,
    /// Times that what was spent could not be added to the table of it.
    pub(crate) untold: Metric,
    /// Times that a limit of the fleet was decided about without it.
    pub(crate) unreachable: Metric,
    /// Requests that lack what a limit tells consumers apart by.
    pub(crate) unidentified: Metric,
    lost_swaps: Metric,
    overflowed: Metric,
    unreadable: Metric,
}

struct LimitMetrics {
    decisions: [Metric; DECISIONS.len()],
    tokens: [Metric; TYPES.len()],
}

impl Metrics {
    pub(crate) fn new<'l>(limits: impl Iterator<Item = &'l PolicyLimit>) -> Self {
        let settled = |by: &str| Metric::counter(format!("weir_limit_settled_total.by.{by}"));
        Self {
            by_consumer: RefCell::default(),
            by_limit: limits
                .map(|limit| (limit.limit.id(), LimitMetrics::new(&limit.name)))
                .collect(),
            by_usage: settled("usage"),
            by_sight: settled("sight"),
            nothing: settled("nothing"),
            shed: Metric::counter("weir_limit_shed_total"),
            unknown: Metric::counter("weir_limit_unknown_total"),
            misconfigured: Metric::counter("weir_limit_misconfigured_total"),
            unsettled: Metric::counter("weir_limit_unsettled_total"),
            untold: Metric::counter("weir_limit_spending_untold_total"),
            unreachable: Metric::counter("weir_limit_unreachable_total"),
            unidentified: Metric::counter("weir_limit_unidentified_total"),
            lost_swaps: Metric::counter("weir_limit_lost_swaps_total"),
            overflowed: Metric::counter("weir_limit_overflowed_total"),
            unreadable: Metric::counter("weir_limit_unreadable_total"),
        }
    }

    fn of(&self, limit: &PolicyLimit) -> Option<&LimitMetrics> {
        let id = limit.limit.id();
        self.by_limit.iter().find(|(known, _)| *known == id).map(|(_, metrics)| metrics)
    }

    /// Counts what became of a request.
    pub(crate) fn decided<H: Host>(
        &self,
        host: &H,
        tick: &Tick,
        limit: &PolicyLimit,
        decision: Decision,
    ) {
        let metric = self.of(limit).and_then(|of| of.decisions.get(decision as usize));
        if let Some(metric) = metric {
            metric.add_by_tick(host, tick, 1);
        }
    }

    /// Counts what a request took.
    pub(crate) fn used<H: Host>(&self, host: &H, tick: &Tick, limit: &PolicyLimit, used: &Used) {
        let Some(of) = self.of(limit) else { return };
        let cached = used.cached.min(used.prompt);
        let reasoning = used.reasoning.min(used.completion);
        let counts = [used.prompt - cached, cached, used.completion - reasoning, reasoning];
        for (metric, count) in of.tokens.iter().zip(counts) {
            if count > 0 {
                metric.add_by_tick(host, tick, i64::try_from(count).unwrap_or(i64::MAX));
            }
        }
    }

    /// Counts what a consumer's request took.
    pub(crate) fn consumed<H: Host>(&self, host: &H, tick: &Tick, consumer: &str, used: &Used) {
        let mut all = self.by_consumer.borrow_mut();
        let named =
            |all: &[(String, _)], name: &str| all.iter().position(|(known, _)| known == name);
        let room = all.len() < MAX_CONSUMERS;
        let name = shown(consumer);
        let name = if named(&all, &name).is_some() || room { name } else { "other".to_owned() };
        let place = named(&all, &name).unwrap_or_else(|| {
            let metric = |kind| {
                let name = format!("weir_limit_consumer_tokens_total.consumer.{name}.type.{kind}");
                Metric::counter(name)
            };
            let metrics = ["prompt", "completion"].map(metric);
            all.push((name, metrics));
            all.len().saturating_sub(1)
        });
        let Some((_, metrics)) = all.get(place) else { return };
        for (metric, count) in metrics.iter().zip([used.prompt, used.completion]) {
            metric.add_by_tick(host, tick, i64::try_from(count).unwrap_or(i64::MAX));
        }
    }

    /// Counts what went otherwise than usual; whether a key shares a slot with others.
    pub(crate) fn note<H: Host>(&self, host: &H, notes: Notes) -> bool {
        let counts = [
            (&self.lost_swaps, notes.lost_swaps),
            (&self.overflowed, notes.overflowed),
            (&self.unreadable, notes.unreadable),
        ];
        for (metric, count) in counts {
            if count > 0 {
                metric.add(host, count.into());
            }
        }
        notes.overflowed > 0 || notes.unreadable > 0
    }

    /// Adds what waits to the counters.
    pub(crate) fn flush<H: Host>(&self, host: &H) {
        for (_, of) in &self.by_limit {
            of.decisions.iter().chain(&of.tokens).for_each(|metric| {
                metric.flush(host);
            });
        }
        for (_, metrics) in self.by_consumer.borrow().iter() {
            metrics.iter().for_each(|metric| {
                metric.flush(host);
            });
        }
        for metric in [&self.by_usage, &self.by_sight, &self.nothing] {
            metric.flush(host);
        }
    }
}

impl LimitMetrics {
    fn new(name: &str) -> Self {
        let decision = |decision| {
            let name = label(name);
            Metric::counter(format!("weir_limit_requests_total.limit.{name}.decision.{decision}"))
        };
        let tokens = |kind| {
            let name = label(name);
            Metric::counter(format!("weir_limit_tokens_total.limit.{name}.type.{kind}"))
        };
        Self { decisions: DECISIONS.map(decision), tokens: TYPES.map(tokens) }
    }
}

/// A consumer's name as part of a metric's: letters, digits, `-` and `_`.
fn shown(consumer: &str) -> String {
    let plain = |c: char| if c.is_ascii_alphanumeric() || c == '-' { c } else { '_' };
    consumer.chars().take(MAX_NAME).map(plain).collect()
}

/// A name without dots, which part the labels of a metric.
fn label(name: &str) -> String {
    name.replace('.', "_")
}
