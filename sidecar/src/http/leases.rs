//! What is shown of limits that are one for a whole fleet.

use super::page::State;
use crate::exposition::{Exposition, Kind};
use crate::leases::{LeaseSums, Leases};

/// What gateways have leased, limit by limit. Amounts are in tokens, requests, or 10⁻¹² of the currency.
pub(super) fn metrics(page: &mut Exposition, state: &State) {
    const REACHABLE: &str = "weir_sidecar_fleet_reachable";
    const GATEWAYS: &str = "weir_sidecar_fleet_gateways";
    let Some(leases) = &state.leases else { return };
    page.family(
        REACHABLE,
        Kind::Gauge,
        "1 if limits of the fleet go by Redis, 0 if by on_unavailable.",
    );
    page.sample(REACHABLE, &[], u8::from(leases.is_reachable()));
    page.family(GATEWAYS, Kind::Gauge, "Gateways of all sidecars that share limits.");
    page.sample(GATEWAYS, &[], leases.gateways());
    sums(page, &leases.sums());
    commands(page, leases);
}

/// What this sidecar's gateways have of each limit.
fn sums(page: &mut Exposition, sums: &[LeaseSums]) {
    family(
        page,
        sums,
        "weir_sidecar_limit_keys",
        Kind::Gauge,
        "Keys in use at this sidecar's gateways.",
        |sum| sum.keys,
    );
    family(
        page,
        sums,
        "weir_sidecar_limit_outstanding",
        Kind::Gauge,
        "What they were granted and have not used.",
        |sum| sum.whole(sum.outstanding),
    );
    family(
        page,
        sums,
        "weir_sidecar_limit_overdrawn_total",
        Kind::Counter,
        "What was used without a grant.",
        |sum| sum.whole(sum.overdrawn),
    );
    family(
        page,
        sums,
        "weir_sidecar_limit_overshoot_bound",
        Kind::Gauge,
        "The most that first grants of one key can be over its limit.",
        |sum| sum.whole(sum.bound),
    );
}

/// What people have asked for.
fn commands(page: &mut Exposition, leases: &Leases) {
    const COMMANDS: &str = "weir_sidecar_limit_commands_total";
    const REFUSED: &str = "weir_sidecar_limit_commands_refused_total";
    let (counts, refused) = leases.commands();
    page.family(
        COMMANDS,
        Kind::Counter,
        "Commands of people for keys of limits, repeated ones too.",
    );
    for ((limit, action), count) in &counts {
        page.sample(COMMANDS, &[("limit", limit), ("action", action)], count);
    }
    page.family(REFUSED, Kind::Counter, "Requests for /limits that were refused.");
    page.sample(REFUSED, &[], refused);
}

fn family(
    page: &mut Exposition,
    sums: &[LeaseSums],
    name: &'static str,
    kind: Kind,
    help: &'static str,
    value: impl Fn(&LeaseSums) -> u64,
) {
    page.family(name, kind, help);
    for sum in sums {
        page.sample(name, &[("limit", &sum.limit), ("measure", &sum.measure)], value(sum));
    }
}
