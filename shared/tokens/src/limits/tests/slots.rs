//! Many keys, and few slots.

#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

use super::*;

const FULL_PAGE: u32 = PAGE_SLOTS as u32;

#[test]
fn a_flood_of_keys_does_not_grow_memory() {
    let (limit, mut shared) = (minute(1, 1_000), Shared::default());
    let digester = KeyDigester::new(b"0123456789abcdef");
    let mut overflowed = 0;
    for number in 0..100_000_u32 {
        let key = digester.slot_key(limit.id(), [Some(number.to_le_bytes().as_slice())]);
        // Ten thousand keys a second, each of which drains in 60 ms.
        let now = START + u64::from(number) / 10;
        let held = admit(&mut shared, now, demand(1, 0), &[ask(&limit, key)]);
        overflowed += held.overflowed;
        settle(&mut shared, now, held.reservation, used(1, 0));
    }
    assert_eq!(overflowed, 0);
    let all = PAGES as usize * (4 + PAGE_SLOTS * SLOT_BYTES);
    assert!(shared.bytes() <= all, "{} bytes", shared.bytes());
    assert!(all < 5_400_000);
}

#[test]
fn a_slot_that_is_worth_nothing_goes_to_the_next_key() {
    let (limit, mut shared) = (minute(1, 1_000), Shared::default());
    for number in 0..FULL_PAGE {
        let held = admit(&mut shared, START, demand(100, 0), &[ask(&limit, in_page(5, number))]);
        settle(&mut shared, START, held.reservation, used(100, 0));
    }
    // 100 tokens of 1,000 a minute drain in 6 s.
    let newcomer = [ask(&limit, in_page(5, 1_000))];
    let early = admit(&mut shared, START + 5_999, demand(1, 0), &newcomer);
    assert_eq!(early.overflowed, 1);
    let held = admit(&mut shared, START + 6_000, demand(1, 0), &newcomer);
    assert_eq!(held.overflowed, 0);
    assert_eq!(shared.slot(in_page(5, 1_000), &limit, START + 6_000).unwrap().reserved(), 1);
}

#[test]
fn debtors_keep_their_slots_and_newcomers_share_one() {
    let (limit, other) = (minute(1, 1_000), minute(2, 1_000));
    let mut shared = Shared::default();
    for number in 0..FULL_PAGE {
        let _held = admit(&mut shared, START, demand(600, 0), &[ask(&limit, in_page(5, number))]);
    }
    let mut ledger = Ledger::new(&mut shared, START);
    let Outcome::Admitted(held) =
        ledger.reserve(&demand(600, 0), &[ask(&limit, in_page(5, 1_000))])
    else {
        panic!()
    };
    assert_eq!((held.overflowed, ledger.notes().overflowed), (1, 1));
    // Another newcomer finds the shared slot taken; a key with a slot of its own goes by that; another
    // limit has another shared slot, and so does another page's newcomer not have one.
    refuse(&mut shared, START, demand(600, 0), &[ask(&limit, in_page(5, 1_001))]);
    let _own = admit(&mut shared, START, demand(400, 0), &[ask(&limit, in_page(5, 0))]);
    let _other = admit(&mut shared, START, demand(600, 0), &[ask(&other, in_page(5, 1_001))]);
    assert_eq!(shared.slot(in_page(5, 0), &limit, START).unwrap().reserved(), 1_000);
    settle(&mut shared, START, held.reservation, used(500, 0));
    assert_eq!(shared.overflow(&limit, START).unwrap().debt(), 500);
}

#[test]
fn a_reservation_keeps_its_slot_until_it_has_expired_and_drained() {
    let (limit, mut shared) = (minute(1, 1_000), Shared::default());
    for number in 0..FULL_PAGE {
        let _lost = admit(&mut shared, START, demand(1_000, 0), &[ask(&limit, in_page(5, number))]);
    }
    let drained = START + 2 * EXPIRY_MS + 60_000;
    let newcomer = [ask(&limit, in_page(5, 1_000))];
    assert_eq!(admit(&mut shared, drained - 1, demand(1, 0), &newcomer).overflowed, 1);
    assert_eq!(admit(&mut shared, drained, demand(1, 0), &newcomer).overflowed, 0);
}
