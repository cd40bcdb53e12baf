//! Why nothing was measured.

use std::path::PathBuf;
use std::time::Duration;

use weir_harness::HarnessError;

/// Why nothing was measured.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    /// Something did not start or answer.
    #[error(transparent)]
    Harness(#[from] HarnessError),
    /// A file cannot be read or written.
    #[error("{path}: {source}")]
    File {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
    /// A change was not seen within some seconds.
    #[error("{0} is not seen in where requests go")]
    Unseen(&'static str),
}

/// A change that is not seen for so long is not seen at all.
pub(crate) const MOST: Duration = Duration::from_secs(10);
