//! What is counted and told of the load that replicas report.

use weir_host::metrics::Metric;
use weir_host::notice::Notice;
use weir_host::{Host, LogLevel};
use weir_snapshot::OrcaError;

/// The header in which a report comes.
pub(crate) const REPORT: &str = "endpoint-load-metrics";

/// Who reads the report of a response.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ReportFor {
    /// This filter alone.
    Picker,
    /// The client, who has asked for it, too.
    Client,
}

/// What is counted and told of reports.
pub(crate) struct ReportMetrics {
    pub(crate) merged: Metric,
    pub(crate) older: Metric,
    pub(crate) unknown: Metric,
    malformed: Metric,
    odd: Notice,
}

impl ReportMetrics {
    pub(crate) fn new() -> Self {
        let reports =
            |outcome| Metric::counter(format!("weir_load_reports_total.outcome.{outcome}"));
        Self {
            merged: reports("merged"),
            older: reports("older"),
            unknown: reports("unknown"),
            malformed: reports("malformed"),
            odd: Notice::default(),
        }
    }

    /// Adds what waits to the counters.
    pub(crate) fn flush<H: Host>(&self, host: &H) {
        for metric in [&self.merged, &self.older, &self.unknown, &self.malformed] {
            metric.flush(host);
        }
    }

    #[cold]
    pub(crate) fn malformed<H: Host>(
        &self,
        host: &H,
        pool: &str,
        address: &[u8],
        error: OrcaError,
    ) {
        self.malformed.increment(host);
        self.odd.say(host, LogLevel::Warn, || {
            let address = String::from_utf8_lossy(address);
            format!(
                "weir.endpoint-picker: pool {pool:?}: the load that {address} reports ({REPORT}) cannot be read: {error}"
            )
        });
    }
}
