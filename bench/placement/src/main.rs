//! Prefix hit rate and time to the first token behind Weir and other routers.
//!
//! Each router stands in turn before five simulated replicas that were just started, and gets the same sessions:
//! people who share a few system prompts, ask, read, think and ask again. What a replica had cached and when its
//! first token came is what it says itself; it knows nothing of any router.

mod figures;
mod load;
mod memory;
mod options;
mod player;
mod ready;
mod replicas;
mod routers;
mod row;
mod table;

use std::path::Path;
use std::process::ExitCode;

use clap::Parser;
use weir_harness::HarnessError;

use crate::figures::Figure;
use crate::options::Options;
use crate::routers::{Router, Running};

/// Why there are no figures.
#[derive(Debug, thiserror::Error)]
enum Failure {
    /// Something could not be started or asked.
    #[error(transparent)]
    Harness(#[from] HarnessError),
    /// The figures can't be written.
    #[error("{path}: {source}")]
    File {
        /// The file.
        path: String,
        /// What the system says.
        source: std::io::Error,
    },
    /// The picker did not choose by load, so it did less than it does in service.
    #[error("Weir: {by_load} of {requests} picks rested on measured load")]
    Unplaced {
        /// Picks that rested on measured load.
        by_load: u64,
        /// Requests that were sent.
        requests: usize,
    },
}

#[tokio::main]
async fn main() -> ExitCode {
    match run(&Options::parse()).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("weir-bench-placement: {failure}");
            ExitCode::FAILURE
        }
    }
}

async fn run(options: &Options) -> Result<(), Failure> {
    if options.memory {
        return Ok(memory::run().await?);
    }
    let mut figures = Vec::new();
    let routers = options.routers();
    println!(
        "{} s of arrivals for each of {} routers and {} rows",
        options.seconds(),
        routers.len(),
        options.rows().len()
    );
    for row in options.rows() {
        let plan = load::Plan::new(options.seed, row.sessions_per_second, options.seconds());
        for router in &routers {
            let figure = measure(router, *row, &plan).await?;
            println!("  {}", table::line(&figure));
            figures.push(figure);
        }
    }
    print!("{}", table::of(&figures));
    match &options.json {
        Some(path) => write_json(path, &figures),
        None => Ok(()),
    }
}

/// One router before fresh replicas.
async fn measure(router: &Router, row: row::Row, plan: &load::Plan) -> Result<Figure, Failure> {
    let running = Running::start(router, row).await?;
    let turns = player::play(&running.addresses(), plan, row.name, router.name()).await;
    let figure = Figure::of(row.name, router.name(), &turns);
    if let Some(by_load) = running.picks_by_load().await?
        && by_load < turns.len() as u64 * 9 / 10
    {
        return Err(Failure::Unplaced { by_load, requests: turns.len() });
    }
    Ok(figure)
}

fn write_json(path: &Path, figures: &[Figure]) -> Result<(), Failure> {
    let unwritable = |source| Failure::File { path: path.display().to_string(), source };
    let text = serde_json::to_string_pretty(figures).map_err(std::io::Error::other);
    std::fs::write(path, text.map_err(unwritable)? + "\n").map_err(unwritable)
}
