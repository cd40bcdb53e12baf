//! What a refused client is told is true to the millisecond.

#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

use super::*;

/// Spends all of the limit and answers with the wait of a request for `tokens`.
fn told(limit: &Limit, shared: &mut Shared, now: u64, tokens: u64) -> Wait {
    let key = key(1);
    while let Outcome::Admitted(held) =
        Ledger::new(shared, now).reserve(&demand(limit.capacity() / 3 + 1, 0), &[ask(limit, key)])
    {
        settle(shared, now, held.reservation, used(limit.capacity() / 3 + 1, 0));
    }
    refuse(shared, now, demand(tokens, 0), &[ask(limit, key)]).wait
}

#[test]
fn a_request_is_refused_a_millisecond_before_the_time_told_and_admitted_then() {
    for (amount, window_ms, burst) in [
        (1_000, 60_000, 1_000),
        (7, 1_000, 7),
        (1_000_003, 86_400_000, 900_001),
        (3, 86_400_000, 30),
        (1 << 50, 86_399_999, 1 << 52),
        (999_999_937, 1_000, 17),
    ] {
        let limit = Limit::new(LimitId(9), Measure::Tokens, amount, window_ms, burst).unwrap();
        for offset in [0, 1, 17, 12_345] {
            let (mut shared, now) = (Shared::default(), START + offset);
            let asked = burst * 2 / 3;
            let Wait::Ms(wait) = told(&limit, &mut shared, now, asked) else { panic!("{limit:?}") };
            let ask = [ask(&limit, key(1))];
            let refused = refuse(&mut shared, now + wait - 1, demand(asked, 0), &ask);
            assert_eq!(refused.wait, Wait::Ms(1), "{limit:?}");
            let _ = admit(&mut shared, now + wait, demand(asked, 0), &ask);
        }
    }
}

#[test]
fn asking_meanwhile_does_not_make_the_wait_longer() {
    let (limit, mut shared) = (minute(1, 7), Shared::default());
    let Wait::Ms(wait) = told(&limit, &mut shared, START, 5) else { panic!() };
    for passed in 1..wait {
        let refused = refuse(&mut shared, START + passed, demand(5, 0), &[ask(&limit, key(1))]);
        assert_eq!(refused.wait, Wait::Ms(wait - passed));
    }
    let _ = admit(&mut shared, START + wait, demand(5, 0), &[ask(&limit, key(1))]);
}

#[test]
fn what_never_fits_is_told_never() {
    let (limit, mut shared) = (minute(1, 100), Shared::default());
    let refused = refuse(&mut shared, START, demand(101, 0), &[ask(&limit, key(1))]);
    assert_eq!((refused.wait, refused.wait.ms()), (Wait::Never, None));
    assert_eq!(shared.writes, 0);
}

#[test]
fn requests_under_way_make_the_wait_a_guess() {
    let (limit, mut shared) = (minute(1, 600), Shared::default());
    let _held = admit(&mut shared, START, demand(100, 400), &[ask(&limit, key(1))]);
    let refused = refuse(&mut shared, START, demand(300, 0), &[ask(&limit, key(1))]);
    // 200 too many, at 600 a minute.
    assert_eq!(refused.wait, Wait::Unsettled(20_000));
    let calls = Limit::new(LimitId(2), Measure::Concurrent, 0, 0, 1).unwrap();
    let _held = admit(&mut shared, START, demand(1, 1), &[ask(&calls, key(2))]);
    let refused = refuse(&mut shared, START, demand(1, 1), &[ask(&calls, key(2))]);
    assert_eq!(refused.wait, Wait::Unsettled(1_000));
}

#[test]
fn the_longest_of_several_waits_is_told() {
    let mut shared = Shared::default();
    let (small, large) = (minute(1, 60), minute(2, 6_000));
    let asks = [ask(&small, key(1)), ask(&large, key(2))];
    let held = admit(&mut shared, START, demand(60, 0), &asks);
    settle(&mut shared, START, held.reservation, used(5_990, 0));
    let refused = refuse(&mut shared, START, demand(60, 0), &asks);
    assert_eq!(
        (refused.ask, refused.refusing.iter().map(|(at, _)| *at).collect()),
        (0, vec![0, 1])
    );
    assert_eq!(refused.wait, Wait::Ms(5_990_000));
}

#[test]
fn what_remains_falls_with_each_request_and_comes_back() {
    let (limit, mut shared) = (minute(1, 600), Shared::default());
    let asks = [ask(&limit, key(1))];
    let first = admit(&mut shared, START, demand(100, 0), &asks);
    let second = admit(&mut shared, START, demand(100, 100), &asks);
    let left =
        |admission: &Admission| (admission.standings[0].remaining, admission.standings[0].reset_ms);
    assert_eq!((left(&first), left(&second)), ((500, 10_000), (300, 30_000)));
    settle(&mut shared, START, first.reservation, used(100, 0));
    settle(&mut shared, START, second.reservation, used(100, 0));
    let third = admit(&mut shared, START + 10_000, demand(1, 0), &asks);
    assert_eq!(left(&third), (499, 10_100));
}
