//! How soon a change on a polled page is seen in where requests go: page, sidecar, push, Envoy, pick.
//!
//! Real Envoy with `envoy-config/one-filter.yaml` and a sidecar that polls every 100 ms, before three replicas that answer at
//! once. Their pages of load, and the page of their GPUs, are stand-ins that say what they are told to say. One client sends
//! requests without a pause, which have nothing in common; each says which replica it was placed on. A change comes at any
//! moment of an interval.

mod failure;
mod gateway;
mod pages;

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use clap::Parser;
use serde::Serialize;

use failure::{Failure, MOST};
use gateway::Gateway;

/// Measures how soon a change on a polled page is seen in where requests go.
#[derive(Debug, Parser)]
#[command(name = "weir-bench-reaction")]
struct Options {
    /// Also write the figures to this file, as a JSON list.
    #[arg(long)]
    json: Option<PathBuf>,
    /// Changes of each kind.
    #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u32).range(2..))]
    changes: u32,
}

/// After the last request to a replica whose GPU has failed, so long without another says that it was the last.
const QUIET: Duration = Duration::from_millis(400);

/// A change comes at a moment within so many ms: the interval of polls.
const INTERVAL_MS: u64 = 100;

/// Milliseconds from the change to the pick that first went by it.
#[derive(Debug, Serialize)]
struct Figure {
    what: &'static str,
    changes: usize,
    median_ms: f64,
    p95_ms: f64,
    worst_ms: f64,
}

impl Figure {
    fn of(what: &'static str, mut seen: Vec<Duration>) -> Self {
        seen.sort();
        let at = |part: f64| {
            let rank = (seen.len() as f64 * part).ceil() as usize;
            seen.get(rank.saturating_sub(1)).map_or(0.0, |took| took.as_secs_f64() * 1e3)
        };
        Self { what, changes: seen.len(), median_ms: at(0.5), p95_ms: at(0.95), worst_ms: at(1.0) }
    }
}

#[tokio::main]
async fn main() -> ExitCode {
    match run(&Options::parse()).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("weir-bench-reaction: {failure}");
            ExitCode::FAILURE
        }
    }
}

async fn run(options: &Options) -> Result<(), Failure> {
    let mut gateway = Gateway::start().await?;
    let figures =
        [load(&mut gateway, options.changes).await?, gpu(&mut gateway, options.changes).await?];
    println!("\n| change | changes | median | p95 | worst |\n|---|---|---|---|---|");
    for Figure { what, changes, median_ms, p95_ms, worst_ms } in &figures {
        println!("| {what} | {changes} | {median_ms:.0} ms | {p95_ms:.0} ms | {worst_ms:.0} ms |");
    }
    let Some(path) = &options.json else { return Ok(()) };
    let unwritable = |source| Failure::File { path: path.clone(), source };
    let text = serde_json::to_string_pretty(&figures).map_err(std::io::Error::other);
    std::fs::write(path, text.map_err(unwritable)? + "\n").map_err(unwritable)
}

/// All replicas but one are busy, and then another one is the idle one: until it gets a request.
async fn load(gateway: &mut Gateway, changes: u32) -> Result<Figure, Failure> {
    const WHAT: &str = "another replica is idle (load, polled every 100 ms)";
    gateway.only_idle(0);
    gateway.until(WHAT, |replica| replica == Some(0), Instant::now()).await?;
    let mut seen = Vec::new();
    for change in 1..=changes {
        gateway.keep_on(pause()).await?;
        let idle = change as usize % gateway::REPLICAS;
        gateway.only_idle(idle);
        let began = Instant::now();
        seen.push(gateway.until(WHAT, |replica| replica == Some(idle), began).await?);
        progress("load", change, changes);
    }
    gateway.all_idle();
    Ok(Figure::of(WHAT, seen))
}

/// A GPU fails: until its replica gets its last request.
async fn gpu(gateway: &mut Gateway, changes: u32) -> Result<Figure, Failure> {
    const WHAT: &str = "a GPU fails (DCGM exporter, polled every 100 ms)";
    let mut seen = Vec::new();
    for change in 1..=changes {
        let failing = change as usize % gateway::REPLICAS;
        gateway.gpus_well();
        // It has to get requests before, or nothing can be seen.
        gateway.until(WHAT, |replica| replica == Some(failing), Instant::now()).await?;
        gateway.keep_on(pause()).await?;
        gateway.gpu_fails(failing);
        let began = Instant::now();
        let mut last = Duration::ZERO;
        while began.elapsed() < last + QUIET {
            let (replica, sent) = gateway.ask().await?;
            if replica == Some(failing) {
                last = sent.saturating_duration_since(began);
            }
            if last > MOST {
                return Err(Failure::Unseen(WHAT));
            }
        }
        seen.push(last);
        progress("GPU", change, changes);
    }
    // A change that falls on no request to that replica is none that took no time.
    seen.retain(|last| !last.is_zero());
    Ok(Figure::of(WHAT, seen))
}

/// A line for every tenth change.
fn progress(what: &str, change: u32, changes: u32) {
    if change.is_multiple_of(10) {
        eprintln!("  {what}: {change} of {changes}");
    }
}

/// From when the last change was seen to the next: everything has settled, and it comes at any moment of an interval.
fn pause() -> Duration {
    Duration::from_millis(300 + fastrand::u64(0..INTERVAL_MS))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn half_of_the_changes_are_seen_by_the_median_and_all_by_the_worst() {
        let seen = (1..=40).rev().map(Duration::from_millis).collect();
        let figure = Figure::of("a change", seen);
        let told = (figure.changes, figure.median_ms, figure.p95_ms, figure.worst_ms);
        assert_eq!(told, (40, 20.0, 38.0, 40.0));
        assert_eq!(Figure::of("none", Vec::new()).median_ms, 0.0);
    }
}
