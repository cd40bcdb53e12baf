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
mod path;
#[cfg(target_os = "linux")]
mod processors;
#[cfg(not(target_os = "linux"))]
#[path = "processors_elsewhere.rs"]
mod processors;
mod setup;
mod table;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;
use clap::builder::TypedValueParser;

use crate::failure::Failure;
use crate::processors::Processors;

/// Measures what Weir's chain and a minimal ext_proc add to a request's CPU time and latency.
#[derive(Debug, Parser)]
#[command(name = "weir-bench-overhead")]
struct Options {
    /// Also write the figures to this file, as a JSON list.
    #[arg(long)]
    json: Option<PathBuf>,
    /// Requests to each setup, for each size of body and kind of response.
    #[arg(long, default_value_t = 4000, value_parser = at_least_one())]
    requests: usize,
    /// Rounds that the requests are spread over.
    #[arg(long, default_value_t = 40, value_parser = at_least_one())]
    rounds: usize,
    /// Sizes of the request bodies in KB, with commas between them.
    #[arg(long, value_name = "KB,…", value_delimiter = ',', default_values_t = [1, 32, 256], value_parser = at_least_one())]
    body_kb: Vec<usize>,
    /// Clients, each with one request at a time on a connection of its own. A worker sees a few
    /// hundred inference requests per second at most, so they seldom meet in the proxy; the more do,
    /// the more of them each wake-up serves, and the less CPU time a request takes in any setup.
    #[arg(long, default_value_t = 1, value_parser = at_least_one())]
    clients: usize,
    /// Events of a streamed response.
    #[arg(long, default_value_t = 20, value_parser = at_least_one())]
    events: usize,
    /// Microseconds between them. With 0, the upstream sends all at once; with 50, each comes alone,
    /// because that is more than Envoy takes for one. (With less, it takes as many at once as came
    /// while it was busy: the slower a setup, the fewer steps it makes.)
    #[arg(long, value_name = "US", default_value_t = 0)]
    event_us: u64,
    /// Sends no message twice. Otherwise the bodies are the turns of conversations: all but the last
    /// message of up to 3,000 bytes was sent before.
    #[arg(long)]
    fresh: bool,
    /// Lets processors halt that have nothing to do. Otherwise (on Linux) a thread on each runs when
    /// nothing else does: what it takes to wake a halted one is no cost of a setup, yet falls on it.
    #[arg(long)]
    let_halt: bool,
    /// Adds the guardrail with its default policy to Weir's chain, in the same Envoy filter.
    #[arg(long)]
    guardrail: bool,
    /// Measures only what chain and guardrail add per event of a stream: long and short streams,
    /// with them and without.
    #[arg(long, conflicts_with_all = ["guardrail", "body_kb", "events", "event_us"])]
    per_event: bool,
    /// Counts what Envoy's worker executes for one request, instead of measuring time: instructions, and
    /// the memory that they touch, by function of the filters. Takes Linux on x86-64; bodies of up to
    /// 64 KB.
    #[arg(long, conflicts_with_all = ["json", "requests", "rounds", "clients", "event_us", "let_halt", "per_event"])]
    count: bool,
    /// With --count: counts without and with the guardrail, and writes the filters' functions that ran to
    /// this file, in their order. That is what filters/suite/functions.txt is, by which the build places
    /// them side by side.
    #[arg(long, value_name = "FILE", requires = "count")]
    functions: Option<PathBuf>,
}

/// A count that may not be nought.
fn at_least_one() -> impl TypedValueParser<Value = usize> {
    clap::value_parser!(u32).range(1..).map(|count| count as usize)
}

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
