//! Try a policy, list its rules, explain its limits, measure them: Weir without Envoy.

mod commands;
mod error;
mod guardrail;
mod report;
mod sidecar;
mod within_envoy;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::error::CliError;

/// Try a policy, list its rules, explain its limits, measure them: Weir without Envoy.
#[derive(Debug, Parser)]
#[command(
    name = "weir",
    version,
    after_help = "\
Examples:
  echo 'I am ann@example.com' | weir scan
  weir scan --policy envoy-config/guardrail.yaml < text
  weir eval guardrail --data labelled.jsonl --json rates.json
  weir eval tokens --data texts.jsonl
  weir limits explain policy.yaml --request body.json
  weir limits top-up key-month ann --by 5"
)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

/// What to do.
#[derive(Debug, Subcommand)]
enum Command {
    /// Inspect text from standard input: findings and the redacted text.
    Scan(commands::scan::Scan),
    /// List every rule: its names, and what the policy does about it.
    Rules(commands::rules::Rules),
    /// Measure rules on labelled data, and token estimates on any text.
    #[command(subcommand)]
    Eval(commands::eval::Eval),
    /// What a policy of token-limit allows; how keys of a fleet's limits stand, and how to change that.
    #[command(subcommand)]
    Limits(commands::limits::Limits),
}

fn main() -> ExitCode {
    match run(Cli::parse()) {
        Ok(code) => code,
        // Whoever reads the output has read enough, as `head` does.
        Err(error) if error.is_broken_pipe() => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("weir: {error}");
            ExitCode::from(2)
        }
    }
}

fn run(cli: Cli) -> Result<ExitCode, CliError> {
    match cli.command {
        Command::Scan(scan) => scan.run(),
        Command::Rules(rules) => rules.run(),
        Command::Eval(eval) => eval.run(),
        Command::Limits(limits) => limits.run(),
    }
}
