//! What the snapshots say of replicas that do well or badly.

use std::time::Duration;

use serde_json::Value;

use crate::support::{Behaviour, Intake, Replica, Sidecar, eventually, vllm, yaml};

#[tokio::test]
async fn a_replica_is_reported_as_its_page_says_and_follows_it() {
    let replica = Replica::start(vllm(3, 7)).await;
    let intake = Intake::tcp().await;
    let sidecar = Sidecar::start(&yaml(&[replica.address], &[&intake.target], "")).await;
    let message = intake.next(1).await;
    assert_eq!((message.pool.as_str(), message.sequence), ("llama", 1));
    let endpoint = &message.endpoints[0];
    assert_eq!(endpoint.address, replica.address.to_string());
    assert_eq!(endpoint.state.name(), "ready");
    assert_eq!((endpoint.waiting, endpoint.running), (Some(3), Some(7)));
    assert_eq!(endpoint.kv_cache_use, Some(0.25));
    assert!(endpoint.age_ms.is_some());
    replica.set(vllm(4, 8));
    eventually("the new values", async || {
        (intake.taken().last()?.endpoints[0].waiting == Some(4)).then_some(())
    })
    .await;
    sidecar.daemon.stop().await;
}

#[tokio::test]
async fn a_server_that_lacks_vllms_names_is_as_good_as_any() {
    let page = b"llamacpp:requests_processing 2\nllamacpp:requests_deferred 1\n".to_vec();
    let (replica, intake) = (Replica::start(Behaviour::Page(page)).await, Intake::tcp().await);
    let sidecar = Sidecar::start(&yaml(&[replica.address], &[&intake.target], "")).await;
    let endpoint = &intake.next(1).await.endpoints[0];
    assert_eq!((endpoint.waiting, endpoint.running), (Some(1), Some(2)));
    assert_eq!((endpoint.state.name(), endpoint.kv_cache_use), ("ready", None));
    sidecar.daemon.stop().await;
}

#[tokio::test]
async fn replicas_without_metrics_are_pushed_as_ready_and_never_asked() {
    let (replica, intake) = (Replica::start(vllm(1, 1)).await, Intake::tcp().await);
    let config = yaml(&[replica.address], &[&intake.target], "");
    let config = config.replace("    poll_interval", "    metrics: none\n    poll_interval");
    let sidecar = Sidecar::start(&config).await;
    let endpoint = &intake.next(3).await.endpoints[0];
    assert_eq!((endpoint.state.name(), endpoint.age_ms, endpoint.waiting), ("ready", None, None));
    assert_eq!(replica.polls(), 0);
    sidecar.daemon.stop().await;
}

#[tokio::test]
async fn polls_keep_one_connection_and_never_overlap() {
    let replica = Replica::start(Behaviour::Slow(Duration::from_millis(30))).await;
    let intake = Intake::tcp().await;
    let sidecar = Sidecar::start(&yaml(&[replica.address], &[&intake.target], "")).await;
    eventually("twenty polls", async || (replica.polls() >= 20).then_some(())).await;
    assert_eq!((replica.connections(), replica.most_in_flight()), (1, 1));
    sidecar.daemon.stop().await;
}

#[tokio::test]
async fn a_replica_that_closes_after_each_answer_is_as_good_as_any() {
    let replica = Replica::start(Behaviour::Close).await;
    let intake = Intake::tcp().await;
    let sidecar = Sidecar::start(&yaml(&[replica.address], &[&intake.target], "")).await;
    eventually("twenty polls", async || (replica.polls() >= 20).then_some(())).await;
    assert!(replica.connections() >= 20);
    let (_, metrics) = sidecar.get("/metrics").await;
    let polls = metrics.lines().filter(|line| line.starts_with("weir_sidecar_polls_total"));
    assert!(polls.clone().count() == 1 && metrics.contains("outcome=\"ok\""), "{metrics}");
    sidecar.daemon.stop().await;
}

#[tokio::test]
async fn a_bad_replica_is_marked_and_keeps_its_last_values_and_the_others_go_on() {
    let cases = [
        (Behaviour::Page(b"<html>oops</html>".to_vec()), "degraded", "neither waiting"),
        (Behaviour::Page(b"\xff\xfe".to_vec()), "degraded", "not UTF-8 at byte 0"),
        (Behaviour::Page(b"vllm:num_requests_waiting NaN\n".to_vec()), "degraded", "out of range"),
        (Behaviour::Page(b"vllm:num_requests_waiting -5\n".to_vec()), "degraded", "out of range"),
        (Behaviour::Page(Vec::new()), "degraded", "neither waiting"),
        (Behaviour::Endless, "degraded", "more than 4194304 bytes"),
        (Behaviour::Status(404), "degraded", "status 404"),
        (Behaviour::Status(500), "unreachable", "status 500"),
        (Behaviour::Cut, "unreachable", "connection broke"),
        (Behaviour::Hang, "unreachable", "no answer within 500ms"),
    ];
    let bad = Replica::start(vllm(3, 7)).await;
    let good = Replica::start(vllm(1, 1)).await;
    let intake = Intake::tcp().await;
    let addresses = [bad.address, good.address];
    let sidecar = Sidecar::start(&yaml(&addresses, &[&intake.target], "")).await;
    for (behaviour, state, reason) in cases {
        bad.set(vllm(3, 7));
        sidecar.endpoint_in(0, "ready").await;
        bad.set(behaviour.clone());
        let what = format!("{behaviour:?} as {state}: {reason}");
        let marked = |endpoint: &Value| {
            let found = endpoint["reason"].as_str();
            endpoint["state"] == state && found.is_some_and(|found| found.contains(reason))
        };
        let endpoint = sidecar.endpoint_where(0, &what, marked).await;
        assert_eq!((&endpoint["waiting"], &endpoint["running"]), (&3.into(), &7.into()));
        let age = endpoint["age_ms"].as_u64();
        let older = |endpoint: &Value| endpoint["age_ms"].as_u64() > age;
        sidecar.endpoint_where(0, "a greater age", older).await;
        let polls = good.polls();
        eventually("polls of the good one", async || (good.polls() > polls + 3).then_some(()))
            .await;
        sidecar.endpoint_in(1, "ready").await;
    }
    sidecar.daemon.stop().await;
}

#[tokio::test]
async fn a_page_that_is_partly_nonsense_is_used_but_marked() {
    let page = b"vllm:num_requests_waiting 3\nvllm:kv_cache_usage_perc NaN\n".to_vec();
    let replica = Replica::start(Behaviour::Page(page)).await;
    let intake = Intake::tcp().await;
    let sidecar = Sidecar::start(&yaml(&[replica.address], &[&intake.target], "")).await;
    let endpoint = intake.next(1).await.endpoints.remove(0);
    assert_eq!((endpoint.waiting, endpoint.kv_cache_use), (Some(3), None));
    assert_eq!(endpoint.state.name(), "degraded");
    sidecar.daemon.stop().await;
}

#[tokio::test]
async fn a_replica_that_is_down_is_unreachable_until_it_is_back() {
    let replica = Replica::start(vllm(3, 7)).await;
    let address = replica.address;
    let intake = Intake::tcp().await;
    let sidecar = Sidecar::start(&yaml(&[address], &[&intake.target], "")).await;
    sidecar.endpoint_in(0, "ready").await;
    drop(replica);
    let endpoint = sidecar.endpoint_in(0, "unreachable").await;
    let reason = endpoint["reason"].as_str().unwrap();
    assert!(reason.starts_with("cannot connect: Connection refused"), "{reason}");
    assert_eq!(endpoint["waiting"], 3);
    let _replica = Replica::start_at(address, vllm(0, 0)).await;
    sidecar.endpoint_in(0, "ready").await;
    sidecar.daemon.stop().await;
}

#[tokio::test]
async fn a_replica_that_never_answered_is_reported_without_values() {
    let replica = Replica::start(Behaviour::Hang).await;
    let intake = Intake::tcp().await;
    let sidecar = Sidecar::start(&yaml(&[replica.address], &[&intake.target], "")).await;
    let endpoint = intake.next(1).await.endpoints.remove(0);
    assert_eq!((endpoint.state.name(), endpoint.age_ms), ("degraded", None));
    assert_eq!((endpoint.waiting, endpoint.running, endpoint.blocks), (None, None, None));
    sidecar.endpoint_in(0, "unreachable").await;
    sidecar.daemon.stop().await;
}
