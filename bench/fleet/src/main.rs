//! Limits and load that several Envoys share through Redis.
//!
//! * Overshoot: three Envoys with a sidecar each have one limit together, and clients that want more than it has. What is
//!   admitted beyond the limit, by what fails while they do.
//! * Size: what Redis does for so many gateways and keys. Real sidecars and a real Redis; gateways are stand-ins that tell
//!   of keys as Envoy's intake does.
//! * Placement: the load of the placement benchmark through one Envoy and through two, with and without Redis.

mod failure;
mod fault;
mod fleet;
mod machine;
mod options;
mod overshoot;
mod placement;
mod redis;
mod run;
mod sizing;

use std::path::Path;
use std::process::ExitCode;

use clap::Parser;
use serde_json::{Map, Value};

use crate::failure::Failure;
use crate::options::{Options, Table};

#[tokio::main]
async fn main() -> ExitCode {
    match measure(&Options::parse()).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("weir-bench-fleet: {failure}");
            ExitCode::FAILURE
        }
    }
}

async fn measure(options: &Options) -> Result<(), Failure> {
    let mut figures = Map::new();
    if options.wants(Table::Overshoot) {
        let rows = overshoot::measure(options.runs).await?;
        println!("{}", overshoot::table(&rows));
        figures.insert("overshoot".to_owned(), serde_json::json!(rows));
    }
    if options.wants(Table::Size) {
        let rows = sizing::measure(options.seconds).await?;
        println!("{}", sizing::table(&rows));
        figures.insert("size".to_owned(), serde_json::json!(rows));
    }
    if options.wants(Table::Placement) {
        let rows = placement::measure(options).await?;
        println!("{}", placement::table(&rows));
        figures.insert("placement".to_owned(), rows);
    }
    match &options.json {
        Some(path) => write(path, &Value::Object(figures)),
        None => Ok(()),
    }
}

fn write(path: &Path, figures: &Value) -> Result<(), Failure> {
    let unwritable = |source| Failure::File { path: path.to_owned(), source };
    std::fs::write(path, format!("{figures:#}\n")).map_err(unwritable)
}
