//! Why nothing was measured.

use std::io;
use std::path::PathBuf;
use std::process::ExitStatus;

use weir_harness::HarnessError;

/// Why nothing was measured.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    /// Something did not start, or did not answer.
    #[error(transparent)]
    Harness(#[from] HarnessError),
    /// A stand-in cannot listen.
    #[error("a stand-in: {0}")]
    StandIn(#[source] io::Error),
    /// A file cannot be read or written.
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
    /// What has to come did not.
    #[error("{0} did not come about")]
    Never(&'static str),
    /// The placement benchmark did not end well.
    #[error("the placement benchmark: {0}")]
    Placement(ExitStatus),
}
