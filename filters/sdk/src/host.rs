//! The host calls: three that read, through the official SDK.
//!
//! The SDK panics on a status that it does not know. Envoy answers these three with `Ok` or `NotFound`; a
//! property that cannot be serialised would be `SerializationFailure`, which the SDK knows.

use std::time::{Duration, UNIX_EPOCH};

use proxy_wasm::hostcalls;

/// What shared data is asked through; tests bring a map.
pub(crate) trait SharedData {
    /// The value of `key`; `None` if there is none.
    fn read(&self, key: &str) -> Option<Vec<u8>>;
}

/// Envoy.
pub(crate) struct Envoy;

impl SharedData for Envoy {
    fn read(&self, key: &str) -> Option<Vec<u8>> {
        hostcalls::get_shared_data(key).ok()?.0
    }
}

/// The filter state `key` of the current stream. One segment of a path, or it could not be read.
pub(crate) fn state(key: &str) -> Option<Vec<u8>> {
    hostcalls::get_property(vec![key]).ok().flatten()
}

/// The host's clock, ns since 1970.
pub(crate) fn now_ns() -> u64 {
    let now = hostcalls::get_current_time().ok();
    let since = now.and_then(|now| now.duration_since(UNIX_EPOCH).ok());
    since.as_ref().map(Duration::as_nanos).and_then(|ns| u64::try_from(ns).ok()).unwrap_or(0)
}
