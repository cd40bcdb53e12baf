//! What each fault of the sidecar, and around it, does to requests: how many fail, where they go, how soon all is well.
//!
//! Real Envoy with `envoy-config/one-filter.yaml` and a real sidecar that polls every 100 ms, before three simulated replicas.
//! Six clients ask all the time, half of them for streams. One fault after the other comes about, lasts for some seconds
//! and passes. Meanwhile sidecar and Envoy are asked every 50 ms what is amiss.

mod failure;
mod fault;
mod gateway;
mod gpus;
mod load;
mod names;
mod pages;
mod watch;

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

use clap::Parser;
use serde::Serialize;

use failure::Failure;
use fault::Fault;
use gateway::Gateway;
use load::Tally;
use watch::{Amiss, Watch};

/// Measures what faults of the sidecar, and around it, do to requests.
#[derive(Debug, Parser)]
#[command(name = "weir-bench-faults")]
struct Options {
    /// Also write the figures to this file, as a JSON list.
    #[arg(long)]
    json: Option<PathBuf>,
}

/// Before a fault all has to be well within this time, and after it, too.
const MOST: Duration = Duration::from_secs(40);

/// What one fault did.
#[derive(Debug, Serialize)]
struct Row {
    fault: Fault,
    /// How long it lasted, in s.
    lasted_s: f64,
    /// Requests from its beginning until all was well, and how many of them failed.
    requests: u64,
    failed: u64,
    /// Of those that were served until it passed, the part of the replica that page and replica faults hit.
    share_of_hit: f64,
    /// What was amiss, and how many s after the beginning.
    amiss: Vec<(String, f64)>,
    /// From when it passed until all was well, in s; `None` if it was not within 40 s.
    well_after_s: Option<f64>,
}

#[tokio::main]
async fn main() -> ExitCode {
    match run(&Options::parse()).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("weir-bench-faults: {failure}");
            ExitCode::FAILURE
        }
    }
}

async fn run(options: &Options) -> Result<(), Failure> {
    let mut gateway = Gateway::start().await?;
    let (tally, _clients) = load::start(gateway.envoy.clients(), gateway.hit());
    let mut watch = Watch::new(gateway.sidecar.address(), gateway.envoy.admin(), &tally);
    let mut rows = Vec::new();
    for fault in Fault::ALL {
        eprintln!("  {}", fault.name());
        rows.push(measure(fault, &mut gateway, &tally, &mut watch).await?);
    }
    print(&rows);
    let Some(path) = &options.json else { return Ok(()) };
    let text = serde_json::to_string_pretty(&rows).map_err(std::io::Error::other);
    let text = text.map_err(Failure::with(path))?;
    std::fs::write(path, text + "\n").map_err(Failure::with(path))
}

async fn measure(
    fault: Fault,
    gateway: &mut Gateway,
    tally: &Arc<Tally>,
    watch: &mut Watch,
) -> Result<Row, Failure> {
    let well = watch.until_well(MOST, Instant::now(), &mut Amiss::new()).await;
    well.map_err(|why| Failure::Unwell { fault: fault.name(), why })?;
    let (before, began, mut amiss) = (tally.counts(), Instant::now(), Amiss::new());
    let mut lasting = Watch::new(gateway.sidecar.address(), gateway.envoy.admin(), tally);
    let long = fault.lasts().max(Duration::from_millis(1));
    let (begun, ()) = tokio::join!(fault.begin(gateway), lasting.for_long(long, began, &mut amiss));
    begun?;
    let (passed, during) = (Instant::now(), tally.counts().since(before));
    fault.end(gateway).await?;
    let well = watch.until_well(MOST, began, &mut amiss).await;
    let all = tally.counts().since(before);
    Ok(Row {
        fault,
        lasted_s: (passed - began).as_secs_f64(),
        requests: all.served + all.failed,
        failed: all.failed,
        share_of_hit: during.at_hit as f64 / during.served.max(1) as f64,
        amiss: amiss.into_iter().map(|(what, after)| (what, after.as_secs_f64())).collect(),
        well_after_s: well.ok().map(|at| at.saturating_duration_since(passed).as_secs_f64()),
    })
}

fn print(rows: &[Row]) {
    println!(
        "\n| fault | lasts | requests | failed | at the replica that is hit | seen | well again after |"
    );
    println!("|---|---|---|---|---|---|---|");
    for row in rows {
        let seen: Vec<String> =
            row.amiss.iter().map(|(what, after)| format!("{what} ({after:.1} s)")).collect();
        let seen = if seen.is_empty() { "nothing".to_owned() } else { seen.join(", ") };
        let well = row.well_after_s.map_or("not in 40 s".to_owned(), |s| format!("{s:.1} s"));
        println!(
            "| {} | {:.1} s | {} | {} | {:.0} % | {seen} | {well} |",
            row.fault.name(),
            row.lasted_s,
            row.requests,
            row.failed,
            row.share_of_hit * 100.0,
        );
    }
}
