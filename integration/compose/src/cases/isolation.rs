//! What must not be reachable, by name or by address.

use super::addresses::{self, PORTS, Targets};
use super::prometheus;
use crate::case::{Case, Seen, expect};
use crate::stack::{ENVOYS, LLAMA, QWEN, Stack};

pub(super) const CASES: [Case; 10] = [
    Case::new("negative", "application → a replica", NONE, |stack| {
        closed(stack, &[&LLAMA[..], &QWEN[..]].concat(), 8000, "envoy-a")
    }),
    Case::new("negative", "application → Redis", NONE, |stack| {
        closed(stack, &["redis"], 6379, "vector-store")
    }),
    Case::new("negative", "application → the sidecar", NONE, |stack| {
        closed(stack, &["sidecar"], 9500, "envoy-a")
    }),
    Case::new("negative", "application → the intake", NONE, |stack| {
        closed(stack, &ENVOYS, 10001, "sidecar")
    }),
    Case::new("negative", "application → the data zone", NONE, |stack| {
        closed(stack, &["vector-store"], 8000, "redis")
    }),
    Case::new("negative", "application → the secrets", NONE, |stack| {
        closed(stack, &["secrets"], 8000, "sidecar")
    }),
    Case::new("negative", "application → Prometheus", NONE, |stack| {
        prometheus::needed(stack)?;
        closed(stack, &["prometheus"], 9090, "sidecar")
    }),
    Case::new(
        "negative",
        "anywhere → Envoy's admin page",
        "no connection from any container; it answers inside Envoy's own",
        admin,
    ),
    Case::new(
        "lateral movement",
        "a compromised client scans all names, addresses and ports",
        "Envoy's public port and nothing else",
        client_scans,
    ),
    Case::new("lateral movement", "a tool's sandbox scans the same", "nothing", |stack| {
        let targets = everything(stack, "sandbox")?;
        let open = addresses::open(stack, "sandbox", &targets)?;
        expect(
            open.is_empty(),
            format!("{} of {} targets open {open:?}", open.len(), targets.len()),
        )
    }),
];

const NONE: &str = "no connection by name or address; one from where it is allowed";

/// No connection of the client's to the services' port, and one from where it is allowed, so that it is not
/// closed because nothing listens.
fn closed(stack: &Stack, services: &[&str], port: u16, allowed: &str) -> Seen {
    let mut targets = addresses::of_others(stack, "client", &[port])?;
    targets
        .retain(|_, name| services.iter().any(|service| name.starts_with(&format!("{service}("))));
    let by_name = services.iter().map(|name| (format!("{name}:{port}"), format!("{name}:{port}")));
    targets.extend(by_name);
    let open = addresses::open(stack, "client", &targets)?;
    let control = addresses::open(stack, allowed, &targets)?;
    let controls = |service: &&&str| {
        control.iter().any(|name| name.split(['(', ':']).next() == Some(**service))
    };
    let reached = services.iter().filter(controls).count();
    let seen = format!(
        "{} of {} targets open from the client {open:?}; {allowed} reaches {reached} of {}",
        open.len(),
        targets.len(),
        services.len()
    );
    expect(open.is_empty() && reached == services.len(), seen)
}

fn admin(stack: &Stack) -> Seen {
    let containers = stack.containers()?;
    let each = addresses::from_each(stack, |from| {
        let mut targets = addresses::of_others(stack, from, &[9901])?;
        targets.retain(|_, name| name.starts_with("envoy-"));
        Ok(targets)
    })?;
    let open: Vec<_> = each.into_iter().filter(|(_, open)| !open.is_empty()).collect();
    let state = stack.admin("envoy-a", "server_info", "GET")?;
    let seen = format!(
        "open from {} containers: {open:?}; inside: {}",
        containers.len(),
        state.contains("LIVE")
    );
    expect(open.is_empty() && state.contains("LIVE"), seen)
}

/// Every address and port of the others, by address and by name, and what the host has published.
fn everything(stack: &Stack, from: &str) -> Result<Targets, crate::error::Error> {
    let mut targets = addresses::of_others(stack, from, &PORTS)?;
    targets.extend(addresses::published(stack)?);
    for name in stack.containers()?.keys().filter(|name| *name != from) {
        let target = format!("{name}:8000");
        targets.insert(target.clone(), target);
    }
    Ok(targets)
}

fn client_scans(stack: &Stack) -> Seen {
    let targets = everything(stack, "client")?;
    let mut open = addresses::open(stack, "client", &targets)?;
    open.sort();
    let addresses = stack.addresses()?;
    let envoy = addresses.get("envoy-a").and_then(|own| own.get("application"));
    let envoy = envoy.cloned().unwrap_or_default();
    let all = stack.probe("client", &["scan", &format!("{envoy}:1-65535")])?;
    let wanted = ["envoy-a(application):10000", "envoy-b(application):10000"];
    let seen = format!(
        "{} targets: {open:?}; of all ports of an Envoy: {} {}",
        targets.len(),
        all["open"],
        all["count"]
    );
    expect(open == wanted && all["open"] == serde_json::json!([format!("{envoy}:10000")]), seen)
}
