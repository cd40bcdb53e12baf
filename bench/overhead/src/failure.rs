//! What can go wrong in a measurement.

use std::io;
use std::path::PathBuf;

use weir_harness::HarnessError;

/// Why there are no figures.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    /// The client's runtime can't be made.
    #[error("cannot start the client's runtime: {0}")]
    Runtime(#[source] io::Error),
    /// Something could not be started or asked.
    #[error(transparent)]
    Harness(#[from] HarnessError),
    /// A file can't be read or written.
    #[error("{path}: {source}")]
    File {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// A request was not answered as it should be, so its figures would mean nothing.
    #[error("{setup}: status {status} instead of a complete 200, body {body}")]
    Reply {
        /// The setup that was asked.
        setup: &'static str,
        /// The status of the reply; 200 if it broke off.
        status: u16,
        /// The beginning of the reply's body.
        body: String,
    },
    /// The picker did not choose by load, so the chain did less than it does in service.
    #[error("chain: {by_load} of {requests} picks rested on measured load")]
    Unplaced {
        /// Picks that rested on measured load.
        by_load: u64,
        /// Requests that were sent.
        requests: u64,
    },
    /// An Envoy can't be moved to its processor.
    #[error("cannot move Envoy to a processor of its own: {0}")]
    Processors(#[source] io::Error),
    /// Envoy's worker can't be traced.
    #[error(
        "cannot trace Envoy's worker: {0}; that takes Linux on x86-64 and the right to trace (ptrace)"
    )]
    Trace(#[source] io::Error),
    /// The code of the module was not found in Envoy.
    #[error(
        "no code of the module in Envoy, or of another build; `cargo xtask build` makes both anew"
    )]
    NoCode,
}
