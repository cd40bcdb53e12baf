//! The soak test for longer than CI has time for.

use std::process::ExitCode;

use crate::command::Run;
use crate::compile::{self, BINARIES_FOLDER, Profile};
use crate::failure::Failure;
use crate::layout::Layout;
use crate::setup;

/// How long, in seconds; the test reads it.
const SECONDS: &str = "WEIR_SOAK_SECONDS";

/// Builds what it needs and runs it for so many minutes.
///
/// # Errors
/// The first part of set-up or build that fails.
pub(crate) fn run(layout: &Layout, minutes: u32) -> Result<ExitCode, Failure> {
    setup::running(layout)?;
    compile::modules(layout)?;
    compile::binaries(layout, Profile::Dev)?;
    println!("== soak: {minutes} minutes");
    // With the features of the whole workspace, as the tests are built.
    let run = Run::cargo(layout).args(["test", "--workspace", "--test", "e2e", "--"]);
    let run = run.args(["soak_faults::", "--nocapture"]);
    let seconds = minutes.saturating_mul(60).to_string();
    let run = run.env(SECONDS, seconds);
    run.env(BINARIES_FOLDER, layout.binaries(Profile::Dev.folder())).handed_over()
}
