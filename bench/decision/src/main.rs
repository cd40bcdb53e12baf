//! Cost of a limit's decision and settlement, natively and in V8.
//!
//! A decision is all that `token-limit` does between the facts of a request and its answer: the digests of its
//! keys, the correction of the estimate, all limits weighed and written as one step. Shared data is a map in
//! memory that copies what it gives and takes, as Envoy's does; Envoy's own lock and the way to the host and
//! back come on top, 2 to 7 µs for a read and a write (`bench overhead --limits` has all of it).
//!
//! `cargo xtask bench decision` builds it twice and calls the native one, which measures itself, then runs the
//! module in Node.

mod cases;
mod figures;
mod memory;
mod v8;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;
use serde_json::{Value, json};

/// Measures what a limit's decision costs.
#[derive(Debug, Parser)]
#[command(name = "weir-bench-decision")]
struct Options {
    /// Also write the figures to this file.
    #[arg(long)]
    json: Option<PathBuf>,
    /// Print the figures of this target alone, as one JSON object.
    #[arg(long, conflicts_with_all = ["json", "node"])]
    figures: bool,
    /// The program of Node.
    #[arg(long, requires = "v8_module")]
    node: Option<PathBuf>,
    /// This benchmark, compiled for `wasm32-wasip1`.
    #[arg(long, requires = "node")]
    v8_module: Option<PathBuf>,
}

fn main() -> ExitCode {
    match run(&Options::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(reason) => {
            eprintln!("weir-bench-decision: {reason}");
            ExitCode::FAILURE
        }
    }
}

fn run(options: &Options) -> Result<(), String> {
    if options.figures {
        println!("{:#}", figures::measure());
        return Ok(());
    }
    eprintln!("measuring natively …");
    let native = figures::measure();
    let v8 = match (&options.node, &options.v8_module) {
        (Some(node), Some(module)) => {
            eprintln!("measuring in V8 …");
            v8::figures(node, module)?
        }
        _ => Value::Null,
    };
    let all = json!({ "native": native, "v8": v8 });
    print!("{}", figures::table(&all));
    let Some(file) = &options.json else { return Ok(()) };
    let written = std::fs::write(file, format!("{all:#}\n"));
    written.map_err(|source| format!("{}: {source}", file.display()))
}
