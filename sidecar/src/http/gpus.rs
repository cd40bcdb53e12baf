//! What is shown of GPUs: the agent's page, and what the sidecar knows of each replica's.

use hyper::StatusCode;
use tokio::time::Instant;

use super::page::{Page, PoolState, State};
use crate::exposition::{CONTENT_TYPE, Exposition, Kind};
use crate::gpu::{Joined, write_page};

/// The agent's page: every GPU under the names of the DCGM exporter.
pub(super) fn agent_page(state: &State, now: Instant) -> Page {
    const AVAILABLE: &str = "weir_agent_gpu_available";
    let mut page = Exposition::default();
    let available = state.gpus.unavailable(now).is_none();
    page.family(AVAILABLE, Kind::Gauge, "1 if NVML tells of GPUs; else the log says why not.");
    page.sample(AVAILABLE, &[], u8::from(available));
    write_page(&mut page, &state.gpus.readings(now));
    Page { status: StatusCode::OK, content_type: CONTENT_TYPE, body: page.into_text().into_bytes() }
}

/// Looks at the sources.
pub(super) fn sources(page: &mut Exposition, state: &State) {
    const TOTAL: &str = "weir_sidecar_gpu_polls_total";
    page.family(TOTAL, Kind::Counter, "Looks at pages of GPUs, and at NVML, by outcome.");
    state.gpus.inspect(|source| {
        for (outcome, count) in source.outcomes().filter(|(_, count)| *count > 0) {
            page.sample(TOTAL, &[("source", &source.name), ("outcome", outcome.name())], count);
        }
    });
}

/// A value of one replica's GPUs, if it is known.
type Value = fn(&Joined) -> Option<f64>;

const GAUGES: [(&str, &str, Value); 9] = [
    ("weir_sidecar_replica_gpus", "GPUs and instances that were found of the replica.", |it| {
        u32::try_from(it.found).ok().map(f64::from)
    }),
    ("weir_sidecar_replica_gpu_use_ratio", "Use of its busiest GPU.", |it| it.load.gpu_use),
    ("weir_sidecar_replica_gpu_memory_use_ratio", "Use of its GPUs' memory.", |it| {
        it.load.memory_use
    }),
    ("weir_sidecar_replica_gpu_temperature_celsius", "Its hottest GPU.", |it| {
        it.load.temperature.map(f64::from)
    }),
    ("weir_sidecar_replica_gpu_power_watts", "What its GPUs take.", |it| {
        it.load.power.map(f64::from)
    }),
    ("weir_sidecar_replica_gpu_throttled", "1 if heat or power slows one down.", |it| {
        it.load.throttled.map(|yes| u8::from(yes).into())
    }),
    (
        "weir_sidecar_replica_gpu_throttle_reasons",
        "Why clocks are low, as NVML's bits; 4, the power cap, is usual under load.",
        |it| u32::try_from(it.load.throttle_reasons?).ok().map(f64::from),
    ),
    ("weir_sidecar_replica_gpu_xid", "Its last Xid; 0 for none.", |it| it.load.xid.map(f64::from)),
    ("weir_sidecar_replica_gpu_failed", "1 if one has failed.", |it| {
        it.load.failed.map(|yes| u8::from(yes).into())
    }),
];

/// The GPUs of every replica, where the configuration has sources.
pub(super) fn replicas(page: &mut Exposition, state: &State, now: Instant) {
    if !state.gpus.has_sources() {
        return;
    }
    let mut known = Vec::new();
    for PoolState { pool, .. } in &state.pools {
        // The names are needed once more for each gauge.
        pool.each(now, |member, joined| {
            known.push((pool.name(), member.replica.address().to_owned(), joined.clone()));
        });
    }
    for (name, help, value) in GAUGES {
        page.family(name, Kind::Gauge, help);
        for (pool, address, joined) in &known {
            if let Some(value) = value(joined) {
                page.sample(name, &[("pool", pool), ("endpoint", address)], value);
            }
        }
    }
}
