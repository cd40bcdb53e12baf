//! What autoscalers ask: every query of the examples is answered by a real Prometheus that scrapes the sidecar.

use std::path::{Path, PathBuf};
use std::process::Stdio;

use serde_json::Value;
use tokio::process::{Child, Command};

use crate::support::{Behaviour, Intake, Replica, Sidecar, eventually, get, yaml};

fn examples() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../envoy-config/autoscaling")
}

fn read(file: &str) -> Value {
    let text = std::fs::read_to_string(examples().join(file)).unwrap();
    serde_saphyr::from_str(&text).unwrap_or_else(|error| panic!("{file}: {error}"))
}

/// A page with a queue, a cache and first tokens that go on being counted.
fn busy(served: u32) -> Behaviour {
    let page = format!(
        "vllm:num_requests_waiting 4\nvllm:num_requests_running 8\nvllm:kv_cache_usage_perc 0.6\n\
         vllm:time_to_first_token_seconds_count {served}\n\
         vllm:time_to_first_token_seconds_sum {}\nvllm:request_queue_time_seconds_sum {}\n",
        f64::from(served) * 0.5,
        f64::from(served) * 0.3
    );
    Behaviour::Page(page.into_bytes())
}

const GPU: &str = "DCGM_FI_DEV_GPU_UTIL{gpu=\"0\",UUID=\"GPU-a\"} 40\nDCGM_FI_DEV_XID_ERRORS{gpu=\"0\",UUID=\"GPU-a\"} 0\n";

/// A sidecar whose pool `llama` has load and a GPU.
async fn loaded() -> (Replica, Replica, Intake, Sidecar) {
    let (replica, exporter) =
        (Replica::start(busy(10)).await, Replica::start(Behaviour::Page(GPU.into())).await);
    let intake = Intake::tcp().await;
    let gpus = format!(
        "gpus: {{poll_interval: 50ms, exporters: [{{url: 'http://{}/metrics'}}]}}",
        exporter.address
    );
    let sidecar = Sidecar::start(&yaml(&[replica.address], &[&intake.target], &gpus)).await;
    sidecar.endpoint_in(0, "ready").await;
    replica.set(busy(30));
    (replica, exporter, intake, sidecar)
}

#[tokio::test]
async fn the_load_of_pools_and_replicas_is_shown() {
    let (replica, _exporter, _intake, sidecar) = loaded().await;
    let metrics = eventually("all of it", async || {
        let (_, metrics) = sidecar.get("/metrics").await;
        let wanted = ["weir_pool_predicted_ttft_seconds{", "weir_replica_gpu_use_ratio{"];
        wanted.iter().all(|part| metrics.contains(part)).then_some(metrics)
    })
    .await;
    let value = |series: String| -> f64 {
        let found = metrics.lines().find_map(|line| line.strip_prefix(&format!("{series} ")));
        found.unwrap_or_else(|| panic!("{series} in {metrics}")).parse().unwrap()
    };
    let (pool, one) =
        ("{pool=\"llama\"}", format!("{{pool=\"llama\",endpoint=\"{}\"}}", replica.address));
    for (name, expected) in [
        ("saturation_ratio", 0.8),
        ("queue_depth", 4.0),
        ("running_requests", 8.0),
        ("kv_cache_use_ratio", 0.6),
        ("gpu_use_ratio", 0.4),
    ] {
        for found in
            [value(format!("weir_pool_{name}{pool}")), value(format!("weir_replica_{name}{one}"))]
        {
            assert!((found - expected).abs() < 1e-9, "{name}: {found}");
        }
    }
    assert_eq!(value("weir_pool_replicas{pool=\"llama\",state=\"ready\"}".into()), 1.0);
    assert_eq!(value("weir_pool_replicas{pool=\"llama\",state=\"draining\"}".into()), 0.0);
    // 0.2 s once a request has left the queue, and the queue before it.
    assert!(value(format!("weir_replica_predicted_ttft_seconds{one}")) > 0.2);
    sidecar.daemon.stop().await;
}

/// A Prometheus that scrapes one sidecar; dropping it ends it.
struct Prometheus {
    address: std::net::SocketAddr,
    _process: Child,
    _folder: tempfile::TempDir,
}

impl Prometheus {
    async fn start(program: &Path, sidecar: std::net::SocketAddr) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let free = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = free.local_addr().unwrap();
        drop(free);
        let rules = examples().join("prometheus-rules.yaml");
        let config = folder.path().join("prometheus.yml");
        let text = format!(
            "global: {{scrape_interval: 1s, evaluation_interval: 1s}}\nrule_files: ['{}']\n\
             scrape_configs:\n- job_name: weir\n  static_configs: [{{targets: ['{sidecar}']}}]\n",
            rules.display()
        );
        std::fs::write(&config, text).unwrap();
        let process = Command::new(program)
            .arg(format!("--config.file={}", config.display()))
            .arg(format!("--storage.tsdb.path={}", folder.path().join("data").display()))
            .arg(format!("--web.listen-address={address}"))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        Self { address, _process: process, _folder: folder }
    }

    /// What it answers to a query; `None` as long as it does not listen.
    async fn query(&self, query: &str) -> Option<Value> {
        let listening = tokio::net::TcpStream::connect(self.address).await;
        listening.ok()?;
        let encoded: String = query.bytes().map(|byte| format!("%{byte:02X}")).collect();
        let (_, body) = get(self.address, &format!("/api/v1/query?query={encoded}")).await;
        serde_json::from_str(&body).ok()
    }
}

/// Queries of which a value is expected, and those that may have none.
fn queries() -> (Vec<String>, Vec<String>) {
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let (mut answered, mut alerts) = (Vec::new(), Vec::new());
    let scaled = read("keda-scaledobject.yaml");
    for trigger in scaled["spec"]["triggers"].as_array().unwrap() {
        answered.push(text(&trigger["metadata"]["query"]));
    }
    let rules = read("prometheus-rules.yaml");
    for rule in rules["groups"]
        .as_array()
        .unwrap()
        .iter()
        .flat_map(|group| group["rules"].as_array().unwrap())
    {
        match rule["record"].as_str() {
            Some(name) => answered.extend([text(&rule["expr"]), name.to_owned()]),
            None => alerts.push(text(&rule["expr"])),
        }
    }
    let adapter = read("prometheus-adapter.yaml");
    let mut offered = Vec::new();
    for rule in adapter["rules"]["external"].as_array().unwrap() {
        let series = text(&rule["seriesQuery"]);
        let name = series.split('"').nth(1).unwrap().to_owned();
        let query = text(&rule["metricsQuery"]);
        answered.push(
            query.replace("<<.Series>>", &name).replace("<<.LabelMatchers>>", "pool=\"llama\""),
        );
        answered.push(series);
        offered.push(text(&rule["name"]["as"]));
    }
    // The HorizontalPodAutoscaler asks for what the adapter offers.
    let hpa = read("hpa.yaml");
    for metric in hpa["spec"]["metrics"].as_array().unwrap() {
        let metric = &metric["external"]["metric"];
        assert!(offered.contains(&text(&metric["name"])), "{metric}");
        assert_eq!(metric["selector"]["matchLabels"]["pool"], "llama");
    }
    (answered, alerts)
}

#[tokio::test]
async fn every_query_of_the_examples_is_answered_by_prometheus() {
    let (answered, alerts) = queries();
    assert!(answered.len() >= 20 && alerts.len() >= 5, "{answered:?} {alerts:?}");
    let Some(program) = weir_harness::workspace::prometheus() else {
        println!("skipped: no prometheus in PATH or target/tools, and WEIR_PROMETHEUS names none");
        return;
    };
    let (replica, _exporter, _intake, sidecar) = loaded().await;
    let prometheus = Prometheus::start(&program, sidecar.daemon.address()).await;
    let mut served = 30;
    for query in &answered {
        eventually(query, async || {
            served += 1;
            replica.set(busy(served));
            let answer = prometheus.query(query).await?;
            assert_ne!(answer["status"], "error", "{query}: {answer}");
            let values = answer["data"]["result"].as_array()?;
            let value: f64 = values.first()?["value"][1].as_str()?.parse().ok()?;
            value.is_finite().then_some(())
        })
        .await;
    }
    for query in &alerts {
        let answer = prometheus.query(query).await.unwrap();
        assert_eq!(answer["status"], "success", "{query}: {answer}");
    }
    sidecar.daemon.stop().await;
}
