//! How the tests went in one version.

use crate::steady;

/// How the tests went in one version.
pub(super) struct Outcome {
    /// Which version.
    pub(super) version: String,
    ended_well: bool,
    passed: usize,
    failed: Vec<String>,
    /// Why tests were left out, each reason once.
    reasons: Vec<String>,
}

impl Outcome {
    /// From what the tests have written.
    pub(super) fn read(
        version: &str,
        ended_well: bool,
        output: &str,
        mut reasons: Vec<String>,
    ) -> Self {
        let lines = || output.lines().filter_map(|line| line.strip_prefix("test "));
        let passed = lines().filter(|line| line.ends_with(" ... ok")).count();
        let failed = steady::failed(output);
        reasons.dedup();
        Self { version: version.to_owned(), ended_well, passed, failed, reasons }
    }

    /// Whether all tests ran that were to, and passed.
    pub(super) fn passed(&self) -> bool {
        self.ended_well && self.failed.is_empty() && self.passed > 0
    }

    /// Its line of the table.
    pub(super) fn line(&self) -> String {
        let failed = match self.failed.as_slice() {
            [] if self.ended_well => String::new(),
            [] => ", but they did not end well".to_owned(),
            names => format!(", {} failed: {}", names.len(), names.join(", ")),
        };
        let reasons = self.reasons.join("; ");
        format!("| {} | {} passed{failed} | {reasons} |\n", self.version, self.passed)
    }
}
