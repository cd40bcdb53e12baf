//! Every address and port that there is to try.

use std::collections::BTreeMap;

use crate::error::Error;
use crate::stack::Stack;

/// What listens anywhere in the harness, and what people let listen by mistake.
pub(super) const PORTS: [u16; 16] =
    [22, 53, 80, 443, 2375, 5432, 6379, 8000, 8080, 8443, 9090, 9500, 9901, 10000, 10001, 10002];

/// `ADDRESS:PORT`, with what it is.
pub(super) type Targets = BTreeMap<String, String>;

/// Every address of every other container, with each of these ports.
///
/// # Errors
/// When the engine refuses.
pub(super) fn of_others(stack: &Stack, from: &str, ports: &[u16]) -> Result<Targets, Error> {
    let mut targets = Targets::new();
    for (service, networks) in stack.addresses()?.iter().filter(|(name, _)| *name != from) {
        for (network, address) in networks {
            for port in ports {
                targets.insert(format!("{address}:{port}"), format!("{service}({network}):{port}"));
            }
        }
    }
    Ok(targets)
}

/// The ports that the engine has published, at each address that the host has on the harness's networks.
///
/// # Errors
/// When the engine refuses.
pub(super) fn published(stack: &Stack) -> Result<Targets, Error> {
    let mut ports = Vec::new();
    for id in stack.containers()?.values() {
        let listed = stack.docker(&["port", id])?;
        ports
            .extend(listed.lines().filter_map(|line| line.rsplit_once(':')?.1.parse::<u16>().ok()));
    }
    let mut targets = Targets::new();
    for network in ["application", "inference", "data", "management", "sandbox"] {
        let found = stack.inspect("network", &stack.network(network))?;
        let gateway = found.pointer("/IPAM/Config/0/Gateway").and_then(|found| found.as_str());
        let gateway =
            gateway.ok_or_else(|| Error::unexpected("no gateway of a network", network))?;
        for port in &ports {
            targets.insert(format!("{gateway}:{port}"), format!("host({network}):{port}"));
        }
    }
    Ok(targets)
}

/// Which of the targets a container can connect to, by what they are.
///
/// # Errors
/// When the probe fails.
pub(super) fn open(stack: &Stack, from: &str, targets: &Targets) -> Result<Vec<String>, Error> {
    let mut words = vec!["scan", "--timeout-ms", "1000"];
    words.extend(targets.keys().map(String::as_str));
    let seen = stack.probe(from, &words)?;
    let open = seen["open"].as_array().cloned().unwrap_or_default();
    let name = |address: &str| targets.get(address).cloned().unwrap_or_else(|| address.to_owned());
    Ok(open.iter().filter_map(|address| address.as_str()).map(name).collect())
}

/// What each container can connect to, all at once.
///
/// # Errors
/// When `targets` or a probe fails.
pub(super) fn from_each(
    stack: &Stack,
    targets: impl Fn(&str) -> Result<Targets, Error> + Sync,
) -> Result<BTreeMap<String, Vec<String>>, Error> {
    let containers: Vec<String> = stack.containers()?.into_keys().collect();
    std::thread::scope(|scope| {
        let targets = &targets;
        let tried = containers
            .iter()
            .map(|from| (from, scope.spawn(move || open(stack, from, &targets(from)?))));
        let tried: Vec<_> = tried.collect();
        let ended = || Err(Error::unexpected("a scan", "ended early"));
        let joined = tried
            .into_iter()
            .map(|(from, thread)| Ok((from.clone(), thread.join().unwrap_or_else(|_| ended())?)));
        joined.collect()
    })
}
