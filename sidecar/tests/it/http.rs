//! The sidecar's own HTTP.

use serde_json::Value;

use crate::support::{Behaviour, Intake, Replica, Sidecar, eventually, exchange, vllm, yaml};

#[tokio::test]
async fn it_is_alive_at_once_and_ready_when_every_gateway_has_a_snapshot() {
    let replica = Replica::start(vllm(1, 2)).await;
    let (first, second) = (Intake::tcp().await, Intake::tcp().await);
    let targets = [first.target.clone(), second.target.clone()];
    drop(second);
    let sidecar = Sidecar::start(&yaml(&[replica.address], &[&targets[0], &targets[1]], "")).await;
    assert_eq!(sidecar.get("/healthz").await, (200, r#"{"status":"ok"}"#.to_owned()));
    first.next(1).await;
    let reasons = eventually("one reason", async || {
        let (status, body) = sidecar.get("/readyz").await;
        assert_eq!(status, 503);
        let readiness: Value = serde_json::from_str(&body).unwrap();
        assert_eq!(readiness["ready"], false);
        let reasons = readiness["reasons"].as_array()?.clone();
        (reasons.len() == 1).then_some(reasons)
    })
    .await;
    assert_eq!(
        (&reasons[0]["gateway"], &reasons[0]["pool"]),
        (&targets[1].as_str().into(), &"llama".into())
    );
    let address = targets[1].trim_start_matches("http://").parse().unwrap();
    let _second = Intake::tcp_at(address).await;
    eventually("ready", async || (sidecar.get("/readyz").await.0 == 200).then_some(())).await;
    sidecar.daemon.stop().await;
}

#[tokio::test]
async fn a_bad_replica_does_not_make_it_unready_and_nothing_but_bad_ones_do() {
    let (bad, good) =
        (Replica::start(Behaviour::Status(500)).await, Replica::start(vllm(1, 1)).await);
    let intake = Intake::tcp().await;
    let addresses = [bad.address, good.address];
    let sidecar = Sidecar::start(&yaml(&addresses, &[&intake.target], "")).await;
    sidecar.endpoint_in(0, "unreachable").await;
    let ready = async |expected: u16| {
        eventually("ready or not", async || {
            let (status, body) = sidecar.get("/readyz").await;
            (status == expected).then_some(body)
        })
        .await
    };
    ready(200).await;
    let address = good.address;
    drop(good);
    let body = ready(503).await;
    assert!(body.contains("none of 2 replicas can be reached"), "{body}");
    let _good = Replica::start_at(address, vllm(1, 1)).await;
    ready(200).await;
    sidecar.daemon.stop().await;
}

#[tokio::test]
async fn status_is_json_and_for_a_browser_one_page_that_loads_itself_again() {
    let (good, bad) = (Replica::start(vllm(10, 2)).await, Replica::start(Behaviour::Hang).await);
    let intake = Intake::tcp().await;
    let addresses = [good.address, bad.address];
    let sidecar = Sidecar::start(&yaml(&addresses, &[&intake.target], "")).await;
    sidecar.endpoint_in(1, "unreachable").await;
    let (_, body) = sidecar.get("/status").await;
    let status: Value = serde_json::from_str(&body).unwrap();
    let pool = &status["pools"][0];
    assert_eq!((&pool["pool"], &pool["saturation"]), (&"llama".into(), &2.0.into()));
    assert_eq!((&pool["waiting"], &pool["kv_cache_use"]), (&10.into(), &0.25.into()));
    assert_eq!(
        (&pool["replicas"]["ready"], &pool["replicas"]["unreachable"]),
        (&1.into(), &1.into())
    );
    assert_eq!(pool["endpoints"][0]["in_flight"], 5);
    assert!(pool["endpoints"][1]["reason"].as_str().unwrap().contains("no answer"));
    assert_eq!(status["gateways"][0]["gateway"], intake.target.as_str());
    let request =
        "GET /status HTTP/1.1\r\nhost: x\r\naccept: text/html,*/*\r\nconnection: close\r\n\r\n";
    let (code, page) = exchange(sidecar.daemon.address(), request).await;
    assert_eq!(code, 200);
    let cell = format!("<td>{}</td><td>ready</td>", good.address);
    for part in ["http-equiv=\"refresh\"", "<h2>Pool llama</h2>", "class=\"unreachable\"", &cell] {
        assert!(page.contains(part), "{part} in {page}");
    }
    assert!(!page.contains("<script") && !page.contains("src=") && !page.contains("href="));
    sidecar.daemon.stop().await;
}

#[tokio::test]
async fn metrics_count_polls_and_pushes() {
    let (good, bad) =
        (Replica::start(vllm(1, 2)).await, Replica::start(Behaviour::Status(404)).await);
    let intake = Intake::tcp().await;
    let addresses = [good.address, bad.address];
    let sidecar = Sidecar::start(&yaml(&addresses, &[&intake.target], "")).await;
    intake.next(3).await;
    let (status, metrics) = sidecar.get("/metrics").await;
    assert_eq!(status, 200);
    let value = |series: String| -> f64 {
        let line = metrics.lines().find_map(|line| line.strip_prefix(series.as_str()));
        line.unwrap_or_else(|| panic!("{series} in {metrics}")).trim().parse().unwrap()
    };
    let endpoint = |address| format!("pool=\"llama\",endpoint=\"{address}\"");
    let gateway = format!("gateway=\"{}\",pool=\"llama\"", intake.target);
    let (good, bad) = (endpoint(good.address), endpoint(bad.address));
    assert!(value(format!("weir_sidecar_polls_total{{{good},outcome=\"ok\"}}")) >= 1.0);
    assert!(value(format!("weir_sidecar_polls_total{{{bad},outcome=\"status\"}}")) >= 1.0);
    assert_eq!(value(format!("weir_sidecar_replica_state{{{good},state=\"ready\"}}")), 1.0);
    assert_eq!(value(format!("weir_sidecar_replica_state{{{bad},state=\"ready\"}}")), 0.0);
    assert!(value(format!("weir_sidecar_replica_age_seconds{{{good}}}")) >= 0.0);
    assert!(!metrics.contains(&format!("weir_sidecar_replica_age_seconds{{{bad}}}")));
    assert!(value(format!("weir_sidecar_pushes_total{{{gateway},outcome=\"accepted\"}}")) >= 2.0);
    assert!(value(format!("weir_sidecar_pushed_bytes_total{{{gateway}}}")) > 100.0);
    assert!(value(format!("weir_sidecar_push_age_seconds{{{gateway}}}")) >= 0.0);
    assert!(value("weir_sidecar_poll_duration_seconds_count{pool=\"llama\"}".into()) >= 2.0);
    sidecar.daemon.stop().await;
}

#[tokio::test]
async fn other_paths_and_methods_are_refused_as_json() {
    let replica = Replica::start(vllm(1, 2)).await;
    let intake = Intake::tcp().await;
    let sidecar = Sidecar::start(&yaml(&[replica.address], &[&intake.target], "")).await;
    for (line, status, code) in [
        ("GET /nope", 404, "not_found"),
        ("GET /", 404, "not_found"),
        ("POST /metrics", 405, "method_not_allowed"),
        ("DELETE /nope", 405, "method_not_allowed"),
    ] {
        let request =
            format!("{line} HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: 0\r\n\r\n");
        let (found, body) = exchange(sidecar.daemon.address(), &request).await;
        assert_eq!(found, status, "{line}");
        let body: Value = serde_json::from_str(&body).unwrap();
        assert_eq!(body["error"]["code"], code, "{line}");
    }
    sidecar.daemon.stop().await;
}
