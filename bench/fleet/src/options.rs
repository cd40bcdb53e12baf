//! The command line.

use std::path::PathBuf;

use clap::{Parser, ValueEnum};

/// Measures what several Envoys share through Redis.
#[derive(Debug, Parser)]
#[command(name = "weir-bench-fleet")]
pub(crate) struct Options {
    /// Also write the figures to this file, as a JSON object with a member for each table.
    #[arg(long)]
    pub(crate) json: Option<PathBuf>,
    /// Tables, with commas between them; all if not given.
    #[arg(long, value_delimiter = ',')]
    tables: Vec<Table>,
    /// Runs of each fault, the worst of which is told.
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) runs: u32,
    /// Seconds that each cell of the table of sizes is measured, and in which sessions of the table of placement arrive
    /// are six times as many.
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u64).range(1..=600))]
    pub(crate) seconds: u64,
    /// The program of the placement benchmark; without it, that table is left out.
    #[arg(long, hide = true)]
    pub(crate) placement_program: Option<PathBuf>,
}

/// What is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Table {
    /// What is admitted beyond a limit that three Envoys have together, by what fails meanwhile.
    Overshoot,
    /// Operations, processor time and memory of Redis by gateways and keys.
    Size,
    /// The load of `bench placement` through one Envoy, and through two.
    Placement,
}

impl Options {
    /// Whether this table was asked for.
    pub(crate) fn wants(&self, table: Table) -> bool {
        self.tables.is_empty() || self.tables.contains(&table)
    }
}
