//! What the attempts of a plugin share.

use weir_host::Host;
use weir_host::tick::{Tick, Ticker};
use weir_settings::attempt::AttemptSettings;

use crate::attempts::{AttemptEnd, AttemptOutcome, Attempts};
use crate::metrics::Metrics;

/// How long counts may wait in a busy worker, in ms.
const FLUSH_MS: u32 = 20;

pub(crate) struct Shared {
    pub(crate) settings: AttemptSettings,
    pub(crate) attempts: Attempts,
    metrics: Metrics,
    tick: Tick,
}

impl Shared {
    pub(crate) fn new(settings: AttemptSettings, attempts: Attempts) -> Self {
        Self { settings, attempts, metrics: Metrics::new(), tick: Ticker::new().part() }
    }

    /// Notes how an attempt ended, and counts it. The first after a pause is counted at once.
    pub(crate) fn ended<H: Host>(&self, host: &H, outcome: AttemptOutcome, end: AttemptEnd) {
        self.attempts.note(outcome);
        self.metrics.count(host, &self.tick, end);
        self.tick.every(host, FLUSH_MS);
    }

    pub(crate) fn on_tick<H: Host>(&self, host: &H) {
        if !self.metrics.flush(host) {
            self.tick.stop(host);
        }
    }
}
