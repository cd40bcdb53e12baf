//! Load that replicas report with their responses (ORCA): asked for, read, and kept from clients who have not asked.

use weir_host::metrics::Metric;
use weir_host::{HeaderMap, Host, HostError, upstream};
use weir_placement::replica_key;
use weir_request::RequestHead;
use weir_settings::endpoint_picker::PickerPolicy;
use weir_snapshot::LoadReport;

use crate::placed::Placed;
use crate::report_metrics::{REPORT, ReportFor};
use crate::shared::Shared;

/// With this header a request asks for a report.
const FORMAT: &str = "endpoint-load-metrics-format";

/// Asks the replica for a report, where the policy wants one. A client that has asked gets the format that it asked
/// for. `head` is what the headers were, if that is known.
///
/// # Errors
/// The header could not be set.
pub(crate) fn ask<H: Host>(
    host: &H,
    policy: &PickerPolicy,
    head: Option<&RequestHead>,
) -> Result<Option<ReportFor>, HostError> {
    let Some(format) = policy.orca else { return Ok(None) };
    let asked = match head {
        Some(head) => head.header(FORMAT).is_some(),
        None => host.header(HeaderMap::Request, FORMAT)?.is_some(),
    };
    if asked {
        return Ok(Some(ReportFor::Client));
    }
    host.set_header(HeaderMap::Request, FORMAT, format.name().as_bytes())?;
    Ok(Some(ReportFor::Picker))
}

/// The response headers have come: takes over what they report, if they do.
pub(crate) fn take<H: Host>(host: &H, shared: &Shared, placed: &Placed, read_by: ReportFor) {
    let Ok(Some(report)) = host.header(HeaderMap::Response, REPORT) else { return };
    if read_by == ReportFor::Picker {
        // A client that sees it nevertheless has no harm.
        let _ = host.remove_header(HeaderMap::Response, REPORT);
    }
    // A retry may have taken the request elsewhere, and a load at the wrong replica is worse than none.
    let Some(address) = upstream::address(host) else { return };
    let mut pools = shared.pools.borrow_mut();
    let Some((pool, _)) = pools.get(placed.pool) else { return };
    let metrics = &shared.reports;
    let report = match LoadReport::parse(&report) {
        Err(error) => return metrics.malformed(host, pool.source.name(), &address, error),
        Ok(report) if report.is_empty() => return count(host, shared, &metrics.unknown),
        Ok(report) => report,
    };
    let merged = pool.take_report(replica_key(&address), report, host.now_ns());
    count(host, shared, if merged { &metrics.merged } else { &metrics.older });
}

fn count<H: Host>(host: &H, shared: &Shared, metric: &Metric) {
    shared.count(host, metric, 1);
}
