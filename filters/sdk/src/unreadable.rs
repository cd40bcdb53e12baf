//! What is there and cannot be read.

use weir_snapshot::DecodeError;
use weir_wire::facts::FactsError;

/// A value of Weir that this build cannot read: Weir's module is of another version, or somebody else wrote it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Unreadable {
    /// The facts of the request.
    #[error("weir.facts: {0}; build the filter against the version of Weir that runs")]
    Facts(FactsError),
    /// The view of a pool.
    #[error("{key}: {reason}")]
    View {
        /// Its key in shared data.
        key: String,
        /// What does not fit.
        reason: DecodeError,
    },
    /// The stamp of a view.
    #[error("{key}: {bytes} bytes are no stamp")]
    Stamp {
        /// Its key in shared data.
        key: String,
        /// How many bytes there are.
        bytes: usize,
    },
}
