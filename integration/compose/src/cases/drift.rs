//! The networks as they are against the table of `flows.json`.

use std::collections::BTreeSet;

use serde_json::Value;

use super::addresses;
use crate::case::{Case, Seen, Wrong, expect};
use crate::error::Error;
use crate::stack::{PROMETHEUS, Stack};

const GROUP: &str = "drift";

pub(super) const CASES: [Case; 3] = [
    Case::new(
        GROUP,
        "networks, members and published ports as the engine reports them",
        "what flows.json declares",
        as_reported,
    ),
    Case::new(
        GROUP,
        "every container tries every other one's ports",
        "the flows of flows.json are open, and no others",
        as_measured,
    ),
    Case::new(
        GROUP,
        "a client that someone has put into the inference network",
        "named, with the replicas that it reaches now; nothing differs once it is out again",
        is_noticed,
    ),
];

/// What is declared.
fn declared() -> Result<Value, Wrong> {
    let parsed = serde_json::from_str(include_str!("../../flows.json"));
    parsed.map_err(|error| Wrong::Harness(Error::unexpected("flows.json", error)))
}

/// What is declared of the containers that are there.
fn declared_here(stack: &Stack) -> Result<Value, Wrong> {
    let mut table = declared()?;
    if !stack.has_prometheus() {
        leave_out(&mut table, PROMETHEUS);
    }
    Ok(table)
}

/// The table without a service.
fn leave_out(table: &mut Value, service: &str) {
    for (_, network) in table["networks"].as_object_mut().into_iter().flatten() {
        if let Some(members) = network["members"].as_array_mut() {
            members.retain(|member| member != service);
        }
    }
    if let Some(flows) = table["flows"].as_array_mut() {
        flows.retain(|flow| flow["from"] != service && flow["to"] != service);
    }
}

/// The names that a name of the table stands for.
fn members(table: &Value, name: &str) -> Vec<String> {
    match table["groups"][name].as_array() {
        Some(names) => names.iter().filter_map(|name| name.as_str()).map(str::to_owned).collect(),
        None => vec![name.to_owned()],
    }
}

/// Facts, one a line, of the networks that are declared.
fn declared_facts(table: &Value) -> BTreeSet<String> {
    let mut facts = BTreeSet::new();
    for (network, about) in table["networks"].as_object().into_iter().flatten() {
        facts.insert(format!("{network} is internal: {}", about["internal"]));
        for member in about["members"].as_array().into_iter().flatten() {
            facts.insert(format!("{} is in {network}", member.as_str().unwrap_or_default()));
        }
    }
    for (service, ports) in table["published"].as_object().into_iter().flatten() {
        for (port, host) in ports.as_object().into_iter().flatten() {
            facts.insert(format!(
                "{service}:{port} is published on {}",
                host.as_str().unwrap_or_default()
            ));
        }
    }
    facts
}

/// The same facts as the engine reports them.
fn reported_facts(stack: &Stack) -> Result<BTreeSet<String>, Error> {
    let prefix = stack.network("");
    let filter = format!("label=com.docker.compose.project={}", stack.project());
    let networks =
        stack.docker(&["network", "ls", "--filter", &filter, "--format", "{{.Name}}"])?;
    let mut facts = BTreeSet::new();
    for name in networks.lines() {
        let network = stack.inspect("network", name)?;
        let name = name.strip_prefix(&prefix).unwrap_or(name);
        facts.insert(format!("{name} is internal: {}", network["Internal"]));
    }
    for (service, id) in stack.containers()? {
        let container = stack.inspect("container", &id)?;
        for (network, _) in
            container["NetworkSettings"]["Networks"].as_object().into_iter().flatten()
        {
            facts.insert(format!(
                "{service} is in {}",
                network.strip_prefix(&prefix).unwrap_or(network)
            ));
        }
        for (port, hosts) in container["NetworkSettings"]["Ports"].as_object().into_iter().flatten()
        {
            for host in hosts.as_array().into_iter().flatten() {
                let port = port.trim_end_matches("/tcp");
                facts.insert(format!(
                    "{service}:{port} is published on {}",
                    host["HostIp"].as_str().unwrap_or_default()
                ));
            }
        }
    }
    Ok(facts)
}

/// Flows, one a line, that are declared.
fn declared_flows(table: &Value) -> BTreeSet<String> {
    let mut flows = BTreeSet::new();
    for flow in table["flows"].as_array().into_iter().flatten() {
        let ends = |end: &str| members(table, flow[end].as_str().unwrap_or_default());
        for from in ends("from") {
            for to in ends("to").iter().filter(|to| **to != from) {
                flows.insert(format!("{from} → {to}:{}", flow["port"]));
            }
        }
    }
    flows
}

/// The flows that are open: each container tries every address of every other one, at once.
fn measured_flows(stack: &Stack, table: &Value) -> Result<BTreeSet<String>, Error> {
    let ports =
        table["ports"].as_object().into_iter().flatten().flat_map(|(_, ports)| ports.as_array());
    let mut ports: Vec<u16> =
        ports.flatten().filter_map(|port| u16::try_from(port.as_u64()?).ok()).collect();
    ports.sort_unstable();
    ports.dedup();
    let each = addresses::from_each(stack, |from| addresses::of_others(stack, from, &ports))?;
    // `envoy-a(inference):10000`
    let flow = |from: &str, to: &str| {
        let (service, rest) = to.split_once('(')?;
        Some(format!("{from} → {service}:{}", rest.rsplit_once(':')?.1))
    };
    let flows =
        each.iter().flat_map(|(from, open)| open.iter().filter_map(move |to| flow(from, to)));
    Ok(flows.collect())
}

/// What differs, a line each.
fn differences(declared: &BTreeSet<String>, found: &BTreeSet<String>) -> Vec<String> {
    let missing = declared.difference(found).map(|fact| format!("declared, not found: {fact}"));
    missing
        .chain(found.difference(declared).map(|fact| format!("found, not declared: {fact}")))
        .collect()
}

fn compared(what: &str, declared: &BTreeSet<String>, found: &BTreeSet<String>) -> Seen {
    let differ = differences(declared, found);
    match differ.is_empty() {
        true => Ok(format!("{} {what}, as declared", declared.len())),
        false => Err(Wrong::Seen(differ.join("\n"))),
    }
}

fn as_reported(stack: &Stack) -> Seen {
    compared("facts", &declared_facts(&declared_here(stack)?), &reported_facts(stack)?)
}

fn as_measured(stack: &Stack) -> Seen {
    let table = declared_here(stack)?;
    compared("flows", &declared_flows(&table), &measured_flows(stack, &table)?)
}

fn is_noticed(stack: &Stack) -> Seen {
    let table = declared_here(stack)?;
    let reported = || -> Result<Vec<String>, Error> {
        Ok(differences(&declared_facts(&table), &reported_facts(stack)?))
    };
    let (network, client) = (stack.network("inference"), stack.id("client")?);
    stack.docker(&["network", "connect", &network, &client])?;
    let during = reported();
    let flows = measured_flows(stack, &table);
    stack.docker(&["network", "disconnect", &network, &client])?;
    let (mut during, after) = (during?, reported()?);
    during.extend(differences(&declared_flows(&table), &flows?));
    let wanted = |text: &str| during.iter().any(|found| found == text);
    let named = wanted("found, not declared: client is in inference")
        && (1..=6)
            .all(|number| wanted(&format!("found, not declared: client → replica-{number}:8000")));
    let shown = during.join("\n");
    expect(
        named && after.is_empty(),
        format!("{shown}\nafterwards {} differences {after:?}", after.len()),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(facts: &[&str]) -> BTreeSet<String> {
        facts.iter().map(|fact| (*fact).to_owned()).collect()
    }

    #[test]
    fn what_differs_is_named_either_way() {
        let found = differences(&set(&["a", "b"]), &set(&["b", "c"]));
        assert_eq!(found, ["declared, not found: a", "found, not declared: c"]);
        assert!(differences(&set(&["a"]), &set(&["a"])).is_empty());
    }

    #[test]
    fn the_table_names_every_service_of_the_compose_file_and_no_other() {
        let table = declared().unwrap();
        let file = include_str!("../../docker-compose.yaml");
        let (_, services) = file.split_once("\nservices:\n").unwrap();
        let (services, _) = services.split_once("\nnetworks:\n").unwrap();
        let is_name = |line: &&str| line.starts_with("  ") && !line.starts_with("   ");
        let names = services.lines().filter(is_name).filter(|line| !line.trim().starts_with('#'));
        let services: BTreeSet<_> =
            names.map(|line| line.trim().split(':').next().unwrap().to_owned()).collect();
        let networks = table["networks"].as_object().unwrap().values();
        let members = networks.flat_map(|network| network["members"].as_array().unwrap());
        let members: BTreeSet<_> = members.map(|name| name.as_str().unwrap().to_owned()).collect();
        assert_eq!(services, members);
        for flow in table["flows"].as_array().unwrap() {
            for end in ["from", "to"] {
                for name in super::members(&table, flow[end].as_str().unwrap()) {
                    assert!(services.contains(&name), "{name}");
                }
            }
            let to = flow["to"].as_str().unwrap();
            assert!(table["ports"][to].as_array().unwrap().contains(&flow["port"]), "{flow}");
        }
    }

    #[test]
    fn a_service_that_is_left_out_has_no_networks_and_no_flows() {
        let mut table = declared().unwrap();
        let all = declared_flows(&table).len();
        leave_out(&mut table, PROMETHEUS);
        let flows = declared_flows(&table);
        assert!(flows.len() < all && flows.iter().all(|flow| !flow.contains(PROMETHEUS)));
        assert!(declared_facts(&table).iter().all(|fact| !fact.contains(PROMETHEUS)));
    }

    #[test]
    fn only_networks_with_a_member_in_common_have_flows() {
        let table = declared().unwrap();
        let together = |a: &str, b: &str| {
            table["networks"].as_object().unwrap().values().any(|network| {
                let members = network["members"].as_array().unwrap();
                [a, b].iter().all(|name| members.iter().any(|member| member == name))
            })
        };
        let flows = declared_flows(&table);
        assert!(flows.len() > 40);
        for flow in flows {
            let (from, to) = flow.split_once(" → ").unwrap();
            assert!(together(from, to.split(':').next().unwrap()), "{flow}");
        }
    }
}
