//! What it costs that a replica may not serve as it seems to: that requests fail there, that streams wait in
//! vain, that the sidecar cannot measure it as it should.

use weir_snapshot::{EndpointRecord, EndpointState};

use crate::outstanding::OwnLoad;

/// Cost of a replica whose measurements are flawed, in µs: 20 ms, some two decode steps. So much decides between
/// equals, and no more.
const DEGRADED_US: u64 = 20_000;
/// Cost of each ms by which its last good measurement is older, in µs: half of what has passed. One poll that is
/// missed costs 50 ms.
const DEGRADED_US_PER_MS: u64 = 500;
/// Age, in ms, from which it costs no more, and that of one which was never measured: 20 s.
const MOST_AGE_MS: u64 = 20_000;

/// What doubts of an endpoint cost, in µs. `view_age_ms`: since the view came.
pub(super) fn doubt_us(
    record: &EndpointRecord,
    own: &OwnLoad,
    now_ns: u64,
    view_age_ms: u64,
) -> u64 {
    let own_us = own.health.cost_us(now_ns).saturating_add(own.silence_us(now_ns));
    if record.state == EndpointState::Degraded {
        own_us.saturating_add(degraded_us(record.age_ms, view_age_ms))
    } else {
        own_us
    }
}

#[cold]
fn degraded_us(age_ms: Option<u32>, view_age_ms: u64) -> u64 {
    let age_ms = age_ms.map_or(MOST_AGE_MS, |age| u64::from(age).saturating_add(view_age_ms));
    DEGRADED_US + age_ms.min(MOST_AGE_MS) * DEGRADED_US_PER_MS
}
