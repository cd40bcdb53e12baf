//! Replicas and gateways that come and go: by file, by DNS.

use std::path::Path;
use std::time::Duration;

use hickory_resolver::proto::rr::RecordType;
use serde_json::Value;

use crate::support::{Dns, Intake, PATIENCE, Replica, Sidecar, eventually, vllm};

/// A configuration whose pool has `pool` beside its interval.
fn yaml(gateways: &str, pool: &str, more: &str) -> String {
    format!(
        "listen: 127.0.0.1:0\ngateways: [{gateways}]\n{more}\npools:\n  llama:\n    poll_interval: 10ms\n    \
         timeout: 500ms\n    {pool}\n"
    )
}

fn quoted(intake: &Intake) -> String {
    format!("'{}'", intake.target)
}

/// Addresses and states that `/snapshot` shows.
async fn shown(sidecar: &Sidecar) -> Vec<(String, String)> {
    let snapshot = sidecar.snapshot().await;
    let endpoints = snapshot["pools"][0]["endpoints"].as_array().unwrap().clone();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    endpoints.iter().map(|one| (text(&one["address"]), text(&one["state"]))).collect()
}

/// Waits until the replicas are these, in any order.
pub(crate) async fn become_these(sidecar: &Sidecar, what: &str, expected: &[(String, &str)]) {
    let mut expected: Vec<(String, String)> =
        expected.iter().map(|(address, state)| (address.clone(), (*state).to_owned())).collect();
    expected.sort();
    let mut last = Vec::new();
    let waiting = async {
        while last != expected {
            tokio::time::sleep(Duration::from_millis(5)).await;
            last = shown(sidecar).await;
            last.sort();
        }
    };
    let reached = tokio::time::timeout(PATIENCE, waiting).await;
    if reached.is_err() {
        let (_, status) = sidecar.get("/status").await;
        panic!("never: {what}: {expected:?}, but {last:?}: {status}");
    }
}

fn ready(replica: &Replica) -> (String, &'static str) {
    (replica.address.to_string(), "ready")
}

fn list(path: &Path, replicas: &[&Replica]) {
    let mut text = "endpoints:\n".to_owned();
    for replica in replicas {
        text.push_str(&format!("- address: {}\n", replica.address));
    }
    if replicas.is_empty() {
        text = "endpoints: []\n".to_owned();
    }
    std::fs::write(path, text).unwrap();
}

#[tokio::test]
async fn replicas_of_a_file_come_and_go_without_a_restart_and_the_others_keep_what_is_known() {
    let replicas = [
        Replica::start(vllm(1, 1)).await,
        Replica::start(vllm(2, 2)).await,
        Replica::start(vllm(3, 3)).await,
    ];
    let (intake, folder) = (Intake::tcp().await, tempfile::tempdir().unwrap());
    intake.busy(5);
    let file = folder.path().join("llama.yaml");
    let pool = format!("discover: [{{file: '{}'}}]", file.display());
    let sidecar = Sidecar::start(&yaml(&quoted(&intake), &pool, "")).await;
    // Nothing is known yet, so nothing is pushed.
    eventually("a failure", async || {
        let (_, metrics) = sidecar.get("/metrics").await;
        let failing = "weir_sidecar_source_failing{pool=\"llama\"";
        metrics.lines().any(|line| line.starts_with(failing) && line.ends_with(" 1")).then_some(())
    })
    .await;
    assert_eq!((intake.taken().len(), sidecar.get("/readyz").await.0), (0, 503));
    list(&file, &[&replicas[0], &replicas[1]]);
    become_these(&sidecar, "two", &[ready(&replicas[0]), ready(&replicas[1])]).await;
    let (epoch, polls) = (intake.next(1).await.epoch, replicas[1].polls());
    list(&file, &[&replicas[1], &replicas[2]]);
    let draining = (replicas[0].address.to_string(), "draining");
    become_these(
        &sidecar,
        "one drains",
        &[draining.clone(), ready(&replicas[1]), ready(&replicas[2])],
    )
    .await;
    let message = intake.next(1).await;
    assert_eq!(message.epoch, epoch);
    let of = |replica: &Replica| {
        let address = replica.address.to_string();
        message.endpoints.iter().find(|one| one.address == address).unwrap()
    };
    assert_eq!((of(&replicas[0]).state.name(), of(&replicas[0]).waiting), ("draining", Some(1)));
    assert_eq!(of(&replicas[1]).waiting, Some(2));
    assert!(replicas[1].polls() > polls && replicas[1].connections() == 1);
    // A file that cannot be used, or is gone, changes nothing.
    for broken in ["endpoints: [{address: nowhere}]", "endpoints: 3"] {
        std::fs::write(&file, broken).unwrap();
        eventually("the mistake", async || {
            let (_, status) = sidecar.get("/status").await;
            status.contains(file.to_str().unwrap()).then_some(())?;
            let status: Value = serde_json::from_str(&status).unwrap();
            status["pools"][0]["sources"][0]["error"].is_string().then_some(())
        })
        .await;
    }
    assert_eq!(shown(&sidecar).await.len(), 3);
    // Once nothing is under way there it is forgotten, and polled no more.
    intake.busy(0);
    become_these(&sidecar, "it is gone", &[ready(&replicas[1]), ready(&replicas[2])]).await;
    let polls = replicas[0].polls();
    intake.next(20).await;
    assert_eq!(replicas[0].polls(), polls);
    sidecar.daemon.stop().await;
}

#[tokio::test]
async fn a_replica_that_is_taken_away_and_dies_is_forgotten_at_once_and_one_that_comes_back_serves_again()
 {
    let (dead, back) = (Replica::start(vllm(1, 1)).await, Replica::start(vllm(2, 2)).await);
    let (intake, folder) = (Intake::tcp().await, tempfile::tempdir().unwrap());
    intake.busy(5);
    let file = folder.path().join("llama.yaml");
    list(&file, &[&dead, &back]);
    let pool = format!("discover: [{{file: '{}'}}]", file.display());
    let sidecar = Sidecar::start(&yaml(&quoted(&intake), &pool, "")).await;
    become_these(&sidecar, "two", &[ready(&dead), ready(&back)]).await;
    list(&file, &[]);
    let draining = |replica: &Replica| (replica.address.to_string(), "draining");
    become_these(&sidecar, "both drain", &[draining(&dead), draining(&back)]).await;
    drop(dead);
    become_these(&sidecar, "the dead one is gone", &[draining(&back)]).await;
    list(&file, &[&back]);
    become_these(&sidecar, "the other is back", &[ready(&back)]).await;
    assert_eq!(back.connections(), 1);
    sidecar.daemon.stop().await;
}

#[tokio::test]
async fn every_address_of_a_name_is_a_replica_and_its_ttl_says_when_it_is_looked_up_again() {
    let dns = Dns::start().await;
    let first = Replica::start(vllm(1, 1)).await;
    let port = first.address.port();
    let second = Replica::start_at(format!("127.0.0.2:{port}").parse().unwrap(), vllm(2, 2)).await;
    let intake = Intake::tcp().await;
    dns.addresses("vllm.test", 1, &[first.address.ip(), second.address.ip()]);
    dns.addresses("later.test", 3600, &[]);
    let pool =
        format!("endpoints: [{{address: 'vllm.test.:{port}'}}, {{address: 'later.test.:1'}}]");
    let more = format!("dns: {{servers: ['{}'], min_ttl: 100ms, max_ttl: 60m}}", dns.address);
    let sidecar = Sidecar::start(&yaml(&quoted(&intake), &pool, &more)).await;
    become_these(&sidecar, "two", &[ready(&first), ready(&second)]).await;
    dns.addresses("vllm.test", 1, &[second.address.ip()]);
    let gone = (first.address.to_string(), "draining");
    become_these(&sidecar, "one drains", &[gone, ready(&second)]).await;
    // A server that fails leaves what was known.
    dns.break_down(true);
    let asked = dns.queries("vllm.test");
    eventually("failed look-ups", async || (dns.queries("vllm.test") > asked + 4).then_some(()))
        .await;
    assert!(shown(&sidecar).await.contains(&(second.address.to_string(), "ready".to_owned())));
    dns.break_down(false);
    // Nor does one that fails for one type of records say that there are none.
    dns.break_type(Some(RecordType::A));
    let asked = dns.queries("vllm.test");
    eventually("failed look-ups", async || (dns.queries("vllm.test") > asked + 4).then_some(()))
        .await;
    assert!(shown(&sidecar).await.contains(&(second.address.to_string(), "ready".to_owned())));
    dns.break_type(None);
    dns.addresses("vllm.test", 1, &[first.address.ip(), second.address.ip()]);
    become_these(&sidecar, "both are back", &[ready(&first), ready(&second)]).await;
    sidecar.daemon.stop().await;
}

#[tokio::test]
async fn a_reload_while_a_source_is_out_of_reach_keeps_what_it_has_said() {
    let (dns, replica) = (Dns::start().await, Replica::start(vllm(1, 1)).await);
    let intake = Intake::tcp().await;
    let port: u16 = intake.target.rsplit(':').next().unwrap().parse().unwrap();
    for name in ["vllm.test", "envoy.test"] {
        dns.addresses(name, 1, &["127.0.0.1".parse().unwrap()]);
    }
    let pool = format!("discover: [{{dns: 'vllm.test.:{}'}}]", replica.address.port());
    let more = format!("dns: {{servers: ['{}'], min_ttl: 100ms}}", dns.address);
    let yaml = yaml(&format!("{{dns: 'envoy.test.:{port}'}}"), &pool, &more);
    let mut sidecar = Sidecar::start(&yaml).await;
    intake.next(2).await;
    dns.break_down(true);
    sidecar.reload(&yaml);
    let message = intake.next(3).await;
    assert_eq!(message.endpoints[0].address, replica.address.to_string());
    assert_eq!(shown(&sidecar).await, [ready(&replica)].map(|(at, it)| (at, it.to_owned())));
    let (_, metrics) = sidecar.get("/metrics").await;
    assert!(metrics.contains("weir_sidecar_source_found{pool=\"llama\""), "{metrics}");
    sidecar.daemon.stop().await;
}

#[tokio::test]
async fn a_name_with_a_long_ttl_is_not_asked_for_again() {
    let (dns, replica, intake) =
        (Dns::start().await, Replica::start(vllm(1, 1)).await, Intake::tcp().await);
    dns.addresses("vllm.test", 3600, &[replica.address.ip()]);
    let pool = format!("discover: [{{dns: 'vllm.test.:{}'}}]", replica.address.port());
    let more = format!("dns: {{servers: ['{}'], min_ttl: 100ms, max_ttl: 60m}}", dns.address);
    let sidecar = Sidecar::start(&yaml(&quoted(&intake), &pool, &more)).await;
    become_these(&sidecar, "one", &[ready(&replica)]).await;
    let asked = dns.queries("vllm.test");
    intake.next(50).await;
    assert_eq!(dns.queries("vllm.test"), asked);
    sidecar.daemon.stop().await;
}

#[tokio::test]
async fn targets_of_srv_records_are_replicas_with_their_ports_and_ipv6_where_there_is_no_ipv4() {
    let dns = Dns::start().await;
    let (first, second) = (
        Replica::start(vllm(1, 1)).await,
        Replica::start_at("[::1]:0".parse().unwrap(), vllm(2, 2)).await,
    );
    let intake = Intake::tcp().await;
    dns.addresses("a.test", 1, &[first.address.ip(), "::1".parse().unwrap()]);
    dns.addresses("b.test", 1, &[second.address.ip()]);
    let targets = [("a.test", first.address.port()), ("b.test", second.address.port())];
    dns.service("_http._tcp.vllm.test", 1, &targets);
    let more = format!("dns: {{servers: ['{}'], min_ttl: 100ms}}", dns.address);
    let pool = "discover: [{srv: _http._tcp.vllm.test.}]";
    let sidecar = Sidecar::start(&yaml(&quoted(&intake), pool, &more)).await;
    become_these(&sidecar, "both", &[ready(&first), ready(&second)]).await;
    dns.service("_http._tcp.vllm.test", 1, &targets[1..]);
    let gone = (first.address.to_string(), "draining");
    become_these(&sidecar, "one drains", &[gone, ready(&second)]).await;
    sidecar.daemon.stop().await;
}

#[tokio::test]
async fn gateways_are_found_by_name_and_get_a_full_snapshot_at_once() {
    let (dns, replica) = (Dns::start().await, Replica::start(vllm(1, 1)).await);
    let first = Intake::tcp().await;
    let port: u16 = first.target.rsplit(':').next().unwrap().parse().unwrap();
    let second = Intake::tcp_at(format!("127.0.0.2:{port}").parse().unwrap()).await;
    dns.addresses("envoy.test", 1, &["127.0.0.1".parse().unwrap()]);
    let more = format!("dns: {{servers: ['{}'], min_ttl: 100ms}}", dns.address);
    let pool = format!("endpoints: [{{address: '{}'}}]", replica.address);
    let gateways = format!("{{dns: 'envoy.test.:{port}'}}");
    let sidecar = Sidecar::start(&yaml(&gateways, &pool, &more)).await;
    first.next(2).await;
    assert_eq!(second.taken().len(), 0);
    dns.addresses("envoy.test", 1, &["127.0.0.1".parse().unwrap(), "127.0.0.2".parse().unwrap()]);
    let message = second.next(1).await;
    assert_eq!(message.endpoints[0].waiting, Some(1));
    // Each is told what the other has under way.
    first.busy(3);
    eventually("the others' load", async || {
        let message = second.taken().pop()?;
        (message.endpoints[0].in_flight_elsewhere == Some(3)).then_some(())
    })
    .await;
    dns.addresses("envoy.test", 1, &["127.0.0.2".parse().unwrap()]);
    eventually("one gateway", async || {
        let snapshot = sidecar.snapshot().await;
        (snapshot["gateways"].as_array()?.len() == 1).then_some(())
    })
    .await;
    let taken = first.taken().len();
    second.next(10).await;
    assert_eq!(first.taken().len(), taken);
    eventually("nothing elsewhere", async || {
        (second.taken().pop()?.endpoints[0].in_flight_elsewhere.is_none()).then_some(())
    })
    .await;
    sidecar.daemon.stop().await;
}
