//! The demo: real Envoy, simulated replicas, the sidecar, and a table of who went where.

#![allow(
    clippy::indexing_slicing,
    reason = "fixed tables and JSON values; nothing here runs in a filter"
)]

mod conversation;
mod error;
mod gpu;
mod guarded;
mod limited;
mod load;
mod report;
mod stack;
mod truth;

use std::process::ExitCode;

use clap::Parser;

use crate::error::DemoError;
use crate::gpu::Fault;
use crate::load::Served;
use crate::stack::{Placement, Stack};

/// Shows Weir at work: a scripted conversation load through a real Envoy to six simulated replicas,
/// then the same load with Envoy's round robin beside it.
#[derive(Debug, Parser)]
#[command(name = "weir-demo", version)]
struct Arguments {
    /// Leave everything running afterwards, print curl lines to try, and write
    /// target/demo/addresses.json. Ctrl-C ends it.
    #[arg(long)]
    keep: bool,
    /// Exit with an error if what is shown is not true: every request served by its pool, a higher
    /// prefix hit rate and a shorter time to the first token than round robin, and the guardrail kept
    /// back what it should, and a key that reached its limit was admitted when it was told.
    #[arg(long)]
    check: bool,
    /// Also let a GPU of pool llama fail, as a DCGM exporter's page tells, and show where requests go.
    #[arg(long)]
    gpu_fault: bool,
}

#[tokio::main]
async fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let demo = run(&arguments);
    let ended = tokio::select! {
        result = demo => result,
        _ = asked_to_end() => {
            stack::forget_addresses();
            println!("\nstopped: every process that the demo started has been ended");
            return ExitCode::from(130);
        }
    };
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("demo: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Ends with Ctrl-C or SIGTERM.
async fn asked_to_end() {
    use tokio::signal::unix::{SignalKind, signal};
    match signal(SignalKind::terminate()) {
        Ok(mut terminate) => {
            tokio::select! {
                _ = terminate.recv() => {}
                _ = tokio::signal::ctrl_c() => {}
            }
        }
        // Without a handler SIGTERM ends the process, and its children with it.
        Err(_) => drop(tokio::signal::ctrl_c().await),
    }
}

async fn run(arguments: &Arguments) -> Result<(), DemoError> {
    println!(
        "1/3  Weir: Envoy with suite.wasm (envoy-config/guardrail.yaml), 2 pools of 3 replicas, the sidecar"
    );
    let stack = Stack::start(Placement::Weir, arguments.gpu_fault).await?;
    stack.describe();
    if arguments.keep {
        stack.write_addresses()?;
    }
    let weir = load::play(&stack, "Weir").await?;
    report::requests(&weir);
    let refusals = load::refusals(&stack).await?;
    report::refusals(&refusals);
    let guarded = guarded::exchange(&stack).await?;
    report::guarded(&guarded);
    let limited = limited::exchange(&stack).await?;
    report::limited(&limited);
    let fault = gpu::fault(&stack).await?;
    fault.iter().for_each(report::fault);
    let kept = arguments.keep.then_some(stack);
    println!("\n2/3  The same load on fresh replicas, Envoy's round robin instead of the picker");
    let round_robin = compare().await?;
    println!("\n3/3  Side by side");
    report::comparison(&weir, &round_robin);
    if arguments.check {
        let mut untrue = truth::untrue(&weir, &round_robin, &refusals);
        untrue.extend(guarded.untrue());
        untrue.extend(limited.untrue());
        untrue.extend(fault.iter().flat_map(Fault::untrue));
        confirm(untrue)?;
    }
    match kept {
        Some(mut stack) => keep(&mut stack).await,
        None => Ok(()),
    }
}

/// Says that all was as it should be, or fails with what was not.
fn confirm(untrue: Vec<String>) -> Result<(), DemoError> {
    if !untrue.is_empty() {
        return Err(DemoError::Untrue(untrue));
    }
    println!(
        "\nchecked: every request was answered by a replica of its model's pool, with usage, or refused as \
         it should be; the guardrail kept back what it should; a key ran into its limit and was admitted when it was told; Weir has the higher hit rate and the lower mean TTFT"
    );
    Ok(())
}

async fn compare() -> Result<Vec<Served>, DemoError> {
    let stack = Stack::start(Placement::RoundRobin, false).await?;
    load::play(&stack, "round robin").await
}

async fn keep(stack: &mut Stack) -> Result<(), DemoError> {
    stack.print_curl_lines();
    std::future::pending::<()>().await;
    Ok(())
}
