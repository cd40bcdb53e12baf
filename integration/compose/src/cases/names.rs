//! Which names have addresses where.

use std::net::IpAddr;

use super::{Case, Seen, expect};
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

fn own_names(stack: &Stack) -> Seen {
    let (mut names, mut wrong) = (0, Vec::new());
    for (from, own, _) in SEEN_FROM {
        for (name, found) in addresses(stack, from, own)? {
            names += 1;
            if found.is_empty() || !found.iter().all(is_private) {
                wrong.push(format!("{name}: {found:?}"));
            }
        }
    }
    expect(
        wrong.is_empty(),
        format!("{names} names, {} without a private address {wrong:?}", wrong.len()),
    )
}

fn other_names(stack: &Stack) -> Seen {
    let (mut names, mut wrong) = (0, Vec::new());
    for (from, _, others) in SEEN_FROM {
        for (name, found) in addresses(stack, from, others)? {
            names += 1;
            if !found.is_empty() {
                wrong.push(format!("{name}: {found:?}"));
            }
        }
    }
    expect(wrong.is_empty(), format!("{names} names, {} with an address {wrong:?}", wrong.len()))
}

fn outside(stack: &Stack) -> Seen {
    let mut wrong = Vec::new();
    let containers = ["replica-1", "redis", "secrets", "sandbox", "sidecar"];
    for from in containers {
        let found = addresses(stack, from, &["example.com", "c2VjcmV0.example.com"])?;
        wrong.extend(found.into_iter().filter(|(_, found)| !found.is_empty()));
    }
    expect(
        wrong.is_empty(),
        format!("from {} containers: {} with an address {wrong:?}", containers.len(), wrong.len()),
    )
}
