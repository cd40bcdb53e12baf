//! What became of a body.

use weir_wire::WireError;
use weir_wire::edit::Edit;

use crate::report::Report;

/// Why a body is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// A rule blocks, or a policy refuses what cannot be inspected: see [`Report::blocking`].
    Policy,
    /// The body is no JSON that all parsers read alike.
    Malformed(WireError),
}

/// What became of a body.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct BodyInspection {
    /// Changes of the body, in no order, without overlaps.
    pub edits: Vec<Edit>,
    /// What was found.
    pub report: Report,
    /// The body must not pass.
    pub refusal: Option<Refusal>,
}

/// How many texts of a request were scanned for the first time, and how many were not scanned
/// because nothing had been found in them before; of those that are long enough for a [`Recall`](crate::Recall).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ScanCounts {
    /// Scanned.
    pub scanned: u64,
    /// Known.
    pub recalled: u64,
}
