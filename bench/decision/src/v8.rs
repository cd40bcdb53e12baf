//! This benchmark as a module in Node's V8.

use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::Value;

/// What Node runs; it is handed over as text, so that it fits this binary wherever it is called.
const RUN: &str = include_str!("../run.mjs");

/// The figures that the module prints.
///
/// # Errors
/// Why there are none.
pub(crate) fn figures(node: &Path, module: &Path) -> Result<Value, String> {
    let told = |source: std::io::Error| format!("{}: {source}", node.display());
    let mut command = Command::new(node);
    // Node warns that its WASI may change. `-` reads the program from stdin.
    command.args(["--no-warnings", "--input-type=module", "-"]).arg(module);
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().map_err(told)?;
    if let Some(mut stdin) = child.stdin.take() {
        stdin.write_all(RUN.as_bytes()).map_err(told)?;
    }
    let output = child.wait_with_output().map_err(told)?;
    if !output.status.success() {
        return Err(format!("{} failed ({})", node.display(), output.status));
    }
    serde_json::from_slice(&output.stdout).map_err(|error| format!("no figures: {error}"))
}
