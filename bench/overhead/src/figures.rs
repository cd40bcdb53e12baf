//! From samples to the figures that are reported.

use std::time::Duration;

use serde::Serialize;

use crate::setup::{ResponseKind, Setup};

/// What was measured of one setup with one size of body and one kind of response.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Figure {
    /// What was measured.
    pub(crate) setup: Setup,
    /// Size of the request bodies, in bytes.
    pub(crate) body_bytes: usize,
    /// What the requests asked for.
    pub(crate) response: ResponseKind,
    /// How many requests the figures come from.
    pub(crate) requests: u64,
    /// CPU time per request of all processes in the path but client and upstream, in µs: the
    /// median over the rounds, without what they take while nobody asks anything.
    pub(crate) cpu_us: f64,
    /// Half of the requests took at most this long, in µs.
    pub(crate) p50_us: f64,
    /// 99 % of the requests took at most this long, in µs.
    pub(crate) p99_us: f64,
}

/// The samples of one figure.
#[derive(Debug, Default)]
pub(crate) struct Cell {
    /// CPU time per request of each round, in µs.
    cpu_us: Vec<f64>,
    /// Latency of each request, in µs.
    latency_us: Vec<f64>,
}

impl Cell {
    /// Adds a round: the CPU time that all its requests took, and each one's latency.
    pub(crate) fn add(&mut self, cpu: Duration, latencies: Vec<Duration>) {
        if !latencies.is_empty() {
            self.cpu_us.push(microseconds(cpu) / latencies.len() as f64);
        }
        self.latency_us.extend(latencies.into_iter().map(microseconds));
    }

    /// CPU time per request in µs: the median over the rounds.
    pub(crate) fn cpu_us(&self) -> f64 {
        quantile(&self.cpu_us, 0.5)
    }

    /// The figure of all rounds.
    pub(crate) fn figure(&self, setup: Setup, body_bytes: usize, response: ResponseKind) -> Figure {
        Figure {
            setup,
            body_bytes,
            response,
            requests: self.latency_us.len() as u64,
            cpu_us: rounded(self.cpu_us()),
            p50_us: rounded(quantile(&self.latency_us, 0.5)),
            p99_us: rounded(quantile(&self.latency_us, 0.99)),
        }
    }
}

fn microseconds(time: Duration) -> f64 {
    time.as_secs_f64() * 1e6
}

/// To a tenth, which is finer than any of the figures repeats.
fn rounded(value: f64) -> f64 {
    (value * 10.0).round() / 10.0
}

/// The smallest sample that a share of `quantile` of all samples does not exceed; 0 without any.
fn quantile(samples: &[f64], quantile: f64) -> f64 {
    let mut samples = samples.to_vec();
    samples.sort_by(f64::total_cmp);
    let rank = (samples.len() as f64 * quantile).ceil() as usize;
    samples.get(rank.saturating_sub(1)).copied().unwrap_or(0.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_samples() {
        let samples: Vec<f64> = (1..=200).rev().map(f64::from).collect();
        assert_eq!(quantile(&samples, 0.5), 100.0);
        assert_eq!(quantile(&samples, 0.99), 198.0);
        assert_eq!(quantile(&[7.0], 0.99), 7.0);
        assert_eq!(quantile(&[], 0.5), 0.0);
    }

    #[test]
    fn a_disturbed_round_does_not_move_the_figure() {
        let mut cell = Cell::default();
        for cpu_ms in [3, 3, 90] {
            let latencies = vec![Duration::from_micros(50); 100];
            cell.add(Duration::from_millis(cpu_ms), latencies);
        }
        let figure = cell.figure(Setup::Chain, 1024, ResponseKind::Json);
        assert_eq!((figure.requests, figure.cpu_us, figure.p50_us), (300, 30.0, 50.0));
    }

    #[test]
    fn the_json_has_the_promised_fields() {
        let figure = Cell::default().figure(Setup::ExtProc, 1024, ResponseKind::Sse);
        let json = serde_json::to_value(figure).unwrap();
        let expected = serde_json::json!({
            "setup": "ext_proc", "body_bytes": 1024, "response": "sse", "requests": 0,
            "cpu_us": 0.0, "p50_us": 0.0, "p99_us": 0.0,
        });
        assert_eq!(json, expected);
    }
}
