//! Several limits of one request, and other workers.

#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

use super::*;

#[test]
fn nothing_is_charged_where_one_of_several_limits_refuses() {
    let mut shared = Shared::default();
    let (key_limit, team) = (minute(1, 1_000), minute(2, 100));
    let asks = [ask(&key_limit, key(1)), ask(&team, key(2))];
    let refused = refuse(&mut shared, START, demand(101, 0), &asks);
    assert_eq!((refused.ask, refused.refusing.len(), shared.writes), (1, 1, 0));
    assert!(shared.slot(key(1), &key_limit, START).is_none());
}

#[test]
fn a_limit_that_is_not_enforced_admits_and_is_charged_nothing_beyond_it() {
    let mut shared = Shared::default();
    let (hard, soft) = (minute(1, 1_000), minute(2, 100));
    let asks = [ask(&hard, key(1)), Ask { enforced: false, ..ask(&soft, key(2)) }];
    let first = admit(&mut shared, START, demand(90, 0), &asks);
    assert!(first.exceeded.is_empty());
    let second = admit(&mut shared, START, demand(90, 0), &asks);
    assert_eq!(second.exceeded, [1]);
    settle(&mut shared, START, second.reservation, used(90, 0));
    assert_eq!(shared.slot(key(1), &hard, START).unwrap().debt(), 90);
    let soft = shared.slot(key(2), &soft, START).unwrap();
    assert_eq!((soft.debt(), soft.reserved()), (0, 90), "the first alone");
}

#[test]
fn limits_in_one_page_are_written_at_once() {
    let mut shared = Shared::default();
    let limits = [minute(1, 1_000), minute(2, 1_000), minute(3, 1_000)];
    let asks: Vec<_> = limits.iter().zip(0..).map(|(limit, n)| ask(limit, in_page(5, n))).collect();
    let _held = admit(&mut shared, START, demand(90, 0), &asks);
    assert_eq!(shared.writes, 1);
}

/// What another worker does: takes 950 of key 2.
fn takes_the_rest(shared: &mut Shared) {
    let limit = minute(2, 1_000);
    let _ = admit(shared, START, demand(950, 0), &[ask(&limit, key(2))]);
}

#[test]
fn what_was_written_is_taken_back_where_another_worker_took_the_rest_of_a_later_limit() {
    let mut shared = Shared { meanwhile: Some(takes_the_rest), ..Shared::default() };
    let limits = [minute(1, 1_000), minute(2, 1_000)];
    let requests = Limit::new(LimitId(3), Measure::Requests, 5, 60_000, 5).unwrap();
    let asks = [ask(&limits[0], key(1)), ask(&requests, key(3)), ask(&limits[1], key(2))];
    let refused = refuse(&mut shared, START, demand(100, 0), &asks);
    assert_eq!((refused.ask, refused.leftover.is_empty()), (2, true));
    let first = shared.slot(key(1), &limits[0], START).unwrap();
    assert_eq!((first.debt(), first.reserved()), (0, 0));
    assert_eq!(shared.slot(key(3), &requests, START).unwrap().debt(), 0);
    assert_eq!(shared.slot(key(2), &limits[1], START).unwrap().reserved(), 950);
}

#[test]
fn lost_writes_are_tried_again_and_counted() {
    let (limit, mut shared) = (minute(1, 1_000), Shared { lose: 3, ..Shared::default() });
    let mut ledger = Ledger::new(&mut shared, START);
    let Outcome::Admitted(held) = ledger.reserve(&demand(100, 0), &[ask(&limit, key(1))]) else {
        panic!()
    };
    assert_eq!(ledger.notes().lost_swaps, 3);
    assert_eq!(shared.slot(key(1), &limit, START).unwrap().reserved(), 100);
    shared.lose = 5;
    settle(&mut shared, START, held.reservation, used(100, 0));
    assert_eq!(shared.slot(key(1), &limit, START).unwrap().debt(), 100);
}

#[test]
fn a_store_that_stays_busy_or_fails_decides_nothing_and_loses_nothing() {
    let (limit, mut shared) = (minute(1, 1_000), Shared::default());
    let asks = [ask(&limit, key(1))];
    let held = admit(&mut shared, START, demand(100, 0), &asks).reservation;
    for (lose, fails) in [(1_000, false), (0, true)] {
        (shared.lose, shared.fails) = (lose, fails);
        let outcome = Ledger::new(&mut shared, START).reserve(&demand(1, 0), &asks);
        assert_eq!(outcome, Outcome::Unknown { leftover: Reservation::default() });
        let settled = Ledger::new(&mut shared, START).settle(held.clone(), &used(60, 0));
        assert_eq!(settled, Settlement::Pending(held.clone()));
    }
    (shared.lose, shared.fails) = (0, false);
    settle(&mut shared, START, held, used(60, 0));
    let slot = shared.slot(key(1), &limit, START).unwrap();
    assert_eq!((slot.debt(), slot.reserved()), (60, 0));
}

#[test]
fn what_cannot_be_taken_back_is_handed_to_the_caller() {
    /// Takes the rest, and then nothing can be written for a while.
    fn takes_and_blocks(shared: &mut Shared) {
        takes_the_rest(shared);
        shared.meanwhile = Some(|shared| {
            shared.meanwhile = Some(|shared| shared.lose = 100);
        });
    }
    let mut shared = Shared { meanwhile: Some(takes_and_blocks), ..Shared::default() };
    let limits = [minute(1, 1_000), minute(2, 1_000)];
    let asks = [ask(&limits[0], key(1)), ask(&limits[1], key(2))];
    let refused = refuse(&mut shared, START, demand(100, 0), &asks);
    assert!(!refused.leftover.is_empty());
    assert_eq!(shared.slot(key(1), &limits[0], START).unwrap().reserved(), 100);
    shared.lose = 0;
    settle(&mut shared, START, refused.leftover, Used::default());
    assert_eq!(shared.slot(key(1), &limits[0], START).unwrap().reserved(), 0);
}
