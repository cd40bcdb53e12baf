//! What the streams of the filter share.

use weir_host::hold::HoldProbe;
use weir_host::metrics::Metric;
use weir_settings::intake::IntakeSettings;

/// What all streams of the filter share.
pub(crate) struct Shared {
    pub(crate) settings: IntakeSettings,
    pub(crate) probe: HoldProbe,
    pub(crate) accepted: Metric,
    pub(crate) refused: Metric,
}
