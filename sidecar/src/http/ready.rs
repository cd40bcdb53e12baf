//! `/readyz`: whether every gateway has a recent snapshot of every pool.

use hyper::StatusCode;
use serde::Serialize;
use tokio::time::Instant;

use super::page::{Page, State};
use crate::push::Link;

#[derive(Serialize)]
struct Readiness<'a> {
    ready: bool,
    reasons: Vec<Reason<'a>>,
}

#[derive(Serialize)]
struct Reason<'a> {
    gateway: &'a str,
    pool: &'a str,
    reason: String,
}

/// 200, or 503 with what is missing.
pub(super) fn page(state: &State, now: Instant) -> Page {
    let mut reasons: Vec<Reason<'_>> =
        state.links.iter().filter_map(|link| reason(link, now)).collect();
    if state.is_agent {
        let reason = state.gpus.unavailable(now);
        reasons.extend(reason.map(|reason| Reason { gateway: "", pool: "", reason }));
    }
    let ready = reasons.is_empty();
    let status = if ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    Page::of(status, &Readiness { ready, reasons })
}

fn reason(link: &Link, now: Instant) -> Option<Reason<'_>> {
    let reason = link.behind(now)?;
    Some(Reason { gateway: link.gateway(), pool: link.pool(), reason })
}
