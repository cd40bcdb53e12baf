//! `/status` for a browser: one page without scripts that loads itself again.

use std::fmt::{Display, Write};

use hyper::StatusCode;
use tokio::time::Instant;

use super::page::{Page, State};
use super::status::{EndpointStatus, PoolStatus, SourceStatus, Status, status};

/// Seconds after which the page loads itself again.
const REFRESH_SECONDS: u32 = 2;

const STYLE: &str = "body{font:14px/1.4 system-ui,sans-serif;margin:1.5em;color:#222}\
table{border-collapse:collapse;margin:.5em 0 1.5em}th,td{border:1px solid #ccc;padding:.2em .6em;text-align:right}\
th{background:#f3f3f3}th:first-child,td:first-child,td:last-child{text-align:left}\
.ready{background:#e6f4e6}.degraded{background:#fff4d6}.draining{background:#e8eefc}.unreachable{background:#fbe3e3}";

const COLUMNS: [&str; 10] = [
    "replica",
    "state",
    "age",
    "waiting",
    "running",
    "in flight",
    "KV cache",
    "GPU",
    "predicted TTFT",
    "remark",
];

/// The page.
pub(super) fn page(state: &State, now: Instant) -> Page {
    let mut html = Html::default();
    html.status(&status(state, now));
    Page {
        status: StatusCode::OK,
        content_type: "text/html; charset=utf-8",
        body: html.0.into_bytes(),
    }
}

/// A page under construction.
#[derive(Default)]
struct Html(String);

impl Html {
    fn status(&mut self, status: &Status) {
        self.raw(format_args!(
            "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\">\
             <meta http-equiv=\"refresh\" content=\"{REFRESH_SECONDS}\"><title>weir-sidecar</title>\
             <style>{STYLE}</style></head><body><h1>weir-sidecar {}</h1>",
            status.version
        ));
        status.pools.iter().for_each(|pool| self.pool(pool));
        self.raw("<h2>Gateways</h2>");
        self.sources(&status.gateway_sources);
        self.raw(
            "<table><tr><th>gateway</th><th>pool</th><th>last snapshot</th><th>remark</th></tr>",
        );
        for gateway in &status.gateways {
            let class = if gateway.behind.is_some() { "unreachable" } else { "ready" };
            self.raw(format_args!("<tr class=\"{class}\">"));
            self.cell(&gateway.gateway);
            self.cell(&gateway.pool);
            self.cell(known(gateway.age_ms, |age| format!("{age} ms ago")));
            self.cell(gateway.behind.as_deref().unwrap_or_default());
            self.raw("</tr>");
        }
        self.raw("</table>");
        if let Some(redis) = &status.redis {
            self.raw("<h2>Redis</h2><p>");
            let answers = || format!("answers; load of {} other sidecars is known", redis.peers);
            self.text(redis.error.clone().unwrap_or_else(answers));
            self.raw("</p>");
        }
        self.raw("</body></html>\n");
    }

    fn pool(&mut self, pool: &PoolStatus) {
        self.raw("<h2>Pool ");
        self.text(&pool.pool);
        self.raw("</h2><p>");
        let counts = pool.replicas.iter().filter(|(_, count)| **count > 0);
        let counts: Vec<String> = counts.map(|(state, count)| format!("{count} {state}")).collect();
        self.text(format_args!(
            "{}; saturation {}, queue {}, KV cache {}, GPU {}, predicted TTFT {}",
            if counts.is_empty() { "no replicas".to_owned() } else { counts.join(", ") },
            known(pool.saturation, percent),
            known(pool.waiting, |count| count.to_string()),
            known(pool.kv_cache_use, percent),
            known(pool.gpu_use, percent),
            known(pool.predicted_ttft_seconds, seconds),
        ));
        self.raw("</p>");
        self.sources(&pool.sources);
        self.raw("<table><tr>");
        for column in COLUMNS {
            self.raw(format_args!("<th>{column}</th>"));
        }
        self.raw("</tr>");
        pool.endpoints.iter().for_each(|endpoint| self.endpoint(endpoint));
        self.raw("</table>");
    }

    fn endpoint(
        &mut self,
        EndpointStatus { report, predicted_ttft_seconds, in_flight, reason }: &EndpointStatus,
    ) {
        self.raw(format_args!("<tr class=\"{}\">", report.state.name()));
        let count = |count: Option<u32>| known(count, |count| count.to_string());
        self.cell(&report.address);
        self.cell(report.state.name());
        self.cell(known(report.age_ms, |age| format!("{age} ms")));
        self.cell(count(report.waiting));
        self.cell(count(report.running));
        self.cell(count(*in_flight));
        self.cell(known(report.kv_cache_use, percent));
        self.cell(known(report.gpu_use, percent));
        self.cell(known(*predicted_ttft_seconds, seconds));
        let faults = [
            (report.gpu_failed == Some(true)).then_some("a GPU has failed"),
            (report.gpu_throttled == Some(true)).then_some("a GPU is slowed down"),
            reason.as_deref(),
        ];
        self.cell(faults.into_iter().flatten().collect::<Vec<_>>().join("; "));
        self.raw("</tr>");
    }

    fn sources(&mut self, sources: &[SourceStatus]) {
        for SourceStatus { source, found, error } in sources {
            self.raw("<p>");
            self.text(format_args!("{source}: {} found", known(*found, |found| found.to_string())));
            if let Some(error) = error {
                self.text(format_args!(" ({error})"));
            }
            self.raw("</p>");
        }
    }

    fn cell(&mut self, value: impl Display) {
        self.raw("<td>");
        self.text(value);
        self.raw("</td>");
    }

    fn raw(&mut self, html: impl Display) {
        // Writing to a string cannot fail.
        let _ = write!(self.0, "{html}");
    }

    /// Text from anywhere.
    fn text(&mut self, text: impl Display) {
        for letter in text.to_string().chars() {
            match letter {
                '&' => self.0.push_str("&amp;"),
                '<' => self.0.push_str("&lt;"),
                '>' => self.0.push_str("&gt;"),
                '"' => self.0.push_str("&quot;"),
                other => self.0.push(other),
            }
        }
    }
}

fn known<T>(value: Option<T>, show: impl FnOnce(T) -> String) -> String {
    value.map_or("?".to_owned(), show)
}

fn percent(share: f64) -> String {
    format!("{:.0} %", share * 100.0)
}

fn seconds(seconds: f64) -> String {
    format!("{seconds:.2} s")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_from_outside_is_no_markup() {
        let mut html = Html::default();
        html.cell("<script>\"&");
        assert_eq!(html.0, "<td>&lt;script&gt;&quot;&amp;</td>");
    }
}
