//! Circles of imports between modules: a program of its own looks for them.

use std::process::ExitCode;

use crate::command::Run;
use crate::failure::Failure;
use crate::layout::Layout;

/// The package that reads the sources.
const PACKAGE: &str = "weir-import-circles";

/// Lists the circles, of all crates or of the packages given; the program's exit code becomes xtask's.
///
/// # Errors
/// [`Failure::Start`] if cargo can't be started.
pub(crate) fn run(layout: &Layout, arguments: &[String]) -> Result<ExitCode, Failure> {
    search(layout).args(arguments).handed_over()
}

/// Fails if there is a circle in any crate.
///
/// # Errors
/// [`Failure::Status`] if there is; the program has listed it.
pub(crate) fn check(layout: &Layout) -> Result<(), Failure> {
    const REMEDY: &str = "move what both need into a module that imports neither; `cargo xtask \
                          circles --help` says what counts as an import";
    search(layout).shown().map_err(|failure| failure.with_remedy(REMEDY))
}

fn search(layout: &Layout) -> Run {
    Run::cargo(layout).args(["run", "--quiet", "--package", PACKAGE, "--"])
}
