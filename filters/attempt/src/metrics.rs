//! What the filter counts: each attempt once, when it has ended, and first tokens that did not come.

use weir_host::Host;
use weir_host::metrics::Metric;
use weir_host::tick::Tick;

use crate::attempts::AttemptEnd;

/// What came in place of a first token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Missing {
    /// An error.
    Error,
    /// The end of the stream.
    Empty,
    /// So much else that it was no longer looked for.
    Unseen,
    /// Neither, until the attempt was over.
    Silent,
}

/// All counters of the filter; their labels come from a fixed set.
pub(crate) struct Metrics {
    ended: [Metric; 7],
    missing: [Metric; 4],
    misconfigured: Metric,
    renamed: Metric,
    not_renamed: Metric,
}

impl Metrics {
    pub(crate) fn new() -> Self {
        Self {
            ended: [
                Metric::counter("weir_attempts_total.outcome.2xx"),
                Metric::counter("weir_attempts_total.outcome.4xx"),
                Metric::counter("weir_attempts_total.outcome.5xx"),
                Metric::counter("weir_attempts_total.outcome.other"),
                Metric::counter("weir_attempts_total.outcome.cut"),
                Metric::counter("weir_attempts_total.outcome.none"),
                Metric::counter("weir_attempts_total.outcome.abandoned"),
            ],
            missing: [
                Metric::counter("weir_first_tokens_missing_total.why.error"),
                Metric::counter("weir_first_tokens_missing_total.why.empty"),
                Metric::counter("weir_first_tokens_missing_total.why.silent"),
                Metric::counter("weir_first_tokens_missing_total.why.unseen"),
            ],
            misconfigured: Metric::counter("weir_attempts_misconfigured_total"),
            renamed: Metric::counter("weir_attempts_renamed_total.done.yes"),
            not_renamed: Metric::counter("weir_attempts_renamed_total.done.no"),
        }
    }

    /// Counts one: with the next tick if one is on its way, else at once.
    pub(crate) fn count<H: Host>(&self, host: &H, tick: &Tick, end: AttemptEnd) {
        let [success, client, server, other, cut, none, abandoned] = &self.ended;
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

    /// Counts a first token that did not come.
    #[cold]
    pub(crate) fn missing<H: Host>(&self, host: &H, tick: &Tick, why: Missing) {
        let [error, empty, silent, unseen] = &self.missing;
        let metric = match why {
            Missing::Error => error,
            Missing::Empty => empty,
            Missing::Silent => silent,
            Missing::Unseen => unseen,
        };
        metric.add_by_tick(host, tick, 1);
    }

    /// Counts a time that a missing `allow_on_headers_stop_iteration` was noticed.
    #[cold]
    pub(crate) fn misconfigured<H: Host>(&self, host: &H) {
        self.misconfigured.increment(host);
    }

    /// Counts an attempt that was to ask for another model, and whether it does.
    #[cold]
    pub(crate) fn renamed<H: Host>(&self, host: &H, done: bool) {
        if done { &self.renamed } else { &self.not_renamed }.increment(host);
    }

    /// Adds what waits; whether anything did.
    pub(crate) fn flush<H: Host>(&self, host: &H) -> bool {
        let all = self.ended.iter().chain(&self.missing);
        all.filter(|metric| metric.flush(host)).count() > 0
    }
}
