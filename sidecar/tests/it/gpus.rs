//! GPUs: from an exporter's page, from NVML, and through an agent, into the snapshots.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;

use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, BufReader};
use weir_snapshot::EndpointReport;

use crate::support::{Behaviour, Intake, Replica, Sidecar, eventually, get, load, vllm, yaml};

/// The pool's replicas on the GPUs of these pages.
fn with_gpus(replicas: &[(SocketAddr, &str)], gateway: &str, gpus: &str) -> String {
    let addresses: Vec<SocketAddr> = replicas.iter().map(|(address, _)| *address).collect();
    let mut text = yaml(&addresses, &[gateway], &format!("gpus: {gpus}"));
    for (address, gpus) in replicas {
        let line = format!("      - address: '{address}'\n");
        text = text.replace(&line, &format!("{line}        gpus: {gpus}\n"));
    }
    text
}

fn dcgm(lines: &str) -> Behaviour {
    Behaviour::Page(lines.as_bytes().to_vec())
}

/// Waits until a snapshot has what `expected` looks for in its first endpoint.
async fn pushed(intake: &Intake, what: &str, expected: impl Fn(&EndpointReport) -> bool) {
    eventually(what, async || {
        let taken = intake.taken();
        let endpoint = taken.last()?.endpoints.first()?;
        expected(endpoint).then_some(())
    })
    .await;
}

/// The first YAML block below a heading of the page.
fn block(heading: &str) -> String {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md");
    let page = std::fs::read_to_string(page).unwrap();
    let (_, section) = page.split_once(&format!("## {heading}\n")).unwrap();
    section.split("```yaml\n").nth(1).unwrap().split("```").next().unwrap().to_owned()
}

#[test]
fn the_yaml_of_the_page_is_a_configuration_that_can_be_used() {
    for (heading, expected) in [
        (
            "GPUs",
            &[
                "GPUs at http://10.0.0.7:9400/metrics, every 1s: 10.0.0.7",
                "GPUs at http://gpu-node-8:9400/metrics, every 1s: 10.0.0.8",
            ][..],
        ),
        (
            "Several Envoys through Redis",
            &[
                "share with other sidecars through redis://redis.internal:6379 (standalone), every 200ms",
                "with keys that begin with weir:",
            ][..],
        ),
        (
            "Replicas and gateways that come and go",
            &[
                "push to every gateway of endpoint_slices mesh/envoy:intake",
                "every replica of dns vllm.example.com:8000 with metrics at http://{ip}:8000/metrics",
                "every replica of file /etc/weir/llama.yaml",
            ],
        ),
        ("Model servers", &["pool llama: 1 replicas (by its own series)"]),
    ] {
        let (_folder, config) = load(&block(heading));
        let said = weir_sidecar::check(&config);
        for expected in expected {
            assert!(said.contains(expected), "{said}");
        }
    }
}

const WELL: &str = "DCGM_FI_DEV_GPU_UTIL{gpu=\"0\",UUID=\"GPU-a\"} 40\n\
                    DCGM_FI_DEV_XID_ERRORS{gpu=\"0\",UUID=\"GPU-a\"} 0\n\
                    DCGM_FI_DEV_CLOCKS_EVENT_REASONS{gpu=\"0\",UUID=\"GPU-a\"} 4\n";
const HOT_AND_BROKEN: &str = "DCGM_FI_DEV_XID_ERRORS{gpu=\"0\",UUID=\"GPU-a\"} 79\n\
                              DCGM_FI_DEV_CLOCKS_EVENT_REASONS{gpu=\"0\",UUID=\"GPU-a\"} 72\n";

#[tokio::test]
async fn what_a_page_says_of_a_gpu_is_in_the_snapshots_and_follows_it() {
    let (replica, exporter) = (Replica::start(vllm(1, 2)).await, Replica::start(dcgm(WELL)).await);
    let intake = Intake::tcp().await;
    let gpus = format!(
        "{{poll_interval: 10ms, timeout: 100ms, exporters: [{{url: 'http://{}/metrics'}}]}}",
        exporter.address
    );
    let config = with_gpus(&[(replica.address, "[GPU-a]")], &intake.target, &gpus);
    let sidecar = Sidecar::start(&config).await;
    pushed(&intake, "a GPU that is well", |endpoint| {
        endpoint.gpu_use == Some(0.4)
            && (endpoint.gpu_throttled, endpoint.gpu_failed) == (Some(false), Some(false))
    })
    .await;
    exporter.set(dcgm(HOT_AND_BROKEN));
    pushed(&intake, "a GPU that failed", |endpoint| {
        endpoint.gpu_xid == Some(79)
            && endpoint.gpu_use.is_none()
            && (endpoint.gpu_throttled, endpoint.gpu_failed) == (Some(true), Some(true))
    })
    .await;
    let (_, metrics) = sidecar.get("/metrics").await;
    for expected in [
        format!(
            "weir_sidecar_replica_gpu_failed{{pool=\"llama\",endpoint=\"{}\"}} 1",
            replica.address
        ),
        format!(
            "weir_sidecar_gpu_polls_total{{source=\"http://{}/metrics\",outcome=\"ok\"}}",
            exporter.address
        ),
    ] {
        assert!(metrics.contains(&expected), "{expected} in {metrics}");
    }
    sidecar.daemon.stop().await;
}

#[tokio::test]
async fn a_page_that_is_bad_leaves_the_gpu_unknown_and_the_replica_as_it_was() {
    let replica = Replica::start(vllm(1, 2)).await;
    for bad in [
        Behaviour::Page(b"\x1f\x8b\x08\x00".to_vec()),
        Behaviour::Page(b"<html></html>".to_vec()),
        Behaviour::Status(302),
        Behaviour::Hang,
        Behaviour::Endless,
        Behaviour::Cut,
    ] {
        let exporter = Replica::start(dcgm(WELL)).await;
        let intake = Intake::tcp().await;
        let gpus = format!(
            "{{poll_interval: 10ms, timeout: 50ms, exporters: [{{url: 'http://{}/metrics', hosts: [127.0.0.1]}}]}}",
            exporter.address
        );
        let config = with_gpus(&[(replica.address, "[]")], &intake.target, &gpus);
        let sidecar = Sidecar::start(&config).await;
        pushed(&intake, "a GPU", |endpoint| endpoint.gpu_use == Some(0.4)).await;
        exporter.set(bad.clone());
        pushed(&intake, &format!("no GPU after {bad:?}"), |endpoint| {
            endpoint.gpu_use.is_none() && endpoint.gpu_failed.is_none()
        })
        .await;
        let endpoint = &sidecar.snapshot().await["pools"][0]["endpoints"][0];
        assert_eq!(endpoint["state"], "ready", "{bad:?}");
        sidecar.daemon.stop().await;
    }
}

/// Builds the stand-in once.
fn stand_in() -> &'static Path {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    BUILT.get_or_init(|| {
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/nvml/stand_in.rs");
        let library = Path::new(env!("CARGO_TARGET_TMPDIR")).join("libnvml_stand_in.so");
        let mut rustc = Command::new("rustc");
        rustc.args(["--edition", "2024", "--crate-type", "cdylib", "-O", "-o"]);
        let built = rustc.arg(&library).arg(&source).output().unwrap();
        assert!(built.status.success(), "{}", String::from_utf8_lossy(&built.stderr));
        library
    })
}

struct Agent {
    address: SocketAddr,
    folder: TempDir,
    log: BufReader<tokio::process::ChildStderr>,
    _child: tokio::process::Child,
}

impl Agent {
    async fn start(library: &str, prepare: impl Fn(&Path)) -> Self {
        let folder = tempfile::tempdir().unwrap();
        prepare(folder.path());
        let mut command = tokio::process::Command::new(env!("CARGO_BIN_EXE_weir-sidecar"));
        command.args(["agent", "--listen", "127.0.0.1:0", "--interval-ms", "10"]);
        command.args(["--library", library]).env("WEIR_STAND_IN", folder.path());
        let mut child = command.stderr(Stdio::piped()).kill_on_drop(true).spawn().unwrap();
        let mut log = BufReader::new(child.stderr.take().unwrap());
        let mut line = String::new();
        while !line.contains("agent started") {
            line.clear();
            assert!(log.read_line(&mut line).await.unwrap() > 0, "the log ended");
        }
        let address = line.split("address=").nth(1).unwrap().split_whitespace().next().unwrap();
        let address = address.parse().unwrap();
        Self { address, folder, log, _child: child }
    }

    async fn page_with(&self, expected: &str) -> String {
        eventually(expected, async || {
            let page = get(self.address, "/metrics").await.1;
            page.contains(expected).then_some(page)
        })
        .await
    }
}

#[tokio::test]
async fn the_agent_offers_what_nvml_says_under_dcgms_names() {
    let agent = Agent::start(stand_in().to_str().unwrap(), |_| ()).await;
    let page = agent.page_with("DCGM_FI_PROF_PIPE_TENSOR_ACTIVE{gpu=\"0\"").await;
    let value = |name: &str, label: &str| {
        let line = page
            .lines()
            .find(|line| line.starts_with(&format!("{name}{{")) && line.contains(label));
        line.map(|line| line.rsplit(' ').next().unwrap().to_owned())
    };
    let known = |name, label| value(name, label).unwrap_or_default();
    let (first, second) = ("GPU-stand-in-0", "gpu=\"1\"");
    assert_eq!(known("DCGM_FI_DEV_GPU_UTIL", first), "25");
    assert_eq!(known("DCGM_FI_PROF_PIPE_TENSOR_ACTIVE", first), "0.125");
    assert_eq!(known("DCGM_FI_PROF_DRAM_ACTIVE", first), "0.5");
    assert_eq!(known("DCGM_FI_DEV_POWER_USAGE", first), "312.5");
    assert_eq!(known("DCGM_FI_DEV_FB_FREE", first), "51200");
    assert_eq!(known("DCGM_FI_DEV_CLOCKS_EVENT_REASONS", first), "68");
    assert_eq!(known("DCGM_FI_DEV_XID_ERRORS", first), "0");
    // What the second cannot tell is left out, and its MIG device stands beside it.
    assert_eq!(value("DCGM_FI_DEV_GPU_UTIL", second), None);
    assert_eq!(value("DCGM_FI_DEV_XID_ERRORS", second), None);
    assert_eq!(known("DCGM_FI_DEV_GPU_TEMP", second), "61");
    assert_eq!(known("DCGM_FI_DEV_FB_USED", "MIG_UUID=\"MIG-stand-in-1-0\""), "5120");
    assert!(page.contains("weir_agent_gpu_available 1"), "{page}");
    assert_eq!(get(agent.address, "/readyz").await.0, 200);
}

#[tokio::test]
async fn a_fault_that_nvml_tells_of_goes_through_the_agent_into_the_snapshots() {
    let agent = Agent::start(stand_in().to_str().unwrap(), |_| ()).await;
    let (replica, intake) = (Replica::start(vllm(0, 0)).await, Intake::tcp().await);
    let gpus = format!(
        "{{poll_interval: 10ms, exporters: [{{url: 'http://{}/metrics'}}]}}",
        agent.address
    );
    let config = with_gpus(&[(replica.address, "[GPU-stand-in-0]")], &intake.target, &gpus);
    let sidecar = Sidecar::start(&config).await;
    pushed(&intake, "no fault", |endpoint| {
        (endpoint.gpu_failed, endpoint.gpu_throttled) == (Some(false), Some(true))
    })
    .await;
    std::fs::write(agent.folder.path().join("xid"), "48").unwrap();
    pushed(&intake, "the fault", |endpoint| {
        (endpoint.gpu_failed, endpoint.gpu_xid) == (Some(true), Some(48))
    })
    .await;
    sidecar.daemon.stop().await;
}

#[tokio::test]
async fn without_a_driver_the_agent_says_so_once_and_goes_on() {
    let broken = |folder: &Path| std::fs::write(folder.join("broken"), "").unwrap();
    for (library, why) in
        [("/no/such/libnvidia-ml.so.1", "no NVML here"), (stand_in().to_str().unwrap(), "NVML: ")]
    {
        let mut agent = Agent::start(library, broken).await;
        let mut line = String::new();
        let reading = agent.log.read_line(&mut line);
        tokio::time::timeout(std::time::Duration::from_secs(20), reading).await.unwrap().unwrap();
        assert!(line.contains("gpu: unavailable") && line.contains(why), "{line}");
        let page = agent.page_with("weir_agent_gpu_available 0").await;
        assert!(!page.contains("DCGM_"), "{page}");
        let (status, body) = get(agent.address, "/readyz").await;
        assert!(status == 503 && body.contains(why), "{body}");
        assert_eq!(get(agent.address, "/healthz").await.0, 200);
    }
}

#[tokio::test]
async fn a_sidecar_reads_its_own_machines_gpus_and_does_without() {
    let (replica, intake) = (Replica::start(vllm(1, 2)).await, Intake::tcp().await);
    for (library, found) in [(stand_in().to_str().unwrap(), true), ("/no/such/library", false)] {
        let gpus = format!("{{poll_interval: 10ms, nvml: {{library: '{library}'}}}}");
        let config = with_gpus(&[(replica.address, "[GPU-stand-in-0]")], &intake.target, &gpus);
        let sidecar = Sidecar::start(&config).await;
        let what = format!("GPU found: {found}");
        let endpoint = sidecar
            .endpoint_where(0, &what, |it| it["gpu_use"].is_number() == found && it["waiting"] == 1)
            .await;
        assert_eq!(endpoint["gpu_unavailable"].is_string(), !found);
        assert_eq!(endpoint["state"], "ready");
        sidecar.daemon.stop().await;
    }
}
