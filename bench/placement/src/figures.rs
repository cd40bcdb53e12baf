//! From what came of each request to the figures that are reported.

use serde::Serialize;

use crate::player::Asked;

/// What was measured of one router under one load.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Figure {
    /// Sessions a second, and whether replicas are slow.
    pub(crate) row: &'static str,
    pub(crate) router: &'static str,
    pub(crate) requests: usize,
    /// Those without a whole answer; they are left out of what follows.
    pub(crate) failed: usize,
    /// Prompt tokens that replicas had cached, of all prompt tokens, as they reported.
    pub(crate) hit_rate: f64,
    /// Time to the first token in ms.
    pub(crate) mean_ms: f64,
    pub(crate) p50_ms: f64,
    pub(crate) p90_ms: f64,
    pub(crate) p99_ms: f64,
}

impl Figure {
    pub(crate) fn of(row: &'static str, router: &'static str, asked: &[Asked]) -> Self {
        let mut ttft: Vec<f64> =
            asked.iter().filter_map(|one| Some(one.ttft?.as_secs_f64() * 1000.0)).collect();
        ttft.sort_by(f64::total_cmp);
        let sum = |tokens: fn(&Asked) -> u64| asked.iter().map(tokens).sum::<u64>() as f64;
        let (prompt, cached) = (sum(|one| one.prompt_tokens), sum(|one| one.cached_tokens));
        Self {
            row,
            router,
            requests: asked.len(),
            failed: asked.len() - ttft.len(),
            hit_rate: rounded(cached / prompt.max(1.0), 1000.0),
            mean_ms: rounded(ttft.iter().sum::<f64>() / ttft.len().max(1) as f64, 10.0),
            p50_ms: quantile(&ttft, 0.5),
            p90_ms: quantile(&ttft, 0.9),
            p99_ms: quantile(&ttft, 0.99),
        }
    }
}

fn rounded(value: f64, steps: f64) -> f64 {
    (value * steps).round() / steps
}

/// The smallest of the ascending samples that a share of `quantile` of them does not exceed; 0 without any.
fn quantile(sorted: &[f64], quantile: f64) -> f64 {
    let rank = (sorted.len() as f64 * quantile).ceil() as usize;
    rounded(sorted.get(rank.saturating_sub(1)).copied().unwrap_or(0.0), 10.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn failures_are_counted_and_left_out() {
        let served = |ms| Asked {
            ttft: Some(Duration::from_millis(ms)),
            prompt_tokens: 100,
            cached_tokens: 40,
        };
        let mut asked: Vec<Asked> = (1..=100).map(served).collect();
        asked.push(Asked { ttft: None, prompt_tokens: 0, cached_tokens: 0 });
        let figure = Figure::of("4", "weir", &asked);
        assert_eq!((figure.requests, figure.failed, figure.hit_rate), (101, 1, 0.4));
        let times = [figure.mean_ms, figure.p50_ms, figure.p90_ms, figure.p99_ms];
        assert_eq!(times, [50.5, 50.0, 90.0, 99.0]);
        assert_eq!(Figure::of("4", "weir", &[]).hit_rate, 0.0);
    }
}
