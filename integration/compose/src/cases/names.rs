//! Which names have addresses where.

use std::net::IpAddr;

use crate::case::{Case, Seen, expect};
use crate::stack::Stack;

const GROUP: &str = "DNS";

pub(super) const CASES: [Case; 3] = [
    Case::new(GROUP, "names of the own network", "private addresses only", own_names),
    Case::new(GROUP, "names of other networks", "no address", other_names),
    Case::new(
        GROUP,
        "a name outside, from the internal networks",
        "no address: a question is a way out, too",
        outside,
    ),
];

/// A container, and the names of its networks, and others.
const SEEN_FROM: [(&str, &[&str], &[&str]); 4] = [
    (
        "client",
        &["gateway", "envoy-a", "envoy-b"],
        &[
            "replica-1",
            "redis",
            "vector-store",
            "secrets",
            "sidecar",
            "sandbox",
            "envoy-a-management",
        ],
    ),
    (
        "replica-1",
        &["replica-6", "envoy-a", "sidecar"],
        &[
            "client",
            "redis",
            "vector-store",
            "secrets",
            "gateway",
            "envoy-a-application",
            "sidecar-management",
        ],
    ),
    ("redis", &["vector-store"], &["client", "replica-1", "envoy-a", "sidecar", "secrets"]),
    ("sandbox", &["sandbox"], &["client", "replica-1", "envoy-a", "gateway", "redis", "secrets"]),
];

fn addresses(
    stack: &Stack,
    from: &str,
    names: &[&str],
) -> Result<Vec<(String, Vec<IpAddr>)>, crate::error::Error> {
    let found = stack.probe(from, &[&["resolve"], names].concat())?;
    let parsed = |name: &&str| {
        let list = found[*name].as_array().cloned().unwrap_or_default();
        let list = list.iter().filter_map(|text| text.as_str()?.parse().ok()).collect();
        (format!("{from}: {name}"), list)
    };
    Ok(names.iter().map(parsed).collect())
}

fn is_private(address: &IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => address.is_private(),
        IpAddr::V6(address) => address.is_unique_local(),
    }
}

/// What all of these are, looked up in all containers at once.
fn all(
    stack: &Stack,
    names: &[(&str, &[&str])],
) -> Result<Vec<(String, Vec<IpAddr>)>, crate::error::Error> {
    std::thread::scope(|scope| {
        let asked = names.iter().map(|(from, names)| scope.spawn(|| addresses(stack, from, names)));
        let asked: Vec<_> = asked.collect();
        let ended = || Err(crate::error::Error::unexpected("a look-up", "ended early"));
        let found = asked.into_iter().map(|thread| thread.join().unwrap_or_else(|_| ended()));
        Ok(found.collect::<Result<Vec<_>, _>>()?.concat())
    })
}

fn own_names(stack: &Stack) -> Seen {
    let found = all(stack, &SEEN_FROM.map(|(from, own, _)| (from, own)))?;
    let right = |found: &[IpAddr]| !found.is_empty() && found.iter().all(is_private);
    let wrong: Vec<_> = found.iter().filter(|(_, found)| !right(found)).collect();
    let names = found.len();
    expect(
        wrong.is_empty(),
        format!("{names} names, {} without a private address {wrong:?}", wrong.len()),
    )
}

fn other_names(stack: &Stack) -> Seen {
    let found = all(stack, &SEEN_FROM.map(|(from, _, others)| (from, others)))?;
    let wrong: Vec<_> = found.iter().filter(|(_, found)| !found.is_empty()).collect();
    expect(
        wrong.is_empty(),
        format!("{} names, {} with an address {wrong:?}", found.len(), wrong.len()),
    )
}

fn outside(stack: &Stack) -> Seen {
    let names: &[&str] = &["example.com", "c2VjcmV0.example.com"];
    let containers = ["replica-1", "redis", "secrets", "sandbox", "sidecar"];
    let found = all(stack, &containers.map(|from| (from, names)))?;
    let wrong: Vec<_> = found.iter().filter(|(_, found)| !found.is_empty()).collect();
    let containers = containers.len();
    expect(
        wrong.is_empty(),
        format!("from {containers} containers: {} with an address {wrong:?}", wrong.len()),
    )
}
