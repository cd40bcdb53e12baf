//! `/snapshot`: what is known now, as JSON.

use hyper::StatusCode;
use serde::Serialize;
use tokio::time::Instant;
use weir_snapshot::{EndpointFeedback, EndpointReport};

use super::page::PoolState;
use super::page::{Page, State};
use crate::push::{Link, Status};

#[derive(Serialize)]
struct View<'a> {
    epoch: u64,
    pools: Vec<PoolView<'a>>,
    gateways: Vec<LinkView<'a>>,
}

#[derive(Serialize)]
struct PoolView<'a> {
    pool: &'a str,
    /// Number of the newest snapshot; 0 before the first.
    sequence: u64,
    endpoints: Vec<EndpointView>,
}

#[derive(Serialize)]
struct EndpointView {
    #[serde(flatten)]
    report: EndpointReport,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
    /// Why nothing is known of its GPUs, where something should be.
    #[serde(skip_serializing_if = "Option::is_none")]
    gpu_unavailable: Option<&'static str>,
}

#[derive(Serialize)]
struct LinkView<'a> {
    gateway: &'a str,
    pool: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    taken: Option<TakenView>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
}

#[derive(Serialize)]
struct TakenView {
    sequence: u64,
    age_ms: u128,
    endpoints: Vec<EndpointFeedback>,
}

/// The state of every replica and gateway.
pub(super) fn page(state: &State, now: Instant) -> Page {
    let links = state.gateways.links();
    let view = View {
        epoch: state.epoch(),
        pools: state.pools.iter().map(|pool| pool_view(pool, now)).collect(),
        gateways: links.iter().map(|link| link_view(link, now)).collect(),
    };
    Page::of(StatusCode::OK, &view)
}

fn pool_view(PoolState { pool, newest, .. }: &PoolState, now: Instant) -> PoolView<'_> {
    let sequence = newest.borrow().as_ref().map_or(0, |snapshot| snapshot.sequence);
    let mut endpoints = Vec::new();
    pool.each(now, |member, joined| {
        let mut report = member.report(now);
        joined.load.fill(&mut report);
        endpoints.push(EndpointView {
            report,
            reason: member.replica.reason().map(|reason| reason.into_owned()),
            gpu_unavailable: joined.reason,
        });
    });
    PoolView { pool: pool.name(), sequence, endpoints }
}

fn link_view(link: &Link, now: Instant) -> LinkView<'_> {
    let (taken, error) = link.inspect(|status| (taken_view(status, now), status.error.clone()));
    LinkView { gateway: link.gateway(), pool: link.pool(), taken, error }
}

fn taken_view(status: &Status, now: Instant) -> Option<TakenView> {
    let accepted = status.accepted.as_ref()?;
    Some(TakenView {
        sequence: accepted.sequence,
        age_ms: now.saturating_duration_since(accepted.at).as_millis(),
        endpoints: accepted.feedback.clone(),
    })
}
