//! `tls.yaml`: the listener is asked over TLS, and replicas end mutual TLS.

use serde_json::json;
use weir_harness::{Envoy, EnvoyConfig, EnvoyOptions, HttpClient, free_port};
use weir_replica::{Fleet, Settings, Timing};

use super::certificates::{Authority, add_cluster, add_terminator};
use super::path;
use crate::stack::{KEY, KEY_VARIABLE, LLAMA, chat};

/// Port of a listener of the test's own, which takes HTTP and asks the clients' listener over TLS.
const PLAIN: u16 = 9008;

/// Envoy with replicas that have certificates for `host`, and let in clients of the authority in `clients`.
struct Tls {
    envoy: Envoy,
    _replicas: Fleet,
}

async fn start(authority: &Authority, host: &str, clients: &str) -> Tls {
    authority.issue("server", "gateway.example.com");
    authority.issue("client", "envoy.example.com");
    authority.issue("replica", host);
    let addresses: Vec<_> = (0..6).map(|_| ([127, 0, 0, 1], free_port().unwrap()).into()).collect();
    let settings = Settings { timing: Timing::instant(), ..Settings::default() };
    let replicas = Fleet::start(&addresses, settings).await.unwrap();
    let config = EnvoyConfig::from_file(path("tls")).unwrap();
    let folder = authority.folder().display().to_string();
    let config = config.replace("/etc/weir/tls", &folder).unwrap().edited(|config| {
        for (port, replica) in (9001..).zip(&addresses) {
            let server = authority.server("replica", Some(clients));
            add_terminator(config, port, &server, replica.port());
        }
        ask_over_tls(config, &folder);
    });
    let options = EnvoyOptions::default().env(KEY_VARIABLE, KEY);
    let envoy = Envoy::start_with(config.unwrap(), options).await.unwrap();
    Tls { envoy, _replicas: replicas }
}

/// A client that checks the listener's certificate, as part of the same Envoy.
fn ask_over_tls(config: &mut serde_json::Value, folder: &str) {
    add_cluster(config, "over-tls", 10000);
    let clusters = config["static_resources"]["clusters"].as_array_mut().unwrap();
    clusters.last_mut().unwrap()["transport_socket"] = json!({
        "name": "envoy.transport_sockets.tls",
        "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext",
            "common_tls_context": {"validation_context": {
                "trusted_ca": {"filename": format!("{folder}/ca.pem")},
                "match_typed_subject_alt_names": [{"san_type": "DNS", "matcher": {"exact": "gateway.example.com"}}],
            }},
        },
    });
    let proxy = json!({
        "name": "envoy.filters.network.tcp_proxy",
        "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy",
            "stat_prefix": "plain", "cluster": "over-tls",
        },
    });
    let listener = json!({
        "name": "plain",
        "address": {"socket_address": {"address": "127.0.0.1", "port_value": PLAIN}},
        "filter_chains": [{"filters": [proxy]}],
    });
    config["static_resources"]["listeners"].as_array_mut().unwrap().push(listener);
}

/// The status of an answer; 0 if there is none.
async fn status(tls: &Tls, port: u16) -> u16 {
    let reply = HttpClient::http1().send(tls.envoy.address(port), chat(LLAMA, "x")).await;
    reply.map_or(0, |reply| reply.status)
}

#[tokio::test(flavor = "multi_thread")]
async fn clients_and_replicas_are_spoken_to_over_tls_alone() {
    let authority = Authority::new();
    let tls = start(&authority, "replica.models.example.com", "ca.pem").await;
    assert_eq!(status(&tls, PLAIN).await, 200, "{}", tls.envoy.log());
    assert_eq!(status(&tls, 10000).await, 0, "without TLS");
    assert_eq!(status(&tls, 9001).await, 0, "without a certificate");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replica_with_another_name_is_not_asked_nor_does_one_serve_an_envoy_that_it_does_not_know()
 {
    let (authority, other) = (Authority::new(), Authority::new());
    let tls = start(&authority, "other.models.example.com", "ca.pem").await;
    assert_eq!(status(&tls, PLAIN).await, 503);
    drop(tls);
    std::fs::copy(other.folder().join("ca.pem"), authority.folder().join("other.pem")).unwrap();
    let tls = start(&authority, "replica.models.example.com", "other.pem").await;
    assert_eq!(status(&tls, PLAIN).await, 503);
}
