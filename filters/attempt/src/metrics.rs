//! What the filter counts: each attempt once, when it has ended.

use weir_host::Host;
use weir_host::metrics::Metric;
use weir_host::tick::Tick;

use crate::attempts::AttemptEnd;

/// All counters of the filter; their labels come from a fixed set.
pub(crate) struct Metrics([Metric; 7]);

impl Metrics {
    pub(crate) fn new() -> Self {
        Self([
            Metric::counter("weir_attempts_total.outcome.2xx"),
            Metric::counter("weir_attempts_total.outcome.4xx"),
            Metric::counter("weir_attempts_total.outcome.5xx"),
            Metric::counter("weir_attempts_total.outcome.other"),
            Metric::counter("weir_attempts_total.outcome.cut"),
            Metric::counter("weir_attempts_total.outcome.none"),
            Metric::counter("weir_attempts_total.outcome.abandoned"),
        ])
    }

    /// Counts one: with the next tick if one is on its way, else at once.
    pub(crate) fn count<H: Host>(&self, host: &H, tick: &Tick, end: AttemptEnd) {
        let [success, client, server, other, cut, none, abandoned] = &self.0;
        let metric = match end {
            AttemptEnd::Answered(200..=299) => success,
            AttemptEnd::Answered(400..=499) => client,
            AttemptEnd::Answered(500..=599) => server,
            AttemptEnd::Answered(_) => other,
            AttemptEnd::Cut { .. } => cut,
            AttemptEnd::NoAnswer => none,
            AttemptEnd::Abandoned => abandoned,
        };
        metric.add_by_tick(host, tick, 1);
    }

    /// Adds what waits; whether anything did.
    pub(crate) fn flush<H: Host>(&self, host: &H) -> bool {
        self.0.iter().filter(|metric| metric.flush(host)).count() > 0
    }
}
