//! Why nothing was measured.

use std::io;
use std::path::PathBuf;

use weir_harness::HarnessError;

/// Why nothing was measured.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    /// Something did not start, or did not answer.
    #[error(transparent)]
    Harness(#[from] HarnessError),
    /// A replica did not start.
    #[error("no runtime: {0}")]
    Runtime(#[source] io::Error),
    /// The figures cannot be written.
    #[error("{path}: {source}")]
    File {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// An answer that no limit gives.
    #[error("status {status}: {text}")]
    Answer {
        /// Its status.
        status: u16,
        /// Its body.
        text: String,
    },
    /// What the gateway shows of its limits does not show the run's key.
    #[error("the gateway does not show what was spent: {0}")]
    Unseen(String),
}
