//! Values of shared data that cannot be read.

use std::fmt::Display;

use weir_host::metrics::Metric;
use weir_host::notice::Notice;
use weir_host::{Host, LogLevel};

/// Counts values that cannot be read, and logs one a minute.
pub struct Undecodable {
    /// Which filter, as in its other log lines.
    filter: &'static str,
    found: Metric,
    notice: Notice,
}

impl Undecodable {
    /// For the filter by that name, such as `weir.intake`.
    pub fn new(filter: &'static str) -> Self {
        let found = Metric::counter("weir_undecodable_total");
        Self { filter, found, notice: Notice::default() }
    }

    /// Takes note of the value of `key`, which counts as absent. `reason` must not repeat it.
    #[cold]
    pub fn note<H: Host>(&self, host: &H, key: &str, reason: &dyn Display) {
        self.found.increment(host);
        let filter = self.filter;
        self.notice.say(host, LogLevel::Error, || {
            format!(
                "{filter}: shared data {key} cannot be read and counts as absent: {reason}; \
                 look for another module with this vm_id that writes there"
            )
        });
    }
}
