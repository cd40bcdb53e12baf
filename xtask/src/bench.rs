//! Benchmarks: set-up, release build, then the benchmark's own binary.

use std::process::ExitCode;

use crate::compile::{self, Profile};
use crate::failure::Failure;
use crate::layout::Layout;
use crate::setup;
use crate::usage::Bench;

/// Brings and builds what the benchmark needs and runs it; its exit code becomes xtask's.
///
/// # Errors
/// The first part of set-up or build that fails.
pub(crate) fn run(layout: &Layout, name: Bench, arguments: &[String]) -> Result<ExitCode, Failure> {
    let (binary, packages): (&str, &[&str]) = match name {
        Bench::Overhead => (
            "weir-bench-overhead",
            &["weir-bench-overhead", "weir-bench-ext-proc", "weir-replica", "weir-sidecar"],
        ),
        Bench::Scan => ("weir-bench-scan", &["weir-bench-scan"]),
    };
    setup::running(layout)?;
    compile::modules(layout)?;
    compile::packages(layout, Profile::Release, packages)?;
    println!("== bench");
    let bench = compile::compiled(layout, Profile::Release, binary);
    bench.args(arguments).handed_over()
}
