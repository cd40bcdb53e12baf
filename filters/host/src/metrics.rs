//! Counters and histograms that are defined on first use and cost one host call afterwards.

use std::cell::Cell;

use crate::tick::Tick;
use crate::{Host, MetricKind};

/// A metric whose name, with its labels, is known when the filter is configured.
///
/// Labels are part of the name (`name.key.value`) and become Prometheus labels through Envoy's
/// `stats_config.stats_tags`; so a label's value must come from the configuration, never from a
/// client.
pub struct Metric {
    kind: MetricKind,
    name: String,
    id: Cell<Option<u32>>,
    /// What was added and the host does not know of yet.
    waiting: Cell<i64>,
}

impl Metric {
    /// A counter by its full name.
    pub fn counter(name: impl Into<String>) -> Self {
        Self {
            kind: MetricKind::Counter,
            name: name.into(),
            id: Cell::new(None),
            waiting: Cell::new(0),
        }
    }

    /// A histogram by its full name; its unit belongs into the name.
    pub fn histogram(name: impl Into<String>) -> Self {
        Self {
            kind: MetricKind::Histogram,
            name: name.into(),
            id: Cell::new(None),
            waiting: Cell::new(0),
        }
    }

    /// Adds one.
    pub fn increment<H: Host>(&self, host: &H) {
        self.add(host, 1);
    }

    /// Adds `by`.
    pub fn add<H: Host>(&self, host: &H, by: i64) {
        if let Some(id) = self.id(host) {
            // A metric that cannot be written must not fail a request.
            let _ = host.increment_metric(id, by);
        }
    }

    /// Adds `by`: with the next tick if `tick` is on, which saves a host call where many come at a
    /// time, else at once. Whoever stops `tick` must have called [`Metric::flush`] in the same
    /// `on_tick`, or what waits would wait for ever.
    pub fn add_by_tick<H: Host>(&self, host: &H, tick: &Tick, by: i64) {
        if tick.is_on() {
            self.waiting.set(self.waiting.get().saturating_add(by));
        } else {
            self.add(host, by);
        }
    }

    /// Adds what waits; whether anything did.
    pub fn flush<H: Host>(&self, host: &H) -> bool {
        let by = self.waiting.take();
        if by != 0 {
            self.add(host, by);
        }
        by != 0
    }

    /// Records a value of a histogram.
    pub fn record<H: Host>(&self, host: &H, value: u64) {
        if let Some(id) = self.id(host) {
            let _ = host.record_metric(id, value);
        }
    }

    fn id<H: Host>(&self, host: &H) -> Option<u32> {
        if self.id.get().is_none() {
            self.id.set(host.define_metric(self.kind, &self.name).ok());
        }
        self.id.get()
    }
}

/// A name of the configuration as the value of a label: dots and other marks would end it.
pub fn label(name: &str) -> String {
    let plain = |c: char| if c.is_ascii_alphanumeric() || c == '-' { c } else { '_' };
    name.chars().map(plain).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::FakeHost;
    use crate::tick::Ticker;

    #[test]
    fn what_is_added_while_a_tick_is_coming_is_seen_with_it_and_once() {
        let (host, ticker) = (FakeHost::new(), Ticker::new());
        let (own, other) = (ticker.part(), ticker.part());
        let tokens = Metric::counter("weir_tokens_total");
        // The tick of another part may stop without a flush.
        other.every(&host, 10);
        tokens.add_by_tick(&host, &own, 2);
        assert_eq!(host.metric("weir_tokens_total"), Some(2));
        own.every(&host, 10);
        tokens.add_by_tick(&host, &own, 3);
        assert_eq!(host.metric("weir_tokens_total"), Some(2));
        tokens.flush(&host);
        tokens.flush(&host);
        assert_eq!(host.metric("weir_tokens_total"), Some(5));
    }

    #[test]
    fn a_metric_is_defined_once_and_counts() {
        let host = FakeHost::new();
        let requests = Metric::counter("weir_requests_total");
        requests.increment(&host);
        requests.add(&host, 4);
        assert_eq!(host.metric("weir_requests_total"), Some(5));
    }
}
