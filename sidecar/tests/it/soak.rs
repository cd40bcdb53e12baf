//! 200 replicas that come and go, with faults among them: descriptors and memory stay where they are.

use std::time::{Duration, Instant};

use crate::process::{Binary, JSON_LOG};
use crate::support::{Behaviour, Intake, Replica, get, vllm};

const REPLICAS: usize = 200;

/// Time between two changes of the list: longer than the sidecar takes to notice one.
const CHANGE: Duration = Duration::from_millis(2500);

/// What a process holds now.
#[derive(Clone, Copy, Debug)]
struct Holds {
    descriptors: usize,
    /// Resident memory in KiB.
    memory_kib: usize,
}

impl Holds {
    fn of(pid: u32) -> Self {
        let descriptors = std::fs::read_dir(format!("/proc/{pid}/fd")).unwrap().count();
        let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
        let memory = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
        let memory_kib = memory.split_whitespace().next().unwrap().parse().unwrap();
        Self { descriptors, memory_kib }
    }
}

/// What a replica does for a while.
fn behaviour(random: &mut fastrand::Rng) -> Behaviour {
    match random.u8(0..20) {
        0 => Behaviour::Status(500),
        1 => Behaviour::Hang,
        2 => Behaviour::Cut,
        3 => Behaviour::Close,
        4 => Behaviour::Endless,
        5 => Behaviour::Drip,
        _ => vllm(random.u32(0..9), random.u32(0..9)),
    }
}

async fn churn(period: Duration) {
    let mut random = fastrand::Rng::with_seed(7);
    let mut replicas = Vec::new();
    for _ in 0..REPLICAS {
        replicas.push(Replica::start(vllm(1, 1)).await);
    }
    let intake = Intake::tcp().await;
    intake.busy(0);
    intake.forget();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("replicas.yaml");
    let list = |random: &mut fastrand::Rng| {
        let mut text = "endpoints:\n".to_owned();
        let kept = replicas.iter().filter(|_| random.bool());
        kept.for_each(|replica| text.push_str(&format!("- address: {}\n", replica.address)));
        std::fs::write(&file, text).unwrap();
    };
    list(&mut random);
    let binary = Binary::with(&format!(
        "listen: 127.0.0.1:0\n{JSON_LOG}\ngateways: ['{}']\npools:\n  llama:\n    poll_interval: 100ms\n    \
         timeout: 300ms\n    discover: [{{file: '{}'}}]\n",
        intake.target,
        file.display()
    ));
    let mut running = binary.start();
    let started = running.logged("started").await;
    let http = started["address"].as_str().unwrap().parse().unwrap();
    // A full pipe would stop what is measured.
    let pid = running.child.id().unwrap();
    let log = tokio::spawn(async move {
        while let Ok(Some(_)) = running.log.next_line().await {}
        running.child
    });
    let (begun, mut held) = (Instant::now(), Vec::new());
    while begun.elapsed() < period {
        list(&mut random);
        for replica in &replicas {
            replica.set(behaviour(&mut random));
        }
        tokio::time::sleep(CHANGE).await;
        held.push(Holds::of(pid));
        assert_eq!(get(http, "/healthz").await.0, 200);
    }
    let (_, metrics) = get(http, "/metrics").await;
    println!("{held:?}");
    // A third of the time is for what grows once: buffers, tables, the allocator's own.
    let most = |part: &[Holds]| Holds {
        descriptors: part.iter().map(|held| held.descriptors).max().unwrap(),
        memory_kib: part.iter().map(|held| held.memory_kib).max().unwrap(),
    };
    let third = held.len() / 3;
    let (settled, most) = (most(&held[third..2 * third]), most(&held[2 * third..]));
    // One connection for each replica, listener, gateway, log, what tokio has.
    assert!(most.descriptors <= REPLICAS + 50, "{most:?}");
    assert!(most.memory_kib <= settled.memory_kib + 8 * 1024, "{settled:?}, then {most:?}");
    assert!(most.memory_kib < 64 * 1024, "{most:?}");
    let series =
        metrics.lines().filter(|line| line.starts_with("weir_sidecar_polls_total")).count();
    assert!(series <= REPLICAS * 8, "replicas that are gone are not shown for ever");
    log.abort();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn replicas_come_and_go_for_a_minute_and_nothing_grows() {
    churn(Duration::from_secs(60)).await;
}

/// `cargo test --release -p weir-sidecar --test it -- --ignored soak::`
#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
#[ignore = "takes ten minutes"]
async fn replicas_come_and_go_for_ten_minutes_and_nothing_grows() {
    churn(Duration::from_secs(600)).await;
}
