//! Check a config, try a policy, explain a pick: Weir without Envoy.

mod commands;
mod error;
mod guardrail;
mod report;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::error::CliError;

/// Try Weir's rules without Envoy.
#[derive(Debug, Parser)]
#[command(name = "weir", version, about)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

/// What to do.
#[derive(Debug, Subcommand)]
enum Command {
    /// Inspect text from standard input: findings and the redacted text.
    Scan(commands::scan::Scan),
    /// Measure rules on labelled data.
    #[command(subcommand)]
    Eval(commands::eval::Eval),
}

fn main() -> ExitCode {
    match run(Cli::parse()) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("weir: {error}");
            ExitCode::from(2)
        }
    }
}

fn run(cli: Cli) -> Result<ExitCode, CliError> {
    match cli.command {
        Command::Scan(scan) => scan.run(),
        Command::Eval(eval) => eval.run(),
    }
}
