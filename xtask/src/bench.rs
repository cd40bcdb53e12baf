//! Benchmarks: set-up, release build, then the benchmark's own binary.

use std::path::PathBuf;
use std::process::ExitCode;

use crate::command::Run;
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
    let bench = match name {
        Bench::Overhead => overhead(layout)?,
        Bench::Limits => limits(layout)?,
        Bench::Decision => decision(layout)?,
        Bench::Fleet => fleet(layout)?,
        Bench::Placement => placement(layout)?,
        Bench::Faults => beside_the_sidecar(layout, "weir-bench-faults")?,
        Bench::Reaction => beside_the_sidecar(layout, "weir-bench-reaction")?,
        Bench::Scan { presidio } => scan(layout, presidio)?,
        Bench::Sidecar => sidecar(layout)?,
    };
    println!("== bench");
    bench.args(arguments).handed_over()
}

fn overhead(layout: &Layout) -> Result<Run, Failure> {
    const NAME: &str = "weir-bench-overhead";
    setup::running(layout)?;
    compile::modules(layout)?;
    let packages = [NAME, "weir-bench-ext-proc", "weir-replica", "weir-sidecar"];
    compile::packages(layout, Profile::Release, &packages)?;
    Ok(compile::compiled(layout, Profile::Release, NAME))
}

fn limits(layout: &Layout) -> Result<Run, Failure> {
    const NAME: &str = "weir-bench-limits";
    setup::running(layout)?;
    compile::modules(layout)?;
    compile::packages(layout, Profile::Release, &[NAME])?;
    Ok(compile::compiled(layout, Profile::Release, NAME))
}

/// The decision natively, which calls itself as a module in Node.
fn decision(layout: &Layout) -> Result<Run, Failure> {
    const NAME: &str = "weir-bench-decision";
    setup::rust_targets(layout)?;
    let node = setup::node(layout)?;
    let module = compile::standalone_module(layout, NAME)?;
    compile::packages(layout, Profile::Release, &[NAME])?;
    let bench = compile::compiled(layout, Profile::Release, NAME);
    Ok(bench.arg("--node").arg(node).arg("--v8-module").arg(module))
}

/// Envoys with sidecars before a Redis, and the placement benchmark with what it needs.
fn fleet(layout: &Layout) -> Result<Run, Failure> {
    const NAME: &str = "weir-bench-fleet";
    const PLACEMENT: &str = "weir-bench-placement";
    setup::running(layout)?;
    setup::redis(layout)?;
    compile::modules(layout)?;
    let packages = [NAME, PLACEMENT, "weir-replica", "weir-sidecar"];
    compile::packages(layout, Profile::Release, &packages)?;
    let placement = layout.binaries(Profile::Release.folder()).join(PLACEMENT);
    Ok(compile::compiled(layout, Profile::Release, NAME).arg("--placement-program").arg(placement))
}

/// Weir with its replicas and the sidecar, and other routers as far as they can be installed.
fn placement(layout: &Layout) -> Result<Run, Failure> {
    const NAME: &str = "weir-bench-placement";
    setup::running(layout)?;
    compile::modules(layout)?;
    compile::packages(layout, Profile::Release, &[NAME, "weir-replica", "weir-sidecar"])?;
    let mut bench = compile::compiled(layout, Profile::Release, NAME);
    for router in ["sglang-router", "vllm-router"] {
        match setup::router(layout, router) {
            Ok(program) => bench = bench.arg(format!("--{router}")).arg(program),
            Err(failure) => println!("{router} is left out: {failure}"),
        }
    }
    Ok(bench)
}

/// What starts Envoy and the sidecar itself.
fn beside_the_sidecar(layout: &Layout, name: &str) -> Result<Run, Failure> {
    setup::running(layout)?;
    compile::modules(layout)?;
    compile::packages(layout, Profile::Release, &[name, "weir-sidecar"])?;
    Ok(compile::compiled(layout, Profile::Release, name))
}

/// The scanner natively, which calls itself as a module in Node, and Presidio.
fn scan(layout: &Layout, presidio: bool) -> Result<Run, Failure> {
    const NAME: &str = "weir-bench-scan";
    setup::rust_targets(layout)?;
    let node = setup::node(layout)?;
    let module = compile::standalone_module(layout, NAME)?;
    compile::packages(layout, Profile::Release, &[NAME])?;
    // Last, so that why there is none of it stands right above the figures.
    let python = if presidio { presidio_python(layout) } else { None };
    let bench = compile::compiled(layout, Profile::Release, NAME);
    let bench = bench.arg("--node").arg(node).arg("--v8-module").arg(module);
    Ok(match python {
        Some(python) => bench.arg("--presidio-python").arg(python),
        None => bench,
    })
}

/// The sidecar as it is shipped: static, without names of functions.
fn sidecar(layout: &Layout) -> Result<Run, Failure> {
    const NAME: &str = "weir-bench-sidecar";
    let binary = compile::static_binary(layout, "weir-sidecar")?;
    compile::packages(layout, Profile::Release, &[NAME])?;
    Ok(compile::compiled(layout, Profile::Release, NAME).arg("--binary").arg(binary))
}

/// The Python that has Presidio; without it, the rest is measured all the same.
fn presidio_python(layout: &Layout) -> Option<PathBuf> {
    let brought = setup::presidio(layout);
    brought.inspect_err(|failure| println!("Presidio is left out: {failure}")).ok()
}
