//! What is shown of the way to Redis.

use serde::Serialize;
use tokio::time::Instant;

use super::page::{PoolState, State};
use crate::exposition::{Exposition, Kind};

/// Part of `/status`.
#[derive(Serialize)]
pub(super) struct RedisStatus {
    pub(super) up: bool,
    /// Since when.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) up_for_ms: Option<u128>,
    /// Other sidecars whose load is known.
    pub(super) peers: usize,
    /// Why it is not up.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) error: Option<String>,
}

/// The way to Redis at `now`; `None` where nothing is shared.
pub(super) fn status(state: &State, now: Instant) -> Option<RedisStatus> {
    let view = state.redis.as_ref()?.health().view();
    let up_for = view.up_since.map(|since| now.saturating_duration_since(since).as_millis());
    let error = view.error.or_else(|| up_for.is_none().then(|| "not connected yet".to_owned()));
    let peers = state.gateways.peers().map_or(0, |peers| peers.count(now));
    Some(RedisStatus { up: up_for.is_some(), up_for_ms: up_for, peers, error })
}

/// What is counted of it.
pub(super) fn metrics(page: &mut Exposition, state: &State, now: Instant) {
    const UP: &str = "weir_sidecar_redis_up";
    const PEERS: &str = "weir_sidecar_redis_peers";
    const CONNECTIONS: &str = "weir_sidecar_redis_connections_total";
    const COMMANDS: &str = "weir_sidecar_redis_commands_total";
    const ERRORS: &str = "weir_sidecar_redis_errors_total";
    const SECONDS: &str = "weir_sidecar_redis_round_trip_seconds";
    let Some(redis) = &state.redis else { return };
    let view = redis.health().view();
    page.family(UP, Kind::Gauge, "1 if Redis answered the last exchange as it should.");
    page.sample(UP, &[], u8::from(redis.health().is_up()));
    page.family(PEERS, Kind::Gauge, "Other sidecars whose load is known through Redis.");
    page.sample(PEERS, &[], state.gateways.peers().map_or(0, |peers| peers.count(now)));
    page.family(CONNECTIONS, Kind::Counter, "Connections to Redis that were made.");
    page.sample(CONNECTIONS, &[], view.connections);
    page.family(COMMANDS, Kind::Counter, "Commands that were sent to Redis.");
    page.sample(COMMANDS, &[], view.commands);
    page.family(ERRORS, Kind::Counter, "Failures of connections and exchanges by kind.");
    for (failure, count) in view.failures() {
        page.sample(ERRORS, &[("kind", failure.name())], count);
    }
    page.family(SECONDS, Kind::Histogram, "How long good exchanges with Redis took.");
    page.histogram(SECONDS, &[], &view.round_trips);
    prefixes(page, state);
}

fn prefixes(page: &mut Exposition, state: &State) {
    const TOTAL: &str = "weir_sidecar_shared_prefixes_total";
    page.family(
        TOTAL,
        Kind::Counter,
        "Replies with what was learned of prefix caches: of gateways here, of other sidecars, lost.",
    );
    for PoolState { pool, prefixes, .. } in &state.pools {
        let Some(counts) = prefixes.as_ref().map(|log| log.counts()) else { continue };
        for (what, count) in [("own", counts.own), ("others", counts.others), ("lost", counts.lost)]
        {
            page.sample(TOTAL, &[("pool", pool.name()), ("what", what)], count);
        }
    }
}
