//! Pauses after failures of a source.

use std::time::Duration;

/// First and last pause after a failure of a source; they double in between.
const FIRST_PAUSE: Duration = Duration::from_millis(200);
const LAST_PAUSE: Duration = Duration::from_secs(10);

/// How long to wait after this many failures in a row, with some chance in it so that sidecars don't come together.
pub(super) fn pause(failures: u32) -> Duration {
    let pause = FIRST_PAUSE.saturating_mul(1 << failures.saturating_sub(1).min(10)).min(LAST_PAUSE);
    pause.mul_f64(0.75 + 0.5 * fastrand::f64())
}
