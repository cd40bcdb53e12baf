//! What autoscalers go by: the load of each pool and replica.

use tokio::time::Instant;
use weir_snapshot::{EndpointReport, EndpointState, used_share};

use super::page::{PoolState, State};
use crate::exposition::{Exposition, Kind};
use crate::pool::PoolLoad;

/// One replica as it is shown.
struct Shown {
    report: EndpointReport,
    predicted_ttft: Option<f64>,
}

/// What is known of one pool at one moment.
pub(super) struct Summary<'a> {
    pub(super) pool: &'a str,
    pub(super) load: PoolLoad,
    /// Seconds until the first token of the next request, at the replica where that is soonest.
    pub(super) predicted_ttft: Option<f64>,
    replicas: Vec<Shown>,
}

/// The load of one pool at `now`.
pub(super) fn summary(PoolState { pool, .. }: &PoolState, now: Instant) -> Summary<'_> {
    let mut replicas = Vec::new();
    pool.each(now, |member, joined| {
        let mut report = member.report(now);
        joined.load.fill(&mut report);
        replicas.push(Shown { report, predicted_ttft: member.replica.predicted_ttft() });
    });
    let reports: Vec<EndpointReport> = replicas.iter().map(|one| one.report.clone()).collect();
    let serving = replicas.iter().filter(|one| one.report.state == EndpointState::Ready);
    let predicted_ttft = serving.filter_map(|one| one.predicted_ttft).reduce(f64::min);
    Summary { pool: pool.name(), load: PoolLoad::of(&reports), predicted_ttft, replicas }
}

/// A value of a pool.
type OfPool = fn(&Summary<'_>) -> Option<f64>;

const OF_POOL: [(&str, &str, OfPool); 6] = [
    (
        "weir_pool_saturation_ratio",
        "Mean of its ready replicas, 1 where all are full: the larger of queue / 5 and KV cache use / 0.8.",
        |it| it.load.saturation,
    ),
    ("weir_pool_queue_depth", "Requests in the queues of all its replicas.", |it| {
        it.load.waiting.map(f64::from)
    }),
    ("weir_pool_running_requests", "Requests that its replicas are serving.", |it| {
        it.load.running.map(f64::from)
    }),
    (
        "weir_pool_predicted_ttft_seconds",
        "Time to the first token of the next request, at the replica where it is shortest.",
        |it| it.predicted_ttft,
    ),
    ("weir_pool_kv_cache_use_ratio", "Mean use of its replicas' KV caches.", |it| {
        it.load.kv_cache_use
    }),
    ("weir_pool_gpu_use_ratio", "Mean use of its replicas' GPUs.", |it| it.load.gpu_use),
];

/// A value of a replica.
type OfReplica = fn(&Shown) -> Option<f64>;

const OF_REPLICA: [(&str, &str, OfReplica); 6] = [
    (
        "weir_replica_saturation_ratio",
        "How full it is: the larger of queue / 5 and KV cache use / 0.8.",
        |it| {
            let EndpointReport { waiting, kv_cache_use, .. } = it.report;
            let known = waiting.is_some() || kv_cache_use.is_some();
            known.then(|| used_share(waiting, kv_cache_use))
        },
    ),
    ("weir_replica_queue_depth", "Requests in its queue.", |it| it.report.waiting.map(f64::from)),
    ("weir_replica_running_requests", "Requests that it is serving.", |it| {
        it.report.running.map(f64::from)
    }),
    (
        "weir_replica_predicted_ttft_seconds",
        "Time to the first token of the next request: its queue at the rate of first tokens, and what it takes after it.",
        |it| it.predicted_ttft,
    ),
    ("weir_replica_kv_cache_use_ratio", "Use of its KV cache.", |it| it.report.kv_cache_use),
    ("weir_replica_gpu_use_ratio", "Use of its busiest GPU.", |it| it.report.gpu_use),
];

/// Everything that is known of the load.
pub(super) fn page(page: &mut Exposition, state: &State, now: Instant) {
    const REPLICAS: &str = "weir_pool_replicas";
    let all: Vec<Summary<'_>> = state.pools.iter().map(|pool| summary(pool, now)).collect();
    for (name, help, value) in OF_POOL {
        page.family(name, Kind::Gauge, help);
        for one in &all {
            if let Some(value) = value(one) {
                page.sample(name, &[("pool", one.pool)], value);
            }
        }
    }
    page.family(REPLICAS, Kind::Gauge, "Replicas by state.");
    for one in &all {
        for (state, count) in EndpointState::ALL.iter().zip(one.load.replicas) {
            page.sample(REPLICAS, &[("pool", one.pool), ("state", state.name())], count);
        }
    }
    for (name, help, value) in OF_REPLICA {
        page.family(name, Kind::Gauge, help);
        for (one, replica) in
            all.iter().flat_map(|one| one.replicas.iter().map(move |it| (one, it)))
        {
            if let Some(value) = value(replica) {
                let labels = [("pool", one.pool), ("endpoint", replica.report.address.as_str())];
                page.sample(name, &labels, value);
            }
        }
    }
}
