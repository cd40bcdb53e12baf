//! How snapshots get to gateways that do well or badly.

use serde_json::Value;
use weir_snapshot::RefusalCode;

use crate::support::{Intake, Mode, Replica, Sidecar, eventually, vllm, yaml};

/// What `/snapshot` shows of gateway `target`.
async fn gateway(sidecar: &Sidecar, target: &str) -> Value {
    let snapshot = sidecar.snapshot().await;
    let links = snapshot["gateways"].as_array().unwrap();
    links.iter().find(|link| link["gateway"] == target).unwrap().clone()
}

/// Waits until `/snapshot` shows an error of gateway `target` with `text`.
async fn error_of(sidecar: &Sidecar, target: &str, text: &str) {
    eventually(text, async || {
        let error = gateway(sidecar, target).await["error"].clone();
        error.as_str()?.contains(text).then_some(())
    })
    .await;
}

#[tokio::test]
async fn every_gateway_gets_every_snapshot_in_order_over_one_connection() {
    let replica = Replica::start(vllm(1, 2)).await;
    let folder = tempfile::tempdir().unwrap();
    let gateways = [Intake::tcp().await, Intake::unix(&folder.path().join("intake.sock"))];
    let targets: Vec<&str> = gateways.iter().map(|intake| intake.target.as_str()).collect();
    let sidecar = Sidecar::start(&yaml(&[replica.address], &targets, "")).await;
    for intake in &gateways {
        intake.next(5).await;
        let taken = intake.taken();
        assert_eq!(taken[0].sequence, 1);
        assert!(taken.windows(2).all(|pair| pair[0].sequence < pair[1].sequence));
        assert!(taken.iter().all(|message| message.epoch == taken[0].epoch));
        assert_eq!((intake.connections(), intake.refused().len()), (1, 0));
    }
    sidecar.daemon.stop().await;
}

#[tokio::test]
async fn what_the_gateway_counts_is_shown() {
    let replica = Replica::start(vllm(1, 2)).await;
    let intake = Intake::tcp().await;
    let sidecar = Sidecar::start(&yaml(&[replica.address], &[&intake.target], "")).await;
    intake.next(2).await;
    let shown = gateway(&sidecar, &intake.target).await;
    let endpoint = &shown["taken"]["endpoints"][0];
    assert_eq!(endpoint["address"], replica.address.to_string());
    assert_eq!((&endpoint["in_flight"], &endpoint["dispatched"]), (&5.into(), &8.into()));
    let (_, metrics) = sidecar.get("/metrics").await;
    let line = format!(
        "weir_sidecar_gateway_in_flight{{gateway=\"{}\",pool=\"llama\",endpoint=\"{}\"}} 5",
        intake.target, replica.address
    );
    assert!(metrics.lines().any(|found| found == line), "{metrics}");
    sidecar.daemon.stop().await;
}

#[tokio::test]
async fn snapshots_are_signed_with_the_configured_key() {
    let replica = Replica::start(vllm(1, 2)).await;
    let folder = tempfile::tempdir().unwrap();
    let key = folder.path().join("key");
    std::fs::write(&key, b"0123456789abcdef\n").unwrap();
    let intake = Intake::tcp().await;
    intake.require(b"0123456789abcdef");
    let more = format!("signing_key_file: {}", key.display());
    let targets = [intake.target.as_str()];
    let sidecar = Sidecar::start(&yaml(&[replica.address], &targets, &more)).await;
    intake.next(2).await;
    assert_eq!(intake.refused(), [RefusalCode::Challenge], "it is asked for once");
    sidecar.daemon.stop().await;
    let unsigned = Sidecar::start(&yaml(&[replica.address], &targets, "")).await;
    error_of(&unsigned, &intake.target, "refused with status 401").await;
    assert_eq!(intake.refused()[1], RefusalCode::Unsigned);
    unsigned.daemon.stop().await;
}

#[tokio::test]
async fn a_gateway_that_hangs_holds_up_neither_polls_nor_other_gateways() {
    let replica = Replica::start(vllm(1, 2)).await;
    let (hanging, good) = (Intake::tcp().await, Intake::tcp().await);
    hanging.set(Mode::Hang);
    let targets = [hanging.target.as_str(), good.target.as_str()];
    let more = "push_timeout: 60s";
    let sidecar = Sidecar::start(&yaml(&[replica.address], &targets, more)).await;
    good.next(1).await;
    let polls = replica.polls();
    good.next(20).await;
    assert!(replica.polls() > polls + 5);
    assert_eq!(hanging.taken().len(), 0);
    sidecar.daemon.stop().await;
}

#[tokio::test]
async fn a_gateway_that_comes_late_or_back_gets_the_newest_snapshot_only() {
    let replica = Replica::start(vllm(1, 2)).await;
    let intake = Intake::tcp().await;
    let target = intake.target.clone();
    let address = target.trim_start_matches("http://").parse().unwrap();
    drop(intake);
    let sidecar = Sidecar::start(&yaml(&[replica.address], &[&target], "")).await;
    error_of(&sidecar, &target, "Connection refused").await;
    eventually("ten snapshots", async || {
        (sidecar.snapshot().await["pools"][0]["sequence"].as_u64() > Some(10)).then_some(())
    })
    .await;
    let intake = Intake::tcp_at(address).await;
    intake.next(2).await;
    assert!(intake.taken()[0].sequence > 10);
    drop(intake);
    error_of(&sidecar, &target, "cannot connect").await;
    let intake = Intake::tcp_at(address).await;
    intake.next(2).await;
    assert_eq!(gateway(&sidecar, &target).await["error"], Value::Null);
    sidecar.daemon.stop().await;
}

#[tokio::test]
async fn a_gateway_that_hangs_once_is_given_up_after_the_timeout_and_asked_again() {
    let replica = Replica::start(vllm(1, 2)).await;
    let intake = Intake::tcp().await;
    intake.set(Mode::Hang);
    let targets = [intake.target.as_str()];
    let sidecar = Sidecar::start(&yaml(&[replica.address], &targets, "push_timeout: 50ms")).await;
    error_of(&sidecar, &intake.target, "no answer within 50ms").await;
    intake.set(Mode::Take);
    intake.next(2).await;
    assert_eq!(intake.refused(), []);
    sidecar.daemon.stop().await;
}

#[tokio::test]
async fn a_gateway_that_was_restarted_is_answered_with_its_new_challenge_at_once() {
    let replica = Replica::start(vllm(1, 2)).await;
    let folder = tempfile::tempdir().unwrap();
    let key = folder.path().join("key");
    std::fs::write(&key, b"0123456789abcdef\n").unwrap();
    let (intake, other) = (Intake::tcp().await, Intake::tcp().await);
    intake.require(b"0123456789abcdef");
    other.require(b"0123456789abcdef");
    other.restart(77);
    let more = format!("signing_key_file: {}", key.display());
    let targets = [intake.target.as_str(), other.target.as_str()];
    let sidecar = Sidecar::start(&yaml(&[replica.address], &targets, &more)).await;
    intake.next(2).await;
    intake.restart(99);
    intake.next(2).await;
    assert_eq!(intake.refused(), [RefusalCode::Challenge; 2]);
    assert_eq!(other.refused(), [RefusalCode::Challenge]);
    sidecar.daemon.stop().await;
}

#[tokio::test]
async fn a_sidecar_whose_clock_was_set_back_goes_above_the_epoch_that_it_is_told() {
    let replica = Replica::start(vllm(1, 2)).await;
    let intake = Intake::tcp().await;
    // Far beyond the time of any clock.
    let before = 1 << 60;
    intake.store(before, 3);
    let sidecar = Sidecar::start(&yaml(&[replica.address], &[&intake.target], "")).await;
    error_of(&sidecar, &intake.target, "standing by: another sidecar").await;
    // Nothing has moved for two seconds: whoever that was is gone.
    let message = intake.next(1).await;
    assert_eq!(message.epoch, before + 1);
    assert_eq!(sidecar.snapshot().await["epoch"], before + 1);
    assert_eq!(intake.refused()[0], RefusalCode::OutOfOrder);
    sidecar.daemon.stop().await;
}

#[tokio::test]
async fn of_two_sidecars_one_stands_by_until_the_other_is_gone() {
    let replica = Replica::start(vllm(1, 2)).await;
    let intakes = [Intake::tcp().await, Intake::tcp().await];
    let targets: Vec<&str> = intakes.iter().map(|intake| intake.target.as_str()).collect();
    let yaml = yaml(&[replica.address], &targets, "");
    let first = Sidecar::start(&yaml).await;
    let first_sender = intakes[0].next(1).await.sender;
    // A later start takes the turn at once.
    tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    let second = Sidecar::start(&yaml).await;
    let sender = async |intake: &Intake| intake.next(1).await.sender;
    eventually("the second's turn", async || {
        (sender(&intakes[0]).await != first_sender).then_some(())
    })
    .await;
    for intake in &intakes {
        error_of(&first, &intake.target, "standing by: another sidecar").await;
    }
    assert_eq!(first.get("/readyz").await.0, 200, "the gateways have the other's snapshots");
    // Longer than it would wait for one that is silent.
    tokio::time::sleep(std::time::Duration::from_millis(2500)).await;
    for intake in &intakes {
        let epochs: Vec<u64> = intake.taken().iter().map(|message| message.epoch).collect();
        assert!(epochs.is_sorted(), "no turn comes back");
        assert_ne!(sender(intake).await, first_sender);
    }
    second.daemon.stop().await;
    eventually("the first's turn", async || {
        (sender(&intakes[0]).await == first_sender).then_some(())
    })
    .await;
    for intake in &intakes {
        assert_eq!(sender(intake).await, first_sender);
        let mut senders: Vec<u64> = intake.taken().iter().map(|message| message.sender).collect();
        senders.dedup();
        assert_eq!(senders.len(), 3, "three turns");
    }
    first.daemon.stop().await;
}

#[tokio::test]
async fn an_epoch_that_nobody_could_follow_is_not_followed() {
    let replica = Replica::start(vllm(1, 2)).await;
    let intake = Intake::tcp().await;
    intake.store(u64::MAX, 3);
    let sidecar = Sidecar::start(&yaml(&[replica.address], &[&intake.target], "")).await;
    error_of(&sidecar, &intake.target, "newer view").await;
    let epoch = sidecar.snapshot().await["epoch"].as_u64().unwrap();
    assert!(epoch < 1 << 53, "{epoch}");
    sidecar.daemon.stop().await;
}

#[tokio::test]
async fn a_gateway_of_another_version_is_named_with_what_to_update() {
    let replica = Replica::start(vllm(1, 2)).await;
    let intake = Intake::tcp().await;
    let sidecar = Sidecar::start(&yaml(&[replica.address], &[&intake.target], "")).await;
    for (body, expected) in [
        // As gateways before version 2 say it.
        (
            r#"{"error":{"code":"unknown_version","message":"version: 2 is unknown, this build reads version 1 only"}}"#,
            "update Weir in the gateway",
        ),
        (
            r#"{"error":{"code":"unknown_version","message":"version: 2","reads":3}}"#,
            "update this weir-sidecar",
        ),
    ] {
        intake.set(Mode::Refuse(400, body));
        error_of(&sidecar, &intake.target, expected).await;
    }
    let (_, metrics) = sidecar.get("/metrics").await;
    assert!(metrics.contains("outcome=\"version\""), "{metrics}");
    sidecar.daemon.stop().await;
}

#[tokio::test]
async fn pools_that_only_one_side_knows_are_shown() {
    let replica = Replica::start(vllm(1, 2)).await;
    let intake = Intake::tcp().await;
    intake.name(&["lama", "qwen"], &["lama"]);
    let sidecar = Sidecar::start(&yaml(&[replica.address], &[&intake.target], "")).await;
    let line = |metric: &str, pool: &str| {
        format!("weir_sidecar_pool_{metric}{{gateway=\"{}\",pool=\"{pool}\"}} 1", intake.target)
    };
    let shown = async |expected: &[String]| {
        eventually("the mismatches", async || {
            let (_, metrics) = sidecar.get("/metrics").await;
            let has = |line: &String| metrics.lines().any(|found| found == line);
            let count =
                metrics.lines().filter(|line| line.starts_with("weir_sidecar_pool_")).count();
            (count == expected.len() && expected.iter().all(has)).then_some(())
        })
        .await;
    };
    shown(&[line("unserved", "llama"), line("unpushed", "lama")]).await;
    intake.name(&["llama", "qwen"], &[]);
    shown(&[]).await;
    sidecar.daemon.stop().await;
}

#[tokio::test]
async fn a_server_that_is_no_intake_is_not_taken_for_one() {
    let replica = Replica::start(vllm(1, 2)).await;
    let intake = Intake::tcp().await;
    intake.set(Mode::Babble);
    let sidecar = Sidecar::start(&yaml(&[replica.address], &[&intake.target], "")).await;
    error_of(&sidecar, &intake.target, "not that of an intake filter").await;
    assert_eq!(sidecar.get("/readyz").await.0, 503);
    sidecar.daemon.stop().await;
}
