//! What a pool has left, all replicas together: what autoscalers go by.

use weir_snapshot::{EndpointReport, EndpointState, used_share};

/// The sums and means of a pool. What no replica tells is `None`.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct PoolLoad {
    /// Mean of the replicas that take requests, 1 for a full one; the rule of llm-d's saturation detector.
    pub(crate) saturation: Option<f64>,
    /// Requests in all queues.
    pub(crate) waiting: Option<u32>,
    /// Requests being served.
    pub(crate) running: Option<u32>,
    /// Mean share of the KV caches in use.
    pub(crate) kv_cache_use: Option<f64>,
    /// Mean use of the GPUs.
    pub(crate) gpu_use: Option<f64>,
    /// Replicas by state, in the order of [`EndpointState::ALL`].
    pub(crate) replicas: [u32; EndpointState::ALL.len()],
}

impl PoolLoad {
    /// Of what snapshots say of the replicas.
    pub(crate) fn of(reports: &[EndpointReport]) -> Self {
        let lives = || reports.iter().filter(|it| it.state != EndpointState::Unreachable);
        let takes = || reports.iter().filter(|it| it.state == EndpointState::Ready);
        let known = |it: &&EndpointReport| it.waiting.is_some() || it.kv_cache_use.is_some();
        let used = |it: &EndpointReport| used_share(it.waiting, it.kv_cache_use);
        let count = |state| reports.iter().filter(|it| it.state == state).map(|_| 1).sum();
        Self {
            saturation: mean(takes().filter(known).map(used)),
            waiting: sum(lives().filter_map(|it| it.waiting)),
            running: sum(lives().filter_map(|it| it.running)),
            kv_cache_use: mean(lives().filter_map(|it| it.kv_cache_use)),
            gpu_use: mean(lives().filter_map(|it| it.gpu_use)),
            replicas: EndpointState::ALL.map(count),
        }
    }
}

fn sum(mut values: impl Iterator<Item = u32>) -> Option<u32> {
    let first = values.next()?;
    Some(values.fold(first, u32::saturating_add))
}

fn mean(values: impl Iterator<Item = f64>) -> Option<f64> {
    let (count, sum) = values.fold((0_u32, 0.0), |(count, sum), value| (count + 1, sum + value));
    (count > 0).then(|| sum / f64::from(count))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(state: EndpointState, waiting: Option<u32>, kv: Option<f64>) -> EndpointReport {
        let mut report = EndpointReport::new("10.0.0.1:1", state);
        (report.waiting, report.kv_cache_use) = (waiting, kv);
        report
    }

    #[test]
    fn a_pool_is_the_mean_and_the_sum_of_what_its_replicas_tell() {
        use EndpointState::{Draining, Ready, Unreachable};
        assert_eq!(PoolLoad::of(&[]), PoolLoad::default());
        let load = PoolLoad::of(&[
            report(Ready, Some(10), Some(0.4)),
            report(Ready, Some(0), Some(0.4)),
            report(Ready, None, None),
            report(Draining, Some(5), Some(1.0)),
            report(Unreachable, Some(99), Some(1.0)),
        ]);
        assert_eq!(load.saturation, Some((2.0 + 0.5) / 2.0));
        assert_eq!((load.waiting, load.running), (Some(15), None));
        assert!((load.kv_cache_use.unwrap() - 0.6).abs() < 1e-9);
        assert_eq!(load.replicas, [3, 0, 1, 1]);
    }
}
