//! The help text of the benchmarks.

/// What of the help holds for one of them: what holds for all, and its own options.
pub(in crate::usage) fn of_bench(name: &str) -> String {
    let mut parts = BENCH.split("\nOptions of ");
    let all = parts.next().unwrap_or_default();
    let own = parts.find_map(|part| part.strip_prefix(name)?.strip_prefix(" alone:"));
    [all, own.unwrap_or_default()].concat()
}

/// All of it.
pub(super) const BENCH: &str = "\
cargo xtask bench NAME [OPTIONS]: measure, in a release build

Names:
  limits     64 clients of one key against one limit, in Envoy with 4 workers: what replicas used beyond it, the
             worst of ten runs, for each way to reserve
  decision   cost of a limit's decision and settlement, natively and in V8 (Node)
  faults     what each fault of the sidecar, and around it, does to requests, and how soon all is well; 3 minutes
  fleet      what several Envoys share through Redis: what is admitted beyond a limit while Redis, a sidecar or an
             Envoy fails; what Redis does for so many gateways and keys; the load of `placement` through one
             Envoy, two alone and two that share; 20 minutes
  overhead   CPU time and latency per request: Envoy alone, with Weir's chain, with a minimal
             ext_proc server
  placement  prefix hit rate and time to the first token of conversations on simulated replicas, behind
             Weir, sglang-router, vllm-router (from PyPI) and round robin; 15 minutes
  reaction   how soon a change on a polled page, of load or of a GPU, is seen in where requests go; 2 minutes
  scan       throughput of the guardrail's scanner, natively, in V8 (Node) and beside Presidio's
             pattern recognisers; cost and hold-back of a stream's events, cost of requests
  sidecar    size of the static binary; memory and CPU time with 100 and 1,000 replicas (Linux)

Options:
  --json FILE     also write the figures to FILE
  -h, --help      print this

Options of limits alone:
  --runs N        of each way to reserve (10)
  --clients N     of the one key (64)
  --requests N    of a run (640)
  --workers N     of Envoy (4)

Options of fleet alone:
  --tables NAME,…
                  overshoot, size, placement
  --runs N        of each fault of overshoot (10)
  --seconds N     of each cell of size (10); in those of placement, sessions arrive for six times as long

Options of reaction alone:
  --changes N     of each kind (50)

Options of scan alone:
  --no-presidio   leaves Presidio out: 400 MB of wheels in target/venv-presidio (Python 3.11 or
                  later), a minute or two of measuring; where it cannot be installed, the command
                  says why and measures the rest

Options of sidecar alone:
  --seconds N     how long each setup is measured (10)
  --agent         measures `weir-sidecar agent` only
  --library FILE  what the agent loads in place of the driver's library

Options of placement alone:
  --quick         twelve seconds a cell, some three minutes in all: to see that it works, not for figures
  --seconds N     in which sessions arrive, for each router and row (60)
  --rows NAME,…   of the table: 1.5 and 4 (sessions a second), 2-slow (two replicas three times slower)
  --routers NAME,…
                  weir, sglang-router, vllm-router, round-robin; and, when named, weir-two-alone and
                  weir-two-sharing: two Envoys with a sidecar each, without and with a Redis
  --seed N        of the sessions (1)
  --memory        instead: memory of a worker with a full prefix index, and with a thousand streams

Options of overhead alone:
  --requests N    to each setup, for each size and kind of response (4000)
  --rounds N      that the requests are spread over (40)
  --body-kb KB,…  sizes of the request bodies (1,32,256)
  --clients N     each with one request at a time (1)
  --events N      of a streamed response (20)
  --event-us US   microseconds between them; with 0 they come at once, with 50 each alone (0)
  --fresh         sends no message twice, in place of conversations with one that is new
  --let-halt      lets processors halt; otherwise, a thread on each runs when nothing else does
  --guardrail     adds the guardrail with its default policy to Weir's chain
  --before FOLDER
                  an earlier chain in turn with today's, in place of ext_proc: FOLDER has that build's
                  suite.wasm, weir-sidecar and one-filter.yaml
  --limits        a chain with limits of tokens and of requests in turn with one that has none, in place of
                  ext_proc; with --count: the former
  --attempt       the same chain with the filter of an attempt in its clusters, in turn with it, in place of
                  ext_proc
  --failover      with --attempt: streams are held until their first token, too
  --per-event     only what chain and guardrail add per event of a stream
  --count         no time: what Envoy executes for one request, instruction by instruction, and the
                  memory that touches, by function of the filters (Linux on x86-64; up to 64 KB)
  --functions FILE
                  with --count: without and with the guardrail, and with limits; writes the functions that ran to
                  FILE, as filters/suite/functions.txt lists them for the build
";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_option_of_the_benchmarks_is_in_their_help() {
        let overhead = include_str!("../../../../bench/overhead/src/options.rs");
        let placement = include_str!("../../../../bench/placement/src/options.rs");
        // What xtask itself adds.
        let hidden = ["sglang-router", "vllm-router"];
        for (source, help) in [(overhead, of_bench("overhead")), (placement, of_bench("placement"))]
        {
            let (_, options) = source.split_once("struct Options {").unwrap();
            let (options, _) = options.split_once("\n}").unwrap();
            let is_field = |line: &&str| !line.trim_start().starts_with(['/', '#']);
            let fields = options.lines().filter(is_field).filter_map(|line| line.split_once(": "));
            let names: Vec<_> = fields
                .map(|(name, _)| name.replace("pub(crate)", "").trim().replace('_', "-"))
                .collect();
            assert!(names.len() >= 6, "{names:?}");
            for name in names.iter().filter(|name| !hidden.contains(&name.as_str())) {
                assert!(help.contains(&format!("\n  --{name} ")), "{name}");
            }
        }
    }
}
