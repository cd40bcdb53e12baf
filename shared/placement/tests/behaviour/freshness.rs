//! When measured load counts.

#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

use crate::support::{RECEIVED_NS, idle, view};
use weir_placement::{Freshness, FreshnessLimits, PrefixIndex};

#[test]
fn the_age_at_the_push_and_since_the_push_add_up() {
    let cases = [
        (Some(0), 0, Freshness::Fresh),
        (Some(0), 1000, Freshness::Fresh),
        (Some(0), 1001, Freshness::Stale),
        (Some(600), 400, Freshness::Fresh),
        (Some(600), 401, Freshness::Stale),
        (None, 0, Freshness::Stale),
        (Some(u64::MAX), 0, Freshness::Stale),
    ];
    for (age_ms, since_ms, expected) in cases {
        let mut report = idle(1);
        report.age_ms = age_ms;
        let view = view(vec![report], 1, &mut PrefixIndex::with_capacity(8));
        let now_ns = RECEIVED_NS + since_ms * 1_000_000;
        let freshness = view.freshness(now_ns, FreshnessLimits::default());
        assert_eq!(freshness, expected, "{age_ms:?} + {since_ms}");
    }
}

#[test]
fn one_fresh_endpoint_is_enough() {
    let mut old = idle(1);
    old.age_ms = Some(90_000);
    let view = view(vec![old, idle(2)], 1, &mut PrefixIndex::with_capacity(8));
    assert_eq!(view.freshness(RECEIVED_NS, FreshnessLimits::default()), Freshness::Fresh);
    assert_eq!(view.freshness(0, FreshnessLimits::default()), Freshness::Fresh, "clock went back");
}

#[test]
fn a_pool_without_endpoints_is_absent() {
    let view = view(Vec::new(), 1, &mut PrefixIndex::with_capacity(8));
    assert_eq!(view.freshness(RECEIVED_NS, FreshnessLimits::default()), Freshness::Absent);
}
