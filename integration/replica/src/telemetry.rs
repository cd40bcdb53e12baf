//! Counters and histograms behind the metrics page.

use std::fmt::Write as _;
use std::sync::Mutex;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::Duration;

use crate::lock;

/// Upper bounds in seconds, those of vLLM's time to first token.
const BOUNDS: [f64; 22] = [
    0.001, 0.005, 0.01, 0.02, 0.04, 0.06, 0.08, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0,
    20.0, 40.0, 80.0, 160.0, 640.0, 2560.0,
];

/// What one replica has counted since it started.
#[derive(Debug, Default)]
pub(crate) struct Telemetry {
    pub(crate) waiting: AtomicI64,
    pub(crate) running: AtomicI64,
    pub(crate) cache_queries: AtomicU64,
    pub(crate) cache_hits: AtomicU64,
    pub(crate) prompt_tokens: AtomicU64,
    pub(crate) generation_tokens: AtomicU64,
    pub(crate) finished: AtomicU64,
    pub(crate) first_token: Histogram,
    pub(crate) queued: Histogram,
}

impl Telemetry {
    /// Counts from nought again, as after a restart; what is under way stays so.
    pub(crate) fn restart(&self) {
        let counters = [&self.cache_queries, &self.cache_hits, &self.prompt_tokens];
        let others = [&self.generation_tokens, &self.finished];
        counters.into_iter().chain(others).for_each(|counter| counter.store(0, Ordering::Relaxed));
        for histogram in [&self.first_token, &self.queued] {
            *lock(&histogram.0) = Observations::default();
        }
    }
}

/// A gauge that is one higher while this lives.
#[derive(Debug)]
pub(crate) struct Raised<'a>(&'a AtomicI64);

impl<'a> Raised<'a> {
    /// Raises `gauge`.
    pub(crate) fn new(gauge: &'a AtomicI64) -> Self {
        gauge.fetch_add(1, Ordering::Relaxed);
        Self(gauge)
    }
}

impl Drop for Raised<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// A cumulative histogram of durations in seconds.
#[derive(Debug, Default)]
pub(crate) struct Histogram(Mutex<Observations>);

#[derive(Clone, Debug, Default)]
struct Observations {
    buckets: [u64; BOUNDS.len()],
    count: u64,
    sum: f64,
}

impl Histogram {
    /// Adds one observation.
    pub(crate) fn observe(&self, duration: Duration) {
        let seconds = duration.as_secs_f64();
        let mut seen = lock(&self.0);
        seen.count = seen.count.saturating_add(1);
        seen.sum += seconds;
        for (bucket, bound) in seen.buckets.iter_mut().zip(BOUNDS) {
            *bucket = bucket.saturating_add(u64::from(seconds <= bound));
        }
    }
}

/// A metrics page in Prometheus' text format under construction.
#[derive(Debug)]
pub(crate) struct Page {
    text: String,
    labels: String,
}

impl Page {
    /// An empty page whose samples carry vLLM's own labels.
    pub(crate) fn new(model: &str) -> Self {
        let labels = format!("engine=\"0\",model_name=\"{}\"", escaped(model));
        Self { text: String::new(), labels }
    }

    /// One sample with further labels, escaped here.
    pub(crate) fn sample(&mut self, kind: &str, name: &str, more: &[(&str, &str)], value: f64) {
        let labels = more.iter().fold(self.labels.clone(), |mut labels, (name, value)| {
            let _ = write!(labels, ",{name}=\"{}\"", escaped(value));
            labels
        });
        self.head(kind, name);
        let _ = writeln!(self.text, "vllm:{name}{{{labels}}} {value:?}");
    }

    /// When the process was started, in s since 1970, as Prometheus' Python client tells.
    pub(crate) fn started(&mut self, seconds: f64) {
        const NAME: &str = "process_start_time_seconds";
        let _ = writeln!(self.text, "# TYPE {NAME} gauge\n{NAME} {seconds:?}");
    }

    /// A whole histogram.
    pub(crate) fn histogram(&mut self, name: &str, histogram: &Histogram) {
        let seen = lock(&histogram.0).clone();
        self.head("histogram", name);
        let (text, labels) = (&mut self.text, &self.labels);
        for (bound, count) in BOUNDS.iter().zip(seen.buckets) {
            let _ = writeln!(text, "vllm:{name}_bucket{{{labels},le=\"{bound:?}\"}} {count}.0");
        }
        let _ = writeln!(text, "vllm:{name}_bucket{{{labels},le=\"+Inf\"}} {}.0", seen.count);
        let _ = writeln!(text, "vllm:{name}_count{{{labels}}} {}.0", seen.count);
        let _ = writeln!(text, "vllm:{name}_sum{{{labels}}} {:?}", seen.sum);
    }

    /// The finished page.
    pub(crate) fn finish(self) -> String {
        self.text
    }

    fn head(&mut self, kind: &str, name: &str) {
        let _ = writeln!(self.text, "# HELP vllm:{name} Simulated.");
        let _ = writeln!(self.text, "# TYPE vllm:{name} {kind}");
    }
}

fn escaped(value: &str) -> String {
    value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buckets_are_cumulative() {
        let histogram = Histogram::default();
        histogram.observe(Duration::from_millis(30));
        histogram.observe(Duration::from_secs(9999));
        let mut page = Page::new("m");
        page.histogram("t", &histogram);
        let text = page.finish();
        for line in [
            "vllm:t_bucket{engine=\"0\",model_name=\"m\",le=\"0.02\"} 0.0",
            "vllm:t_bucket{engine=\"0\",model_name=\"m\",le=\"0.04\"} 1.0",
            "vllm:t_bucket{engine=\"0\",model_name=\"m\",le=\"2560.0\"} 1.0",
            "vllm:t_bucket{engine=\"0\",model_name=\"m\",le=\"+Inf\"} 2.0",
            "vllm:t_count{engine=\"0\",model_name=\"m\"} 2.0",
        ] {
            assert!(text.lines().any(|found| found == line), "{line} in\n{text}");
        }
    }

    #[test]
    fn label_values_are_escaped() {
        let mut page = Page::new("a\"b\\c\nd");
        page.sample("gauge", "g", &[("l", "x\"y")], 1.0);
        assert!(page.finish().contains(r#"{engine="0",model_name="a\"b\\c\nd",l="x\"y"} 1.0"#));
    }
}
