//! CPU time per request of Weir's chain beside a minimal ext_proc.
//!
//! Three Envoys with one worker each stand before the same upstream: alone ("bare"), with Weir's
//! router and picker as shipped ("chain"), with an ext_proc server that only finds the model
//! ("ext_proc"). A closed loop of clients sends the same requests to each in turn, many short
//! rounds, so that whatever else the machine does falls on all three alike.

mod body;
#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
mod count;
mod cpu;
mod events;
mod failure;
mod figures;
mod load;
mod measurement;
mod options;
mod path;
#[cfg(target_os = "linux")]
mod processors;
#[cfg(not(target_os = "linux"))]
#[path = "processors_elsewhere.rs"]
mod processors;
mod setup;
mod table;

use std::process::ExitCode;

use clap::Parser;

use crate::failure::Failure;
use crate::options::Options;
use crate::processors::Processors;

fn main() -> ExitCode {
    match run(&Options::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("weir-bench-overhead: {failure}");
            ExitCode::FAILURE
        }
    }
}

fn run(options: &Options) -> Result<(), Failure> {
    // The client needs no second thread, and Envoy shall have a core.
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    let runtime = runtime.enable_all().build().map_err(Failure::Runtime)?;
    if options.count {
        #[cfg(all(target_os = "linux", target_arch = "x86_64"))]
        return runtime.block_on(count::run(options));
        #[cfg(not(all(target_os = "linux", target_arch = "x86_64")))]
        return Err(Failure::Trace(std::io::ErrorKind::Unsupported.into()));
    }
    let processors = Processors::reserve(!options.let_halt).unwrap_or_else(|error| {
        println!("the processors cannot be arranged ({error}): the figures will vary more");
        Processors::default()
    });
    if options.per_event {
        let costs = runtime.block_on(events::run(options, &processors))?;
        print!("{}", events::table(&costs));
        return write_json(options, &costs);
    }
    let figures = runtime.block_on(measurement::run(options, &processors))?;
    print!("{}", table::of(&figures));
    write_json(options, &figures)
}

/// Writes the figures where that is wanted.
fn write_json<F: serde::Serialize>(options: &Options, figures: &[F]) -> Result<(), Failure> {
    let Some(path) = &options.json else { return Ok(()) };
    let unwritable = |source| Failure::File { path: path.clone(), source };
    let text = serde_json::to_string_pretty(figures).map_err(std::io::Error::other);
    let text = text.map_err(unwritable)?;
    std::fs::write(path, text + "\n").map_err(unwritable)
}
