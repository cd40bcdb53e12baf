//! `/readyz`: whether every gateway has a recent snapshot of every pool, and there is something useful in it.

use hyper::StatusCode;
use serde::Serialize;
use tokio::time::Instant;

use super::page::PoolState;
use super::page::{Page, State};
use crate::push::Link;
use weir_snapshot::EndpointState;

#[derive(Serialize)]
struct Readiness<'a> {
    ready: bool,
    reasons: Vec<Reason<'a>>,
}

#[derive(Serialize)]
struct Reason<'a> {
    #[serde(skip_serializing_if = "str::is_empty")]
    gateway: &'a str,
    pool: &'a str,
    reason: String,
}

/// 200, or 503 with what is missing.
pub(super) fn page(state: &State, now: Instant) -> Page {
    let links = state.gateways.links();
    let mut reasons: Vec<Reason<'_>> = state.pools.iter().filter_map(useless).collect();
    reasons.extend(links.iter().filter_map(|link| reason(link, now)));
    if links.is_empty() && !state.is_agent {
        let reason = "no gateway is known".to_owned();
        reasons.push(Reason { gateway: "", pool: "", reason });
    }
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

/// Why nothing that is known of a pool helps anybody.
fn useless(state: &PoolState) -> Option<Reason<'_>> {
    let pool = &state.pool;
    let live =
        |(all, live), state| (all + 1, live + u32::from(state != EndpointState::Unreachable));
    let states = pool.inspect(|members, _| {
        members.iter().map(|member| member.replica.state()).fold((0_u32, 0_u32), live)
    });
    let reason = match states {
        (0, _) => "no replica is known".to_owned(),
        (all, 0) => format!("none of {all} replicas can be reached"),
        _ => return None,
    };
    Some(Reason { gateway: "", pool: pool.name(), reason })
}
