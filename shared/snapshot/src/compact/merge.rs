//! Load that a replica has reported itself, merged into a view: the newest measurement counts.

use super::CompactView;
use crate::orca::LoadReport;

const NS_PER_MS: u64 = 1_000_000;

impl CompactView {
    /// Takes over what the endpoint at `index` reported at `at_ns`, in ns of the same clock as the stamp, unless what
    /// the view has is newer; what it does not report stays. Whether it was taken over.
    pub fn merge(&mut self, index: usize, report: &LoadReport, at_ns: u64) -> bool {
        let received_ns = self.stamp.received_at_ns;
        let Some(record) = self.endpoints.get_mut(index) else { return false };
        let measured = record
            .age_ms
            .map(|age| received_ns.saturating_sub(u64::from(age).saturating_mul(NS_PER_MS)));
        if measured.is_some_and(|measured| measured > at_ns) {
            return false;
        }
        // What is newer than the view counts as measured when that came: an age is not negative.
        let age_ms = received_ns.saturating_sub(at_ns) / NS_PER_MS;
        record.age_ms = Some(u32::try_from(age_ms).unwrap_or(u32::MAX));
        record.waiting = report.waiting.or(record.waiting);
        record.running = report.running.or(record.running);
        record.kv_cache_use = report.kv_cache_use.or(record.kv_cache_use);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{EndpointReport, EndpointState, SnapshotMessage, encode};
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    const MS: u64 = 1_000_000;

    /// A view that came after 1 s: of one endpoint measured 50 ms before, and of one that was never measured.
    fn view() -> CompactView {
        let mut measured = EndpointReport::new("10.0.0.1:80", EndpointState::Ready);
        (measured.age_ms, measured.waiting) = (Some(50), Some(4));
        (measured.running, measured.kv_cache_use) = (Some(2), Some(0.5));
        let unknown = EndpointReport::new("10.0.0.2:80", EndpointState::Ready);
        let message = SnapshotMessage::new("p", (1, 1), 0, vec![measured, unknown]);
        CompactView::decode(&encode(&message, 1_000 * MS).unwrap()).unwrap()
    }

    #[test]
    fn the_newest_measurement_counts() {
        let report = LoadReport { waiting: Some(9), running: None, kv_cache_use: Some(0.75) };
        for (at_ms, merged) in
            [(900, false), (949, false), (950, true), (951, true), (1_000, true), (1_400, true)]
        {
            let mut view = view();
            assert_eq!(view.merge(0, &report, at_ms * MS), merged, "{at_ms}");
            let record = view.endpoints()[0];
            let expected = if merged { (Some(9), Some(0.75)) } else { (Some(4), Some(0.5)) };
            assert_eq!((record.waiting, record.kv_cache_use), expected, "{at_ms}");
            assert_eq!(record.running, Some(2), "what is not reported stays");
            let age = if merged { 1_000_u64.saturating_sub(at_ms) } else { 50 };
            assert_eq!(record.age_ms.map(u64::from), Some(age), "{at_ms}");
        }
    }

    #[test]
    fn an_endpoint_that_was_never_measured_is_measured_then() {
        let (mut view, report) = (view(), LoadReport { waiting: Some(1), ..LoadReport::default() });
        assert!(view.merge(1, &report, 1));
        let record = view.endpoints()[1];
        assert_eq!((record.waiting, record.running, record.age_ms), (Some(1), None, Some(999)));
        assert!(!view.merge(2, &report, 1_500 * MS), "no such endpoint");
    }
}
