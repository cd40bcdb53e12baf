//! What becomes of a reservation.

#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

use super::*;

/// Debt and reserved of key 1.
fn spent(shared: &Shared, limit: &Limit, now: u64) -> (u64, u64) {
    shared.slot(key(1), limit, now).map_or((0, 0), |slot| (slot.debt(), slot.reserved()))
}

#[test]
fn a_response_is_charged_what_it_took() {
    let (limit, mut shared) = (minute(1, 1_000), Shared::default());
    let held = admit(&mut shared, START, demand(100, 300), &[ask(&limit, key(1))]);
    assert_eq!(spent(&shared, &limit, START), (0, 400));
    settle(&mut shared, START, held.reservation, used(90, 20));
    assert_eq!(spent(&shared, &limit, START), (110, 0));
}

#[test]
fn a_local_reply_is_charged_nothing_but_the_request() {
    let mut shared = Shared::default();
    let tokens = minute(1, 1_000);
    let requests = Limit::new(LimitId(2), Measure::Requests, 10, 60_000, 10).unwrap();
    let calls = Limit::new(LimitId(3), Measure::Concurrent, 0, 0, 2).unwrap();
    let asks = [ask(&tokens, key(1)), ask(&requests, key(2)), ask(&calls, key(3))];
    let held = admit(&mut shared, START, demand(100, 300), &asks);
    let under_way = shared.slot(key(3), &calls, START).unwrap();
    assert_eq!((under_way.debt(), under_way.reserved()), (0, 1));
    settle(&mut shared, START, held.reservation, Used::default());
    assert_eq!(spent(&shared, &tokens, START), (0, 0));
    assert_eq!(shared.slot(key(2), &requests, START).unwrap().debt(), 1);
    let under_way = shared.slot(key(3), &calls, START).unwrap();
    assert_eq!((under_way.debt(), under_way.reserved()), (0, 0));
}

#[test]
fn debt_beyond_the_limit_is_carried() {
    let (limit, mut shared) = (minute(1, 1_000), Shared::default());
    let held = admit(&mut shared, START, demand(100, 0), &[ask(&limit, key(1))]);
    settle(&mut shared, START, held.reservation, used(100, 4_900));
    let refused = refuse(&mut shared, START, demand(1, 0), &[ask(&limit, key(1))]);
    // 4,001 tokens too many drain at 1,000 a minute.
    assert_eq!(refused.wait, Wait::Ms(4_001 * 60));
}

#[test]
fn what_nobody_settles_is_charged_when_it_expires() {
    let (limit, mut shared) = (minute(1, 60_000), Shared::default());
    let held = admit(&mut shared, START + 1, demand(100, 30_000), &[ask(&limit, key(1))]);
    assert_eq!(spent(&shared, &limit, START + 2 * EXPIRY_MS - 1), (0, 30_100));
    // A token drains in a millisecond: what expired is charged at the very time.
    assert_eq!(spent(&shared, &limit, START + 2 * EXPIRY_MS), (30_100, 0));
    assert_eq!(spent(&shared, &limit, START + 2 * EXPIRY_MS + 100), (30_000, 0));
    // Settled after all, and for less: nothing is given back.
    let late = START + 2 * EXPIRY_MS + 100;
    settle(&mut shared, late, held.reservation.clone(), used(100, 10));
    assert_eq!(spent(&shared, &limit, late), (30_000, 0));
    // For more: the rest is charged.
    settle(&mut shared, late, held.reservation, used(100, 30_500));
    assert_eq!(spent(&shared, &limit, late), (30_500, 0));
}

#[test]
fn a_reservation_in_a_slot_that_was_given_away_is_still_charged() {
    let (limit, mut shared) = (minute(1, 600_000), Shared::default());
    let held = admit(&mut shared, START, demand(100, 0), &[ask(&limit, key(1))]);
    let late = START + 3 * EXPIRY_MS;
    for number in 1..=PAGE_SLOTS as u32 {
        let asks = [ask(&limit, in_page(1, number))];
        let other = admit(&mut shared, late, demand(600_000, 0), &asks);
        settle(&mut shared, late, other.reservation, used(600_000, 0));
    }
    assert!(shared.slot(key(1), &limit, late).is_none(), "its slot was worth nothing");
    settle(&mut shared, late, held.reservation, used(700, 0));
    // No slot is free: what is owed beyond the reservation goes where such keys are charged.
    assert_eq!(shared.overflow(&limit, late).unwrap().debt(), 600);
}

#[test]
fn a_stream_that_goes_on_keeps_its_reservation() {
    let (limit, mut shared) = (minute(1, 1_000), Shared::default());
    let mut held = admit(&mut shared, START, demand(0, 300), &[ask(&limit, key(1))]).reservation;
    let writes = shared.writes;
    Ledger::new(&mut shared, START + EXPIRY_MS / 2 - 1).extend(&mut held);
    assert_eq!(shared.writes, writes, "too early to be worth a write");
    let mut now = START;
    for _ in 0..20 {
        now += EXPIRY_MS / 2 + 1;
        Ledger::new(&mut shared, now).extend(&mut held);
        assert_eq!(spent(&shared, &limit, now), (0, 300));
    }
    settle(&mut shared, now, held, used(0, 250));
    assert_eq!(spent(&shared, &limit, now), (250, 0));
}

#[test]
fn a_request_under_way_that_is_lost_frees_its_place() {
    let mut shared = Shared::default();
    let calls = Limit::new(LimitId(3), Measure::Concurrent, 0, 0, 1).unwrap();
    let lost = admit(&mut shared, START, demand(1, 1), &[ask(&calls, key(1))]).reservation;
    refuse(&mut shared, START + EXPIRY_MS, demand(1, 1), &[ask(&calls, key(1))]);
    let now = START + 2 * EXPIRY_MS;
    let _held = admit(&mut shared, now, demand(1, 1), &[ask(&calls, key(1))]);
    // The lost one turns up: it must not free the place of the other.
    settle(&mut shared, now, lost, used(1, 1));
    refuse(&mut shared, now, demand(1, 1), &[ask(&calls, key(1))]);
}

#[test]
fn the_first_request_of_a_small_limit_is_admitted_and_its_length_learned() {
    let (limit, mut shared) = (minute(1, 80), Shared::default());
    let asks = [Ask { reserve: &LEARNED, ..ask(&limit, key(1)) }];
    let open = Demand { prompt: 10, max_tokens: None, choices: 1 };
    let held = admit(&mut shared, START, open, &asks).reservation;
    assert_eq!(held.reserved().next().map(|(_, units)| units), Some(80));
    settle(&mut shared, START, held, used(10, 20));
    let held = admit(&mut shared, START, open, &asks).reservation;
    assert_eq!(held.reserved().next().map(|(_, units)| units), Some(30));
    // A completion that was cut teaches nothing.
    settle(&mut shared, START, held, Used { complete: false, ..used(10, 1) });
    assert_eq!(shared.slot(key(1), &limit, START).unwrap().percentile(), 20);
}

#[test]
fn nine_of_ten_completions_stay_below_what_was_learned() {
    let mut slot = Slot::new(key(1), &minute(1, 1), START);
    let mut state = 7_u64;
    let mut below = 0;
    for round in 0..20_000 {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        let tokens = 100 + (state >> 33) % 900;
        below += u32::from(round >= 10_000 && tokens <= slot.percentile());
        slot.learn(tokens);
    }
    assert!((8_700..9_300).contains(&below), "{below} of 10,000");
    let before = slot.percentile();
    slot.learn(u64::MAX);
    assert!(slot.percentile() < before + before / 8, "one completion does not move it far");
}
