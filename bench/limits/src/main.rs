//! What replicas use beyond a limit that many clients of one key hammer at once, for each way to reserve.
//!
//! Real Envoy with several workers and `envoy-config/token-limits.yaml`, before simulated replicas that take some
//! milliseconds. A run is a key of its own that nobody has used, so every run begins with a full limit. The
//! clients go on until each of them was refused, and then once more: what they are told in the end is never.

mod failure;
mod gateway;
mod hammer;
mod options;
mod policy;
mod table;

use std::process::ExitCode;

use clap::Parser;

use crate::failure::Failure;
use crate::options::Options;
use crate::policy::Policy;
use crate::table::Row;

fn main() -> ExitCode {
    match run(&Options::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("weir-bench-limits: {failure}");
            ExitCode::FAILURE
        }
    }
}

fn run(options: &Options) -> Result<(), Failure> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let rows = runtime.map_err(Failure::Runtime)?.block_on(measure(options))?;
    print!("{}", table::of(&rows));
    let Some(path) = &options.json else { return Ok(()) };
    let unwritable = |source| Failure::File { path: path.clone(), source };
    let text = serde_json::to_string_pretty(&rows).map_err(std::io::Error::other);
    std::fs::write(path, text.map_err(unwritable)? + "\n").map_err(unwritable)
}

async fn measure(options: &Options) -> Result<Vec<Row>, Failure> {
    let mut rows = Vec::new();
    for policy in Policy::ALL {
        eprintln!("reserving {} …", policy.name());
        let gateway = gateway::Gateway::start(policy, options).await?;
        let mut runs = Vec::new();
        for number in 0..options.runs {
            runs.push(hammer::run(&gateway, number, options).await?);
        }
        let lost = gateway.counter("weir_limit_lost_swaps_total").await?;
        let unknown = gateway.counter("weir_limit_unknown_total").await?;
        rows.push(Row::new(policy, runs, (lost, unknown)));
    }
    Ok(rows)
}
