//! The demo: set-up, build, then the demo's own binary.

use std::process::ExitCode;

use crate::compile::{self, Profile};
use crate::failure::Failure;
use crate::layout::Layout;
use crate::setup;

/// Brings and builds what the demo needs and runs it; its exit code becomes xtask's.
///
/// # Errors
/// The first part of set-up or build that fails.
pub(crate) fn run(layout: &Layout, arguments: &[String]) -> Result<ExitCode, Failure> {
    setup::running(layout)?;
    compile::modules(layout)?;
    compile::binaries(layout, Profile::Dev)?;
    println!("== demo");
    let demo = compile::compiled(layout, Profile::Dev, "weir-demo");
    demo.args(arguments).handed_over()
}
