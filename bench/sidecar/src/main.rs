//! What the sidecar costs: the size of its static binary, and memory and CPU time with many replicas.
//!
//! Replicas and gateway are in this process, so their time is not counted; they need a core of their own, or the
//! sidecar gets less than it asks for. Linux only: it reads `/proc`.

mod process;
mod replicas;

use std::error::Error;
use std::fmt::Write as _;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::Parser;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use serde::Serialize;

use process::Program;
use replicas::Replicas;

/// What to measure; `cargo xtask bench --help` has the same.
#[derive(Debug, Parser)]
struct Options {
    /// The sidecar's binary.
    #[arg(long)]
    binary: PathBuf,
    /// Also writes the figures to this file.
    #[arg(long)]
    json: Option<PathBuf>,
    /// How long each setup is measured.
    #[arg(long, default_value = "10")]
    seconds: u64,
    /// Measures `weir-sidecar agent` only.
    #[arg(long)]
    agent: bool,
    /// The library that the agent loads instead of the driver's.
    #[arg(long)]
    library: Option<String>,
}

/// One row.
#[derive(Debug, Serialize)]
struct Figures {
    what: String,
    cpu_percent: f64,
    resident_mib: f64,
    /// Polls that were answered in a second.
    polls_per_second: f64,
    pushes_per_second: f64,
}

/// Replicas, interval, bytes of a page, and whether parts of pages are asked for.
type Setup = (usize, &'static str, usize, bool);

/// A vLLM's page with all its histograms has some 60 KB.
const PAGE_BYTES: usize = 60_000;

const SETUPS: [Setup; 4] = [
    (100, "100ms", PAGE_BYTES, true),
    (100, "100ms", PAGE_BYTES, false),
    (1000, "100ms", PAGE_BYTES, true),
    (1000, "1s", PAGE_BYTES, false),
];

/// Time until what grows once has grown: connections, buffers, and the first whole pages.
const SETTLE: Duration = Duration::from_secs(4);

#[tokio::main(flavor = "multi_thread", worker_threads = 1)]
async fn main() -> Result<(), Box<dyn Error>> {
    let options = Options::parse();
    let limit = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, ..limit })?;
    let bytes = std::fs::metadata(&options.binary)?.len();
    println!("{}: {bytes} bytes", options.binary.display());
    let mut rows = Vec::new();
    if options.agent {
        rows.push(agent(&options).await?);
    } else {
        for setup in SETUPS {
            rows.push(sidecar(&options, setup).await?);
        }
    }
    println!("{:<58} {:>8} {:>9} {:>8} {:>8}", "", "CPU", "memory", "polls/s", "pushes/s");
    for row in &rows {
        println!(
            "{:<58} {:>6.1} % {:>5.1} MiB {:>8.0} {:>8.1}",
            row.what,
            row.cpu_percent,
            row.resident_mib,
            row.polls_per_second,
            row.pushes_per_second
        );
    }
    if let Some(path) = &options.json {
        let all = serde_json::json!({"bytes": bytes, "rows": rows});
        std::fs::write(path, serde_json::to_vec_pretty(&all)?)?;
    }
    Ok(())
}

async fn sidecar(
    options: &Options,
    (count, interval, bytes, filter): Setup,
) -> Result<Figures, Box<dyn Error>> {
    let replicas = Replicas::start(bytes).await?;
    let folder = tempfile::tempdir()?;
    let config = folder.path().join("sidecar.yaml");
    std::fs::write(&config, yaml(&replicas, count, interval, filter)?)?;
    let mut sidecar = Program::start(&options.binary, &["--config".into(), config.into()])?;
    let pages = if filter { "filtered pages" } else { "whole pages" };
    let what = format!("{count} replicas every {interval}, {pages} of {bytes} bytes");
    let figures = measure(what, &mut sidecar, Some(&replicas), options.seconds).await?;
    sidecar.end().await?;
    Ok(figures)
}

/// The agent, asked for its page once a second as a sidecar would.
async fn agent(options: &Options) -> Result<Figures, Box<dyn Error>> {
    let free = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    let address = free.local_addr()?;
    drop(free);
    let mut arguments = vec!["agent".into(), "--listen".into(), address.to_string().into()];
    if let Some(library) = &options.library {
        arguments.extend(["--library".into(), library.into()]);
    }
    let mut agent = Program::start(&options.binary, &arguments)?;
    let asking = tokio::spawn(async move {
        loop {
            tokio::time::sleep(Duration::from_secs(1)).await;
            // One that does not listen yet is asked again.
            let _ = replicas::get(address, "/metrics").await;
        }
    });
    let figures =
        measure("agent, NVML and page once a second".into(), &mut agent, None, options.seconds)
            .await;
    asking.abort();
    agent.end().await?;
    figures
}

async fn measure(
    what: String,
    program: &mut Program,
    replicas: Option<&Replicas>,
    seconds: u64,
) -> Result<Figures, Box<dyn Error>> {
    tokio::time::sleep(SETTLE).await;
    let counts = || replicas.map_or((0, 0), Replicas::counts);
    let (before, cpu, started) = (counts(), program.cpu_seconds()?, std::time::Instant::now());
    tokio::time::sleep(Duration::from_secs(seconds)).await;
    let (after, took) = (counts(), started.elapsed().as_secs_f64());
    let rate =
        |before: u64, after: u64| u32::try_from(after - before).map(|all| f64::from(all) / took);
    Ok(Figures {
        what,
        cpu_percent: (program.cpu_seconds()? - cpu) / took * 100.0,
        resident_mib: program.most_resident_mib()?,
        polls_per_second: rate(before.0, after.0)?,
        pushes_per_second: rate(before.1, after.1)?,
    })
}

fn yaml(
    replicas: &Replicas,
    count: usize,
    interval: &str,
    filter: bool,
) -> Result<String, Box<dyn Error>> {
    let mut text = format!(
        "listen: 127.0.0.1:0\nlog: {{level: warn}}\ngateways: ['http://{}']\npools:\n  p:\n    \
         poll_interval: {interval}\n    filter: {filter}\n    endpoints:\n",
        replicas.address()
    );
    for at in 0..count {
        writeln!(text, "    - address: {}", place(at, replicas.address())?)?;
    }
    Ok(text)
}

/// Addresses of this machine, of which there are 16 million.
fn place(at: usize, server: SocketAddr) -> Result<SocketAddr, Box<dyn Error>> {
    let (high, low) = (u8::try_from(at / 250)?, u8::try_from(at % 250)?);
    Ok(SocketAddr::from(([127, 1, high, low + 1], server.port())))
}
