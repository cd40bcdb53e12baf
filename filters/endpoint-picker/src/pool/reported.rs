//! What a replica has reported.

use weir_snapshot::LoadReport;

/// The newest report of one replica.
#[derive(Clone, Copy)]
pub(super) struct Reported {
    pub(super) replica: u64,
    pub(super) report: LoadReport,
    pub(super) at_ns: u64,
}
