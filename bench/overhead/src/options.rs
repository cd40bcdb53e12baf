//! The command line.

use std::path::PathBuf;

use clap::Parser;
use clap::builder::TypedValueParser;

/// Measures what Weir's chain and a minimal ext_proc add to a request's CPU time and latency.
#[derive(Debug, Parser)]
#[command(name = "weir-bench-overhead")]
pub(crate) struct Options {
    /// Also write the figures to this file, as a JSON list.
    #[arg(long)]
    pub(crate) json: Option<PathBuf>,
    /// Requests to each setup, for each size of body and kind of response.
    #[arg(long, default_value_t = 4000, value_parser = at_least_one())]
    pub(crate) requests: usize,
    /// Rounds that the requests are spread over.
    #[arg(long, default_value_t = 40, value_parser = at_least_one())]
    pub(crate) rounds: usize,
    /// Sizes of the request bodies in KB, with commas between them.
    #[arg(long, value_name = "KB,…", value_delimiter = ',', default_values_t = [1, 32, 256], value_parser = at_least_one())]
    pub(crate) body_kb: Vec<usize>,
    /// Clients, each with one request at a time on a connection of its own. A worker sees a few
    /// hundred inference requests per second at most, so they seldom meet in the proxy; the more do,
    /// the more of them each wake-up serves, and the less CPU time a request takes in any setup.
    #[arg(long, default_value_t = 1, value_parser = at_least_one())]
    pub(crate) clients: usize,
    /// Events of a streamed response.
    #[arg(long, default_value_t = 20, value_parser = at_least_one())]
    pub(crate) events: usize,
    /// Microseconds between them. With 0, the upstream sends all at once; with 50, each comes alone,
    /// because that is more than Envoy takes for one. (With less, it takes as many at once as came
    /// while it was busy: the slower a setup, the fewer steps it makes.)
    #[arg(long, value_name = "US", default_value_t = 0)]
    pub(crate) event_us: u64,
    /// Sends no message twice. Otherwise the bodies are the turns of conversations: all but the last
    /// message of up to 3,000 bytes was sent before.
    #[arg(long)]
    pub(crate) fresh: bool,
    /// Lets processors halt that have nothing to do. Otherwise (on Linux) a thread on each runs when
    /// nothing else does: what it takes to wake a halted one is no cost of a setup, yet falls on it.
    #[arg(long)]
    pub(crate) let_halt: bool,
    /// Adds the guardrail with its default policy to Weir's chain, in the same Envoy filter.
    #[arg(long)]
    pub(crate) guardrail: bool,
    /// Compares the chain with an earlier one in place of ext_proc. The folder holds that build's `suite.wasm`,
    /// `weir-sidecar` and `one-filter.yaml`.
    #[arg(long, value_name = "FOLDER", conflicts_with_all = ["count", "per_event"])]
    pub(crate) before: Option<PathBuf>,
    /// Compares the chain with the same one that has the filter of an attempt in its clusters, in place of ext_proc.
    #[arg(long, conflicts_with_all = ["count", "per_event", "before", "limits"])]
    pub(crate) attempt: bool,
    /// With --attempt: lets streams be held until their first token.
    #[arg(long, requires = "attempt")]
    pub(crate) failover: bool,
    /// Compares the chain with one that also has limits of tokens and of requests, in place of ext_proc. With
    /// --count: counts the latter.
    #[arg(long, conflicts_with = "before")]
    pub(crate) limits: bool,
    /// Measures only what chain and guardrail add per event of a stream: long and short streams,
    /// with them and without.
    #[arg(long, conflicts_with_all = ["guardrail", "limits", "body_kb", "events", "event_us"])]
    pub(crate) per_event: bool,
    /// Counts what Envoy's worker executes for one request, instead of measuring time: instructions, and
    /// the memory that they touch, by function of the filters. Takes Linux on x86-64; bodies of up to
    /// 64 KB.
    #[arg(long, conflicts_with_all = ["json", "requests", "rounds", "clients", "event_us", "let_halt", "per_event"])]
    pub(crate) count: bool,
    /// With --count: counts without and with the guardrail, and with limits, and writes the filters' functions that ran to
    /// this file, in their order. That is what filters/suite/functions.txt is, by which the build places
    /// them side by side.
    #[arg(long, value_name = "FILE", requires = "count")]
    pub(crate) functions: Option<PathBuf>,
}

/// A count that may not be nought.
fn at_least_one() -> impl TypedValueParser<Value = usize> {
    clap::value_parser!(u32).range(1..).map(|count| count as usize)
}
