//! `/status`: pools, replicas, gateways and sources at a glance, as JSON.

use std::collections::BTreeMap;

use hyper::StatusCode;
use serde::Serialize;
use tokio::time::Instant;
use weir_snapshot::{EndpointReport, EndpointState};

use super::page::{Page, PoolState, State};
use super::pools::summary;
use super::redis::{self, RedisStatus};
use crate::discover::Board;

/// All of it.
#[derive(Serialize)]
pub(super) struct Status {
    pub(super) version: &'static str,
    pub(super) pools: Vec<PoolStatus>,
    pub(super) gateways: Vec<GatewayStatus>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) gateway_sources: Vec<SourceStatus>,
    /// Through what is shared with other sidecars.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) redis: Option<RedisStatus>,
}

/// One pool.
#[derive(Serialize)]
pub(super) struct PoolStatus {
    pub(super) pool: String,
    pub(super) replicas: BTreeMap<&'static str, u32>,
    pub(super) saturation: Option<f64>,
    pub(super) waiting: Option<u32>,
    pub(super) running: Option<u32>,
    pub(super) kv_cache_use: Option<f64>,
    pub(super) gpu_use: Option<f64>,
    pub(super) predicted_ttft_seconds: Option<f64>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) sources: Vec<SourceStatus>,
    pub(super) endpoints: Vec<EndpointStatus>,
}

/// One replica.
#[derive(Serialize)]
pub(super) struct EndpointStatus {
    #[serde(flatten)]
    pub(super) report: EndpointReport,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) predicted_ttft_seconds: Option<f64>,
    /// What all gateways have under way there, if each says.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) in_flight: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) reason: Option<String>,
}

/// Where replicas or gateways are found.
#[derive(Serialize)]
pub(super) struct SourceStatus {
    pub(super) source: String,
    pub(super) found: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) error: Option<String>,
}

/// One gateway and pool.
#[derive(Serialize)]
pub(super) struct GatewayStatus {
    pub(super) gateway: String,
    pub(super) pool: String,
    /// Since a snapshot was taken.
    pub(super) age_ms: Option<u128>,
    /// Why it is behind, if it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) behind: Option<String>,
}

/// The page.
pub(super) fn page(state: &State, now: Instant) -> Page {
    Page::of(StatusCode::OK, &status(state, now))
}

/// What there is to show at `now`.
pub(super) fn status(state: &State, now: Instant) -> Status {
    let links = state.gateways.links();
    let gateways = links.iter().map(|link| GatewayStatus {
        gateway: link.gateway().to_owned(),
        pool: link.pool().to_owned(),
        age_ms: link.inspect(|status| {
            let accepted = status.accepted.as_ref()?;
            Some(now.saturating_duration_since(accepted.at).as_millis())
        }),
        behind: link.behind(now),
    });
    Status {
        version: env!("CARGO_PKG_VERSION"),
        pools: state.pools.iter().map(|pool| pool_status(state, pool, now)).collect(),
        gateways: gateways.collect(),
        gateway_sources: sources(&state.gateway_sources),
        redis: redis::status(state, now),
    }
}

fn pool_status(state: &State, pool: &PoolState, now: Instant) -> PoolStatus {
    let summary = summary(pool, now);
    let (mut endpoints, all) = (Vec::new(), state.gateways.in_flight_in(pool.pool.name()));
    pool.pool.each(now, |member, joined| {
        let mut report = member.report(now);
        joined.load.fill(&mut report);
        endpoints.push(EndpointStatus {
            in_flight: all.as_ref().map(|all| all.get(&report.address).copied().unwrap_or(0)),
            predicted_ttft_seconds: member.replica.predicted_ttft(),
            reason: member.replica.reason().map(|reason| reason.into_owned()),
            report,
        });
    });
    let counts = EndpointState::ALL.iter().zip(summary.load.replicas);
    PoolStatus {
        pool: pool.pool.name().to_owned(),
        replicas: counts.map(|(state, count)| (state.name(), count)).collect(),
        saturation: summary.load.saturation,
        waiting: summary.load.waiting,
        running: summary.load.running,
        kv_cache_use: summary.load.kv_cache_use,
        gpu_use: summary.load.gpu_use,
        predicted_ttft_seconds: summary.predicted_ttft,
        sources: sources(&pool.sources),
        endpoints,
    }
}

fn sources(board: &Board) -> Vec<SourceStatus> {
    let status = |shown: crate::discover::Shown| SourceStatus {
        source: shown.name,
        found: shown.found,
        error: shown.error,
    };
    board.shown().into_iter().map(status).collect()
}
