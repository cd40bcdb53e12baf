//! What can go wrong.

/// Why the demo failed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum DemoError {
    /// Something did not start or did not answer.
    #[error(transparent)]
    Harness(#[from] weir_harness::HarnessError),
    /// A file could not be written.
    #[error("cannot write {path}: {source}")]
    File {
        /// Which file.
        path: String,
        /// Why.
        source: std::io::Error,
    },
    /// With `--check`: something shown is not true.
    #[error("what the demo shows is not true:\n  {}", .0.join("\n  "))]
    Untrue(Vec<String>),
}
