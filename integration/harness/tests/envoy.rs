//! The harness with a real Envoy: it starts, reports, changes and ends.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a failed step is a failed test"
)]

use std::path::Path;
use std::time::Duration;

use serde_json::json;
use weir_harness::{
    Envoy, EnvoyConfig, EnvoyOptions, HarnessError, HttpClient, RawConnection, Request, fleet,
};
use weir_replica::{Fleet, Settings, Timing};

const PLAIN: &str = include_str!("plain.yaml");

fn config() -> EnvoyConfig {
    EnvoyConfig::from_text("plain.yaml", PLAIN).unwrap()
}

async fn replicas(config: &mut EnvoyConfig) -> Fleet {
    let settings = Settings { timing: Timing::instant(), ..Settings::default() };
    fleet(config, &[9001, 9002], settings).await.unwrap()
}

fn chat() -> Request {
    Request::post("/v1/chat/completions")
        .header("x-weir-echo", "1")
        .json(&json!({"model": "m", "messages": [{"role": "user", "content": "hello"}]}))
}

#[tokio::test]
async fn requests_reach_the_replicas_and_are_counted() {
    let mut config = config();
    let fleet = replicas(&mut config).await;
    let mut envoy = Envoy::start(config).await.unwrap();
    let client = HttpClient::http1();
    for _ in 0..4 {
        let reply = client.send(envoy.clients(), chat()).await.unwrap();
        let document = reply.json().unwrap();
        assert_eq!((reply.status, reply.complete), (200, true));
        assert_eq!(document["weir_echo"]["path"], "/v1/chat/completions");
    }
    assert!(fleet.replicas().iter().all(|replica| !replica.last_request().is_null()));
    let stats = envoy.stats("http.clients.").await.unwrap();
    assert_eq!(stats.value("http.clients.downstream_rq_2xx"), 4);
    let usage = envoy.process().usage().unwrap();
    assert!(usage.resident_bytes > 1 << 20 && usage.cpu() > Duration::ZERO);
    let id = envoy.process().id();
    drop(envoy);
    assert!(!Path::new(&format!("/proc/{id}")).exists());
}

#[tokio::test]
async fn a_refused_configuration_is_reported_with_envoys_reason() {
    let broken = config().replace("stat_prefix: clients", "stat_prefx: clients").unwrap();
    match Envoy::start(broken).await {
        Err(HarnessError::Ended { log, .. }) => assert!(log.contains("stat_prefx"), "{log}"),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn listeners_can_be_changed_while_envoy_runs() {
    let mut envoy = Envoy::start_dynamic(config(), EnvoyOptions::default()).await.unwrap();
    let client = HttpClient::http1();
    let before = client.send(envoy.clients(), Request::get("/status")).await.unwrap();
    let routes = "/0/filter_chains/0/filters/0/typed_config/route_config/virtual_hosts/0/routes/0";
    let status = format!("{routes}/direct_response/status");
    let taken = envoy.update_listeners(|listeners| {
        *json_at(listeners, &status) = json!(418);
    });
    assert!(taken.await.unwrap());
    // Until the old listener is drained, it may still answer on its connections.
    let mut after = before.clone();
    for _ in 0..200 {
        after = HttpClient::http1().send(envoy.clients(), Request::get("/status")).await.unwrap();
        if after.status == 418 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert_eq!((before.status, after.status), (200, 418));
    let port = "/0/address/socket_address/port_value";
    let taken = envoy.update_listeners(|listeners| *json_at(listeners, port) = json!(99_999)).await;
    assert!(!taken.unwrap());
    assert!(envoy.log().contains("PortValue"), "{}", envoy.log());
}

#[tokio::test]
async fn refused_listeners_are_no_start() {
    let broken = config().replace("prefix: /}", "prefix: /, path: /}").unwrap();
    let started = Envoy::start_dynamic(broken, EnvoyOptions::default()).await;
    assert!(matches!(started, Err(HarnessError::Config { .. })), "{started:?}");
}

fn json_at<'a>(listeners: &'a mut [serde_json::Value], pointer: &str) -> &'a mut serde_json::Value {
    let (index, rest) = pointer.trim_start_matches('/').split_once('/').unwrap();
    let listener = &mut listeners[index.parse::<usize>().unwrap()];
    listener.pointer_mut(&format!("/{rest}")).unwrap()
}

#[tokio::test]
async fn odd_bytes_and_pieces_arrive_as_they_were_sent() {
    let mut config = config();
    let _fleet = replicas(&mut config).await;
    let envoy = Envoy::start(config).await.unwrap();
    let mut raw = RawConnection::open(envoy.clients()).await.unwrap();
    let pieces: [&[u8]; 5] = [
        b"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\nx-weir-echo: 1\r\nx-odd: a\xff\r\n",
        b"transfer-encoding: chunked\r\nexpect: 100-continue\r\n\r\n",
        b"12\r\n{\"model\":\"m\",\"x\":\"\r\n1\r\n\xc3\r\n",
        b"3\r\n\xa9\"}",
        b"\r\n0\r\n\r\n",
    ];
    raw.send_pieces(pieces, Duration::from_millis(2)).await.unwrap();
    assert_eq!(raw.read_head().await.unwrap().status, 100);
    let head = raw.read_head().await.unwrap();
    let body = raw.read_body(&head).await.unwrap();
    let body: serde_json::Value = serde_json::from_slice(&body).unwrap();
    assert_eq!(body["weir_echo"]["body"], "{\"model\":\"m\",\"x\":\"é\"}");
    let headers = body["weir_echo"]["headers"].as_array().unwrap();
    assert!(headers.contains(&json!(["x-odd", {"base64": "Yf8="}])), "{headers:?}");
}

#[tokio::test]
async fn http2_carries_trailers_both_ways() {
    let mut config = config();
    let _fleet = replicas(&mut config).await;
    let envoy = Envoy::start(config).await.unwrap();
    let body = json!({"model": "m", "messages": []}).to_string();
    let request = Request::post("/v1/chat/completions")
        .header("x-weir-echo", "1")
        .header("x-weir-trailers", "x-after=2")
        .pieces([body[..5].to_owned(), body[5..].to_owned()], Duration::from_millis(1))
        .trailer("x-before", "1");
    let reply = HttpClient::http2().send(envoy.clients(), request).await.unwrap();
    assert_eq!(reply.trailers.as_ref().unwrap()["x-after"], "2");
    let echo = &reply.json().unwrap()["weir_echo"];
    assert_eq!((&echo["body"], &echo["trailers"]), (&json!(body), &json!([["x-before", "1"]])));
}
