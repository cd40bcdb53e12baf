//! How pages are asked for: TLS, tokens, HTTP/2, parts of a page, pauses, limits.

use std::time::Duration;

use crate::support::tls::{acceptor, certified, write};
use crate::support::{Behaviour, Intake, Replica, Sidecar, eventually, vllm, yaml};

/// The pool's replicas asked for over `https`, as `access` says.
fn over_tls(replica: &Replica, intake: &Intake, access: &str) -> String {
    let address = replica.address;
    let yaml = yaml(&[address], &[&intake.target], "");
    let url = format!(
        "    metrics_url: 'https://{{ip}}:{{port}}/metrics'\n    access: {access}\n    endpoints:"
    );
    yaml.replace("    endpoints:", &url)
}

#[tokio::test]
async fn an_own_authority_a_client_certificate_and_another_name_are_used() {
    let folder = tempfile::tempdir().unwrap();
    let (server, client, other) =
        (certified("vllm.internal"), certified("sidecar"), certified("x"));
    let (ca, _) = write(folder.path(), "server", &server);
    let (certificate, key) = write(folder.path(), "client", &client);
    let (wrong, wrong_key) = write(folder.path(), "other", &other);
    let tls = acceptor(&server, Some(&client), false);
    let replica = Replica::start_with(tls, vllm(6, 2)).await;
    let intake = Intake::tcp().await;
    let name = "server_name: vllm.internal";
    for (access, reason) in [
        (
            format!(
                "{{ca_file: '{ca}', {name}, certificate_file: '{certificate}', key_file: '{key}'}}"
            ),
            None,
        ),
        (format!("{{ca_file: '{ca}', {name}}}"), Some("broke")),
        (
            format!(
                "{{ca_file: '{ca}', {name}, certificate_file: '{wrong}', key_file: '{wrong_key}'}}"
            ),
            Some("broke"),
        ),
        (
            format!("{{ca_file: '{ca}', certificate_file: '{certificate}', key_file: '{key}'}}"),
            Some("certificate"),
        ),
        (
            format!(
                "{{ca_file: '{wrong}', {name}, certificate_file: '{certificate}', key_file: '{key}'}}"
            ),
            Some("certificate"),
        ),
    ] {
        let sidecar = Sidecar::start(&over_tls(&replica, &intake, &access)).await;
        sidecar
            .endpoint_where(0, &access, |endpoint| match reason {
                None => endpoint["state"] == "ready" && endpoint["waiting"] == 6,
                Some(reason) => {
                    let found = endpoint["reason"].as_str().unwrap_or_default();
                    endpoint["state"] == "unreachable" && found.contains(reason)
                        || found.contains("cannot connect")
                }
            })
            .await;
        sidecar.daemon.stop().await;
    }
}

#[tokio::test]
async fn http2_is_spoken_where_it_is_wanted_and_the_server_agrees() {
    let folder = tempfile::tempdir().unwrap();
    let server = certified("vllm.internal");
    let (ca, _) = write(folder.path(), "server", &server);
    for (offered, wanted, spoken) in
        [(true, true, true), (true, false, false), (false, true, false)]
    {
        let replica = Replica::start_with(acceptor(&server, None, offered), vllm(6, 2)).await;
        let intake = Intake::tcp().await;
        let access = format!("{{ca_file: '{ca}', server_name: vllm.internal, http2: {wanted}}}");
        let sidecar = Sidecar::start(&over_tls(&replica, &intake, &access)).await;
        assert_eq!(intake.next(2).await.endpoints[0].waiting, Some(6));
        eventually("twenty polls", async || (replica.polls() >= 20).then_some(())).await;
        assert_eq!((replica.asked().http2, replica.connections()), (spoken, 1));
        sidecar.daemon.stop().await;
    }
}

#[tokio::test]
async fn a_token_is_sent_and_read_again_when_it_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let token = folder.path().join("token");
    std::fs::write(&token, "first\n").unwrap();
    let replica = Replica::start(Behaviour::Authorized("Bearer first")).await;
    let intake = Intake::tcp().await;
    let config = yaml(&[replica.address], &[&intake.target], "").replace(
        "    endpoints:",
        &format!("    access: {{bearer_token_file: '{}'}}\n    endpoints:", token.display()),
    );
    let sidecar = Sidecar::start(&config).await;
    sidecar.endpoint_in(0, "ready").await;
    replica.set(Behaviour::Authorized("Bearer second"));
    let refused = sidecar.endpoint_in(0, "degraded").await;
    assert_eq!(refused["reason"], "status 401");
    std::fs::write(&token, "second\n").unwrap();
    sidecar.endpoint_in(0, "ready").await;
    std::fs::remove_file(&token).unwrap();
    // It is kept for some seconds, then there is none.
    let without = sidecar.endpoint_in(0, "degraded").await;
    assert!(without["reason"].as_str().unwrap().contains("cannot read the token"), "{without}");
    sidecar.daemon.stop().await;
}

#[tokio::test]
async fn of_a_long_page_the_needed_part_is_asked_for_where_the_server_filters() {
    let replica = Replica::start(Behaviour::Filtering { well: true }).await;
    let intake = Intake::tcp().await;
    let sidecar = Sidecar::start(&yaml(&[replica.address], &[&intake.target], "")).await;
    eventually("the part", async || replica.asked().query).await;
    let endpoint = intake.next(5).await.endpoints.remove(0);
    assert_eq!(
        (endpoint.waiting, endpoint.running, endpoint.blocks),
        (Some(3), Some(4), Some(100))
    );
    assert!(replica.asked().query.is_some(), "and no more than that");
    // One that stops to filter, as after an update, is read as a whole.
    replica.set(Behaviour::Filtering { well: false });
    eventually("the whole page", async || replica.asked().query.is_none().then_some(())).await;
    sidecar.endpoint_in(0, "ready").await;
    let endpoint = intake.next(5).await.endpoints.remove(0);
    assert_eq!((endpoint.state.name(), endpoint.blocks), ("ready", Some(100)));
    let (_, metrics) = sidecar.get("/metrics").await;
    assert!(!metrics.contains("outcome=\"nonsense\""), "{metrics}");
    sidecar.daemon.stop().await;
}

#[tokio::test]
async fn a_filter_that_is_not_wanted_is_not_tried() {
    let replica = Replica::start(Behaviour::Filtering { well: true }).await;
    let intake = Intake::tcp().await;
    let config = yaml(&[replica.address], &[&intake.target], "");
    let config = config.replace("    endpoints:", "    filter: false\n    endpoints:");
    let sidecar = Sidecar::start(&config).await;
    for _ in 0..20 {
        intake.next(1).await;
        assert_eq!(replica.asked().query, None);
    }
    sidecar.daemon.stop().await;
}

#[tokio::test]
async fn what_is_dead_is_asked_less_often_and_noticed_when_it_is_back() {
    let dead = Replica::start(Behaviour::Status(500)).await;
    let live = Replica::start(vllm(1, 1)).await;
    let intake = Intake::tcp().await;
    let addresses = [dead.address, live.address];
    let sidecar = Sidecar::start(&yaml(&addresses, &[&intake.target], "")).await;
    eventually("many polls of the other", async || (live.polls() > 150).then_some(())).await;
    assert!(dead.polls() * 5 < live.polls(), "{} of {}", dead.polls(), live.polls());
    dead.set(vllm(2, 2));
    sidecar.endpoint_in(0, "ready").await;
    let polls = dead.polls();
    eventually("as often as before", async || (dead.polls() > polls + 20).then_some(())).await;
    sidecar.daemon.stop().await;
}

#[tokio::test]
async fn no_more_polls_than_allowed_are_under_way() {
    let slow = Behaviour::Slow(Duration::from_millis(50));
    let mut replicas = Vec::new();
    for _ in 0..8 {
        replicas.push(Replica::start(slow.clone()).await);
    }
    let intake = Intake::tcp().await;
    let addresses: Vec<_> = replicas.iter().map(|replica| replica.address).collect();
    let sidecar = Sidecar::start(&yaml(&addresses, &[&intake.target], "max_polls: 1")).await;
    for replica in &replicas {
        eventually("three polls", async || (replica.polls() >= 3).then_some(())).await;
    }
    let most = replicas.iter().map(Replica::most_in_flight).max();
    assert_eq!(most, Some(1));
    let (_, metrics) = sidecar.get("/metrics").await;
    let delayed =
        metrics.lines().find_map(|line| line.strip_prefix("weir_sidecar_polls_delayed_total "));
    assert!(delayed.unwrap().parse::<u64>().unwrap() > 0, "{metrics}");
    sidecar.daemon.stop().await;
}
