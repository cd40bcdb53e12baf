//! The tests: every step with a heading, a summary at the end.

use std::time::{Duration, Instant};

use crate::circles;
use crate::command::{self, Run};
use crate::compile::{self, BINARIES_FOLDER, FILTER_TARGET, Profile};
use crate::compose;
use crate::configs;
use crate::failure::Failure;
use crate::layout::Layout;
use crate::setup;
use crate::steady;

/// What the pure crates are tested as: no imports, so nothing but computation.
const PURE_TARGET: &str = "wasm32-unknown-unknown";

/// The crates of `shared/` that filters contain.
const PURE_CRATES: [&str; 9] = [
    "weir-headers",
    "weir-fingerprint",
    "weir-wire",
    "weir-tokens",
    "weir-placement",
    "weir-snapshot",
    "weir-settings",
    "weir-detect",
    "weir-guard",
];

/// The package of the end-to-end tests, and its one test target.
const END_TO_END: &str = "weir-e2e";
const END_TO_END_TARGET: &str = "e2e";

/// One step of the tests.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Step {
    /// Formatting.
    Format,
    /// Compile the modules, check the suite's size and the list of its functions.
    Modules,
    /// Clippy, and no circles of imports.
    Lint,
    /// Tests on this machine.
    Native,
    /// Tests of the pure crates in Node.
    Wasm,
    /// Tests in Envoy.
    EndToEnd,
    /// Tests in containers.
    Compose,
}

impl Step {
    /// All steps, in the order in which they run.
    pub(crate) const ALL: [Step; 7] = [
        Step::Format,
        Step::Modules,
        Step::Lint,
        Step::Native,
        Step::Wasm,
        Step::EndToEnd,
        Step::Compose,
    ];

    /// What `--only` calls it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Step::Format => "format",
            Step::Modules => "modules",
            Step::Lint => "lint",
            Step::Native => "native",
            Step::Wasm => "wasm",
            Step::EndToEnd => "e2e",
            Step::Compose => "compose",
        }
    }

    /// Runs it.
    fn run(self, layout: &Layout) -> Result<Ending, Failure> {
        let run = match self {
            Step::Format => format,
            Step::Modules => modules,
            Step::Lint => lint,
            Step::Native => native,
            Step::Wasm => wasm,
            Step::EndToEnd => return end_to_end(layout),
            Step::Compose => {
                let skipped = compose::step(layout)?;
                return Ok(skipped.map_or(Ending::Passed, Ending::Skipped));
            }
        };
        run(layout).map(|()| Ending::Passed)
    }
}

/// How a step ended that did not fail.
enum Ending {
    Passed,
    /// Why it was skipped.
    Skipped(String),
    /// These tests failed once, and passed when they were tried again.
    Unsteady(Vec<String>),
}

/// How a step went.
struct Outcome {
    step: Step,
    took: Duration,
    result: Result<Ending, Failure>,
}

/// Runs set-up, then these steps, or all of them if none is named.
///
/// # Errors
/// What set-up failed with, or [`Failure::Steps`] naming the steps that failed.
pub(crate) fn run(layout: &Layout, only: &[Step]) -> Result<(), Failure> {
    setup::run(layout, &[])?;
    let wanted = |step: &Step| only.is_empty() || only.contains(step);
    let outcomes: Vec<Outcome> =
        Step::ALL.into_iter().filter(wanted).map(|step| attempt(layout, step)).collect();
    summarise(&outcomes)
}

fn attempt(layout: &Layout, step: Step) -> Outcome {
    println!("\n== test: {}", step.name());
    let started = Instant::now();
    let result = step.run(layout);
    if let Err(failure) = &result {
        println!("FAILED {}: {failure}", step.name());
    }
    Outcome { step, took: started.elapsed(), result }
}

fn summarise(outcomes: &[Outcome]) -> Result<(), Failure> {
    println!("\n== summary");
    for outcome in outcomes {
        let (state, reason) = match &outcome.result {
            Ok(Ending::Passed) => ("ok", String::new()),
            Ok(Ending::Skipped(reason)) => ("skipped", reason.clone()),
            Ok(Ending::Unsteady(names)) => {
                ("ok", format!("passed only when tried again: {}", names.join(", ")))
            }
            Err(_) => ("FAILED", String::new()),
        };
        let seconds = outcome.took.as_secs();
        let line = format!("  {:<8} {state:<7} {seconds:>4} s  {reason}", outcome.step.name());
        println!("{}", line.trim_end());
    }
    let failed = outcomes.iter().filter(|outcome| outcome.result.is_err());
    let failed: Vec<_> = failed.map(|outcome| outcome.step.name()).collect();
    match failed.is_empty() {
        true => Ok(()),
        false => Err(Failure::Steps(failed)),
    }
}

fn format(layout: &Layout) -> Result<(), Failure> {
    let run = Run::cargo(layout).args(["fmt", "--all", "--check"]);
    run.shown().map_err(|failure| failure.with_remedy("`cargo fmt --all` writes it that way"))
}

fn modules(layout: &Layout) -> Result<(), Failure> {
    compile::modules(layout)?;
    compile::check_list(layout)
}

fn lint(layout: &Layout) -> Result<(), Failure> {
    configs::check(layout)?;
    let native = Run::cargo(layout).args(["clippy", "--workspace", "--all-targets"]);
    native.args(["--", "--deny", "warnings"]).shown()?;
    let filters = Run::cargo(layout).args(["clippy", "--target", FILTER_TARGET]);
    let filters = filters.args(compile::filter_packages(layout));
    filters.args(["--", "--deny", "warnings"]).shown()?;
    circles::check(layout)
}

fn native(layout: &Layout) -> Result<(), Failure> {
    let run = Run::cargo(layout).args(["test", "--workspace", "--no-fail-fast"]);
    run.args(["--exclude", END_TO_END]).shown()
}

fn wasm(layout: &Layout) -> Result<(), Failure> {
    let run = Run::cargo(layout).args(["test", "--no-fail-fast", "--lib", "--tests"]);
    let run = run.args(["--target", PURE_TARGET]);
    let run = run.args(PURE_CRATES.map(|name| format!("--package={name}")));
    let runner = layout.tool(setup::RUNNER);
    let run = run.env("CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_RUNNER", runner);
    // Node may be there only as a tool of ours.
    let path = command::path_with(layout.tools().join("bin"));
    run.env("PATH", path).shown()
}

/// Builds and runs with the features of the whole workspace, as `native` does: with those of one
/// package, cargo would compile much of it once more.
fn end_to_end(layout: &Layout) -> Result<Ending, Failure> {
    let build = Run::cargo(layout).args(["build", "--workspace", "--bins", "--tests"]);
    build.shown()?;
    let unsteady = steady::run(|| {
        let run = Run::cargo(layout).args(["test", "--workspace", "--test", END_TO_END_TARGET]);
        run.arg("--").env(BINARIES_FOLDER, layout.binaries(Profile::Dev.folder()))
    })?;
    Ok(if unsteady.is_empty() { Ending::Passed } else { Ending::Unsteady(unsteady) })
}
