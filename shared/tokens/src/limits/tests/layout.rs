//! The bytes in shared data.

#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

use super::*;

#[test]
fn the_layout_is_pinned() {
    let limit = Limit::new(LimitId(0x0A0B_0C0D), Measure::Tokens, 600, 60_000, 600).unwrap();
    let mut shared = Shared::default();
    let held = admit(&mut shared, START, demand(10, 20), &[ask(&limit, key(1))]);
    settle(&mut shared, START, held.reservation, used(10, 5));
    let _held = admit(&mut shared, START + 7, demand(10, 20), &[ask(&limit, key(1))]);
    let bytes = shared.load(Place::of(key(1))).unwrap().0;
    let long = |at: usize| u64::from_le_bytes(bytes[at..at + 8].try_into().unwrap());
    let int = |at: usize| u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap());
    assert_eq!((&bytes[..4], bytes.len()), (&b"WTL\x01"[..], 4 + SLOT_BYTES));
    assert_eq!(bytes[4..20], key(1).0);
    // Debt, drained up to, generation begun at, reserved, reserved before.
    assert_eq!([20, 28, 36, 44, 52].map(long), [15, START + 7, START, 30, 0]);
    // Free when the reservation has expired, its 30 tokens drain in 3 s.
    assert_eq!(long(60), START + 2 * EXPIRY_MS + 3_000);
    // Parts drained (7 ms of 600), generation, percentile, limit.
    assert_eq!([68, 72, 76, 80].map(int), [4_200, 5_000_000, 5, 0x0A0B_0C0D]);
}

#[test]
fn names_in_shared_data_tell_the_layout() {
    assert_eq!(Place::Page(7).to_string(), "weir/limits1/7");
    assert_eq!(Place::Overflow(LimitId(0xAB)).to_string(), "weir/limits1/overflow/000000ab");
    assert_eq!(Place::of(key(1_023 + 1_024)), Place::Page(1_023));
}

#[test]
fn bytes_of_another_format_are_no_page_and_are_counted() {
    for bytes in [&b""[..], b"WTL", b"WTL\x02", b"WTL\x01x", &[0; 4 + SLOT_BYTES]] {
        assert_eq!(Page::read(bytes.to_vec()), None);
    }
    let many = [&b"WTL\x01"[..], &vec![0; (PAGE_SLOTS + 1) * SLOT_BYTES]].concat();
    assert_eq!(Page::read(many), None);
    let (limit, mut shared) = (minute(1, 1_000), Shared::default());
    shared.values.insert(Place::of(key(1)), (b"nonsense".to_vec(), 3));
    let mut ledger = Ledger::new(&mut shared, START);
    assert!(matches!(ledger.reserve(&demand(1, 1), &[ask(&limit, key(1))]), Outcome::Admitted(_)));
    assert_eq!(ledger.notes().unreadable, 1);
}

#[test]
fn limits_out_of_range_are_refused() {
    let new = |amount, window, burst| {
        Limit::new(LimitId(1), Measure::Tokens, amount, window, burst).map(|limit| limit.capacity())
    };
    assert_eq!(new(1, 1_000, 1), Ok(1));
    assert_eq!(new(1, 999, 1), Err(LimitError::Window));
    assert_eq!(new(1, MAX_WINDOW_MS + 1, 1), Err(LimitError::Window));
    assert_eq!(new(0, 1_000, 1), Err(LimitError::Amount));
    assert_eq!(new(MAX_UNITS + 1, 1_000, 1), Err(LimitError::Amount));
    assert_eq!(new(1, 1_000, 0), Err(LimitError::Burst));
    assert_eq!(new(1, 1_000, MAX_UNITS + 1), Err(LimitError::Burst));
    assert_eq!(minute(1, 1_001).with_burst_permille(500).capacity(), 500);
    assert_eq!(minute(1, 1).with_burst_permille(0).capacity(), 1);
}
