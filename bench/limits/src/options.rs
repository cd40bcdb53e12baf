//! The command line.

use std::path::PathBuf;

use clap::Parser;

/// Measures what replicas use beyond a limit that many clients of one key hammer at once.
#[derive(Debug, Parser)]
#[command(name = "weir-bench-limits")]
pub(crate) struct Options {
    /// Also write the figures to this file, as a JSON list.
    #[arg(long)]
    pub(crate) json: Option<PathBuf>,
    /// Runs of each way to reserve, the worst of which is told.
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) runs: u32,
    /// Clients of the one key, each with one request at a time.
    #[arg(long, default_value_t = 64, value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) clients: u32,
    /// Requests of a run.
    #[arg(long, default_value_t = 640, value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) requests: u32,
    /// Workers of Envoy.
    #[arg(long, default_value_t = 4, value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) workers: u32,
}
