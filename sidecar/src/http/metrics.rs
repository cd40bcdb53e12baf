//! `/metrics`: what the sidecar counts.

use hyper::StatusCode;
use tokio::time::Instant;
use weir_snapshot::{EndpointFeedback, EndpointState};

use super::page::{Page, PoolState, State};
use super::{gpus, leases, pools, redis};
use crate::exposition::{CONTENT_TYPE, Exposition, Kind};
use crate::pool::Member;

/// All metrics in the Prometheus text format.
pub(super) fn page(state: &State, now: Instant) -> Page {
    let mut page = Exposition::default();
    page.family("weir_sidecar_info", Kind::Gauge, "Version of the sidecar; always 1.");
    page.sample("weir_sidecar_info", &[("version", env!("CARGO_PKG_VERSION"))], 1);
    page.family(
        "weir_sidecar_epoch_ms",
        Kind::Gauge,
        "Epoch of the snapshots: ms since 1970 at the start, greater after a take-over.",
    );
    page.sample("weir_sidecar_epoch_ms", &[], state.epoch());
    pools::page(&mut page, state, now);
    polls(&mut page, state);
    sources(&mut page, state);
    replicas(&mut page, state, now);
    gpus::sources(&mut page, state);
    gpus::replicas(&mut page, state, now);
    pushes(&mut page, state);
    gateways(&mut page, state, now);
    mismatches(&mut page, state, now);
    redis::metrics(&mut page, state, now);
    leases::metrics(&mut page, state);
    Page { status: StatusCode::OK, content_type: CONTENT_TYPE, body: page.into_text().into_bytes() }
}

fn polls(page: &mut Exposition, state: &State) {
    const TOTAL: &str = "weir_sidecar_polls_total";
    const SECONDS: &str = "weir_sidecar_poll_duration_seconds";
    page.family(TOTAL, Kind::Counter, "Polls of replicas by outcome.");
    for PoolState { pool, .. } in &state.pools {
        pool.inspect(|members, _| {
            for Member { replica, .. } in members {
                for (outcome, count) in replica.outcomes().filter(|(_, count)| *count > 0) {
                    let labels = [
                        ("pool", pool.name()),
                        ("endpoint", replica.address()),
                        ("outcome", outcome.name()),
                    ];
                    page.sample(TOTAL, &labels, count);
                }
            }
        });
    }
    page.family(SECONDS, Kind::Histogram, "How long polls took.");
    for PoolState { pool, .. } in &state.pools {
        pool.inspect(|_, durations| {
            page.histogram(SECONDS, &[("pool", pool.name())], durations);
        });
    }
    const DELAYED: &str = "weir_sidecar_polls_delayed_total";
    page.family(DELAYED, Kind::Counter, "Polls that waited because max_polls were under way.");
    page.sample(DELAYED, &[], state.slots.delayed());
}

/// Where replicas and gateways are found.
fn sources(page: &mut Exposition, state: &State) {
    const FOUND: &str = "weir_sidecar_source_found";
    const FAILURES: &str = "weir_sidecar_source_failures_total";
    const FAILING: &str = "weir_sidecar_source_failing";
    let pools = state.pools.iter().map(|pool| (pool.pool.name(), &pool.sources));
    let all: Vec<_> = pools
        .chain([("", &state.gateway_sources)])
        .flat_map(|(pool, board)| board.shown().into_iter().map(move |source| (pool, source)))
        .collect();
    page.family(FOUND, Kind::Gauge, "Replicas, or gateways (no pool), that a source names.");
    for (pool, source) in &all {
        if let Some(found) = source.found {
            page.sample(FOUND, &[("pool", pool), ("source", &source.name)], found);
        }
    }
    page.family(
        FAILING,
        Kind::Gauge,
        "1 for a source that cannot tell; what it said before holds.",
    );
    for (pool, source) in &all {
        let failing = u8::from(source.error.is_some());
        page.sample(FAILING, &[("pool", pool), ("source", &source.name)], failing);
    }
    page.family(FAILURES, Kind::Counter, "Times that a source could not tell.");
    for (pool, source) in &all {
        page.sample(FAILURES, &[("pool", pool), ("source", &source.name)], source.failures);
    }
}

fn replicas(page: &mut Exposition, state: &State, now: Instant) {
    const AGE: &str = "weir_sidecar_replica_age_seconds";
    const STATE: &str = "weir_sidecar_replica_state";
    const RESTARTS: &str = "weir_sidecar_replica_restarts_total";
    page.family(AGE, Kind::Gauge, "Time since the last good poll; absent if there was none.");
    each_replica(state, |pool, replica| {
        if let Some(age) = replica.report(now).age_ms {
            let seconds = std::time::Duration::from_millis(age).as_secs_f64();
            page.sample(AGE, &[("pool", pool), ("endpoint", replica.address())], seconds);
        }
    });
    page.family(STATE, Kind::Gauge, "1 for the state that the replica is in.");
    each_replica(state, |pool, replica| {
        for state in EndpointState::ALL {
            let labels = [("pool", pool), ("endpoint", replica.address()), ("state", state.name())];
            page.sample(STATE, &labels, u8::from(replica.state() == state));
        }
    });
    page.family(
        RESTARTS,
        Kind::Counter,
        "Restarts seen: another time of start, or counters that fell.",
    );
    each_replica(state, |pool, replica| {
        let labels = [("pool", pool), ("endpoint", replica.address())];
        page.sample(RESTARTS, &labels, replica.restarts());
    });
}

fn each_replica(state: &State, mut look: impl FnMut(&str, &crate::pool::Replica)) {
    for PoolState { pool, .. } in &state.pools {
        pool.inspect(|members, _| {
            members.iter().for_each(|member| look(pool.name(), &member.replica));
        });
    }
}

fn pushes(page: &mut Exposition, state: &State) {
    const TOTAL: &str = "weir_sidecar_pushes_total";
    const BYTES: &str = "weir_sidecar_pushed_bytes_total";
    const SECONDS: &str = "weir_sidecar_push_duration_seconds";
    page.family(TOTAL, Kind::Counter, "Pushes to gateways by outcome.");
    for link in &state.gateways.links() {
        link.inspect(|status| {
            for (outcome, count) in status.outcomes().filter(|(_, count)| *count > 0) {
                let labels = [
                    ("gateway", link.gateway()),
                    ("pool", link.pool()),
                    ("outcome", outcome.name()),
                ];
                page.sample(TOTAL, &labels, count);
            }
        });
    }
    page.family(BYTES, Kind::Counter, "Bytes of snapshots sent to gateways.");
    for link in &state.gateways.links() {
        let labels = [("gateway", link.gateway()), ("pool", link.pool())];
        page.sample(BYTES, &labels, link.inspect(|status| status.bytes));
    }
    page.family(SECONDS, Kind::Histogram, "How long pushes took.");
    for link in &state.gateways.links() {
        let labels = [("gateway", link.gateway()), ("pool", link.pool())];
        link.inspect(|status| page.histogram(SECONDS, &labels, &status.durations));
    }
}

fn gateways(page: &mut Exposition, state: &State, now: Instant) {
    const AGE: &str = "weir_sidecar_push_age_seconds";
    page.family(AGE, Kind::Gauge, "Time since a snapshot was taken; absent if none was.");
    for link in &state.gateways.links() {
        let labels = [("gateway", link.gateway()), ("pool", link.pool())];
        let at = link.inspect(|status| status.accepted.as_ref().map(|accepted| accepted.at));
        if let Some(at) = at {
            page.sample(AGE, &labels, now.saturating_duration_since(at).as_secs_f64());
        }
    }
    for (name, help, number) in UNDER_WAY {
        page.family(name, Kind::Gauge, help);
        for link in &state.gateways.links() {
            link.inspect(|status| {
                for endpoint in status.accepted.iter().flat_map(|accepted| &accepted.feedback) {
                    let labels = [
                        ("gateway", link.gateway()),
                        ("pool", link.pool()),
                        ("endpoint", endpoint.address.as_str()),
                    ];
                    page.sample(name, &labels, number(endpoint));
                }
            });
        }
    }
}

/// What a gateway says of one endpoint.
type Number = fn(&EndpointFeedback) -> u32;

/// What gateways have under way, as they said.
const UNDER_WAY: [(&str, &str, Number); 3] = [
    (
        "weir_sidecar_gateway_in_flight",
        "Requests that the gateway has under way, as it said.",
        |endpoint| endpoint.in_flight,
    ),
    (
        "weir_sidecar_gateway_prefill_tokens",
        "Uncached prompt tokens of the requests without a first token.",
        |endpoint| endpoint.prefill_tokens,
    ),
    (
        "weir_sidecar_gateway_decode_tokens",
        "Tokens of streams that decode: prompts, and what is expected to follow.",
        |endpoint| endpoint.decode_tokens,
    ),
];

fn mismatches(page: &mut Exposition, state: &State, now: Instant) {
    const UNSERVED: &str = "weir_sidecar_pool_unserved";
    const UNPUSHED: &str = "weir_sidecar_pool_unpushed";
    page.family(UNSERVED, Kind::Gauge, "1 for pools that are pushed and no policy names.");
    for gateway in &state.gateways.mismatches() {
        for pool in gateway.unserved(now) {
            page.sample(UNSERVED, &[("gateway", gateway.gateway()), ("pool", &pool)], 1);
        }
    }
    page.family(UNPUSHED, Kind::Gauge, "1 for pools that policies name and no sidecar pushes.");
    for gateway in &state.gateways.mismatches() {
        for pool in gateway.unpushed(now) {
            page.sample(UNPUSHED, &[("gateway", gateway.gateway()), ("pool", &pool)], 1);
        }
    }
}
