//! What is told of findings: metrics and filter state. Rules and counts, never a value.

use std::cell::RefCell;

use hashbrown::HashMap;
use weir_detect::Direction;
use weir_guard::{Outcome, Report, ScanCounts};
use weir_host::Host;
use weir_host::metrics::Metric;

use crate::timing::{Sampler, Stopwatch};

/// Filter state for access logs: `action=redact; request redact pii.email=2`.
const STATE: &str = "weir.guard";

/// The filter's metrics. Rule ids come from the configuration, so their number is bounded.
pub(crate) struct Metrics {
    findings: RefCell<HashMap<(String, Direction, Outcome), Metric>>,
    request_us: Metric,
    response_us: Metric,
    sampler: [Sampler; 2],
    texts_scanned: Metric,
    texts_recalled: Metric,
    /// Streams that Envoy would never show a body of, and requests that no policy applies to.
    pub(crate) misconfigured: Metric,
    /// Responses, of those looked at, whose route names another policy than was applied.
    pub(crate) left_route: Metric,
}

impl Metrics {
    pub(crate) fn new() -> Self {
        Self {
            findings: RefCell::default(),
            request_us: Metric::histogram("weir_guardrail_scan_us.direction.request"),
            response_us: Metric::histogram("weir_guardrail_scan_us.direction.response"),
            sampler: Default::default(),
            texts_scanned: Metric::counter("weir_guardrail_texts_scanned_total"),
            texts_recalled: Metric::counter("weir_guardrail_texts_recalled_total"),
            misconfigured: Metric::counter("weir_guardrail_misconfigured_total"),
            left_route: Metric::counter("weir_guardrail_route_policy_ignored_total"),
        }
    }

    /// For inspecting a whole request or response.
    pub(crate) fn stopwatch(&self, direction: Direction) -> Stopwatch {
        let [request, response] = &self.sampler;
        match direction {
            Direction::Request => request.next(),
            Direction::Response => response.next(),
        }
    }

    /// Records what that took, if it was timed.
    pub(crate) fn scanned<H: Host>(&self, host: &H, direction: Direction, watch: &Stopwatch) {
        let metric = match direction {
            Direction::Request => &self.request_us,
            Direction::Response => &self.response_us,
        };
        if let Some(ns) = watch.took_ns() {
            metric.record(host, ns / 1000);
        }
    }

    /// Counts the texts of a request that were long enough to be remembered.
    pub(crate) fn texts<H: Host>(&self, host: &H, seen: ScanCounts) {
        for (metric, count) in
            [(&self.texts_scanned, seen.scanned), (&self.texts_recalled, seen.recalled)]
        {
            if count > 0 {
                metric.add(host, i64::try_from(count).unwrap_or(i64::MAX));
            }
        }
    }

    /// Counts what a report holds.
    pub(crate) fn count<H: Host>(&self, host: &H, direction: Direction, report: &Report) {
        let mut findings = self.findings.borrow_mut();
        for tally in report.tallies() {
            let key = (tally.rule.to_string(), direction, tally.outcome);
            let metric = findings.entry(key).or_insert_with_key(|(rule, direction, outcome)| {
                let (direction, action) = (name(*direction), outcome.name());
                Metric::counter(format!(
                    "weir_guardrail_findings_total.rule.{rule}.direction.{direction}.action.{action}"
                ))
            });
            metric.add(host, i64::try_from(tally.count).unwrap_or(i64::MAX));
        }
    }
}

fn name(direction: Direction) -> &'static str {
    match direction {
        Direction::Request => "request",
        Direction::Response => "response",
    }
}

/// Leaves what was found in filter state.
pub(crate) fn leave<H: Host>(host: &H, request: &Report, response: &Report) {
    let Some(gravest) = request.outcome().max(response.outcome()) else { return };
    let mut state = format!("action={}", gravest.name());
    for (direction, report) in [(Direction::Request, request), (Direction::Response, response)] {
        if !report.is_empty() {
            state = format!("{state}; {} {}", name(direction), report.summary());
        }
    }
    // For access logs only; a request does not fail for it.
    let _ = host.set_state(STATE, state.as_bytes());
}
