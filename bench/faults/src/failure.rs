//! Why nothing was measured.

use std::path::PathBuf;

use weir_harness::HarnessError;

/// Why nothing was measured.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    /// Something did not start or answer.
    #[error(transparent)]
    Harness(#[from] HarnessError),
    /// A file, or a port, cannot be used.
    #[error("{path}: {source}")]
    File {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
    /// The gateway is not well, though nothing has failed yet.
    #[error("not well before {fault}: {why}")]
    Unwell {
        /// What was to fail.
        fault: &'static str,
        /// What is not as it should be.
        why: String,
    },
}

impl Failure {
    /// What to make of an error with `what`.
    pub(crate) fn with(what: impl Into<PathBuf>) -> impl FnOnce(std::io::Error) -> Self {
        let path = what.into();
        |source| Self::File { path, source }
    }
}
