//! Limits of a fleet: leases of several gateways from one pool, over messages that are lost, late or repeated.

mod pool;

use super::*;
use pool::{Ask as Wish, Pool};

/// A limit of 1,000 a minute, of which a gateway may have 50 at first.
fn limit(reachable: bool, away: Away) -> Limit {
    let terms = FleetTerms { first: 50, away, share_permille: 0, reachable, named: true };
    minute(1, 1_000).of_fleet(terms).as_fleet_stands(reachable, 4)
}

fn reachable() -> Limit {
    limit(true, Away::Local)
}

/// A midnight, UTC.
const MIDNIGHT: u64 = 1_796_083_200_000;

/// A limit of 1,000 a day, of which a gateway may have 50 at first.
fn quota() -> Limit {
    let limit = Limit::of_calendar(
        LimitId(1),
        Measure::Tokens,
        1_000,
        Calendar::parse("day+00:00").unwrap(),
    );
    limit.unwrap().of_fleet(*reachable().fleet().unwrap())
}

/// One gateway's shared data.
#[derive(Default)]
struct Gateway(Shared);

impl Gateway {
    fn slot(&self, key: SlotKey) -> Option<Slot> {
        Page::read(self.0.values.get(&Place::of_fleet(key))?.0.clone())?
            .slots()
            .find(|slot| slot.key() == key)
    }

    fn lease(&self, key: SlotKey) -> Lease {
        self.slot(key).and_then(|slot| slot.lease().copied()).unwrap_or_default()
    }

    fn apply(&mut self, key: SlotKey, grant: &Granted, now_ms: u64) {
        let place = Place::of_fleet(key);
        let Some((bytes, version)) = self.0.load(place) else { return };
        let applied = Page::read(bytes).unwrap().applied(key, grant, now_ms);
        if let Ok(Some(bytes)) = applied {
            assert_eq!(self.0.swap(place, &bytes, Some(version)), Stored::Done);
        }
    }

    /// A whole exchange with the pool.
    fn exchange(&mut self, pool: &mut Pool, me: usize, wish: Wish, now_ms: u64) -> Option<Granted> {
        let slot = self.slot(key(1))?;
        let granted = pool.run(me, &slot, wish, now_ms);
        self.apply(key(1), &granted, now_ms);
        Some(granted)
    }
}

fn asks(limit: &Limit) -> [Ask<'_>; 1] {
    [ask(limit, key(1))]
}

#[test]
fn a_key_has_its_first_grant_once_and_then_what_the_pool_gives() {
    let (limit, mut gateway, mut pool) = (reachable(), Gateway::default(), Pool::new(&reachable()));
    let held = admit(&mut gateway.0, START, demand(30, 20), &asks(&limit));
    let refused = refuse(&mut gateway.0, START, demand(70, 5), &asks(&limit));
    assert_eq!(refused.wait, Wait::Unsettled(300));
    assert_eq!(gateway.lease(key(1)).wanted, 75, "beyond the 50 that are reserved");
    settle(&mut gateway.0, START, held.reservation, used(30, 25));
    let wish = Wish { need: 75, ask: 200, lower: None };
    let granted = gateway.exchange(&mut pool, 0, wish, START).unwrap();
    // The 5 beyond the first 50 are charged like the rest.
    assert_eq!((granted.total, granted.charged, granted.left), (255, 55, 1_000 - 255));
    let lease = gateway.lease(key(1));
    assert_eq!((lease.granted, lease.used, lease.wanted, lease.sequence), (255, 55, 0, 1));
    let held = admit(&mut gateway.0, START, demand(150, 50), &asks(&limit));
    // While the fleet has much left, as much as at first may be used before it is granted; not more.
    refuse(&mut gateway.0, START, demand(51, 0), &asks(&limit));
    settle(&mut gateway.0, START, held.reservation, used(1, 1));
    let standing = admit(&mut gateway.0, START, demand(1, 0), &asks(&limit)).standings[0];
    assert_eq!(standing.remaining, 197 + 745);
}

#[test]
fn a_key_that_rests_has_something_at_hand_until_the_fleet_has_little_left() {
    let (limit, mut gateway, mut pool) = (reachable(), Gateway::default(), Pool::new(&reachable()));
    let mut used_up = 0;
    for (at, others) in [(0, 0), (1, 0), (2, 500), (3, 200), (4, 0)] {
        let now = START + at;
        let left = gateway.slot(key(1)).map_or(8 * 50, |slot| slot.lease().unwrap().left);
        let most = 50.min(left / 8);
        if most > 0 {
            refuse(&mut gateway.0, now, demand(most + 1, 0), &asks(&limit));
            let held = admit(&mut gateway.0, now, demand(most, 0), &asks(&limit));
            // Not once more before the fleet has heard of it.
            refuse(&mut gateway.0, now, demand(1, 0), &asks(&limit));
            settle(&mut gateway.0, now, held.reservation, used(most, 0));
        }
        used_up += most + others;
        pool.debt += others;
        // The sidecar gives nothing ahead to a key that rests.
        gateway.exchange(&mut pool, 0, Wish::default(), now);
        assert_eq!((pool.debt, pool.outstanding()), (used_up, 0));
    }
    assert_eq!(gateway.lease(key(1)).left, 1_000 - used_up);
    let spent =
        Granted { born: gateway.lease(key(1)).born, sequence: 99, left: 7, ..Granted::default() };
    gateway.apply(key(1), &spent, START + 5);
    refuse(&mut gateway.0, START + 5, demand(1, 0), &asks(&limit));
}

#[test]
fn what_keys_without_a_slot_share_is_told_once_the_fleet_is_known() {
    let unknown = limit(false, Away::Local).as_fleet_stands(false, 0);
    let mut slot = Slot::new(SlotKey::SHARED, &unknown, START);
    slot.take(&unknown, 7);
    let is_due = |slot: &Slot| slot.lease().unwrap().is_due(slot.reserved());
    assert!(!is_due(&slot));
    slot.advance(&reachable(), START + 1);
    assert!(is_due(&slot));
    assert_eq!(slot.lease().unwrap().born, (START + 1) as u32);
}

#[test]
fn a_total_that_falls_leaves_what_is_used_and_reserved_and_the_rest_is_back_once() {
    let (limit, mut gateway, mut pool) = (reachable(), Gateway::default(), Pool::new(&reachable()));
    let held = admit(&mut gateway.0, START, demand(20, 0), &asks(&limit));
    gateway.exchange(&mut pool, 0, Wish { need: 0, ask: 400, lower: None }, START);
    assert_eq!(pool.outstanding(), 400);
    let lower = Wish { need: 0, ask: 0, lower: Some(10) };
    // The answer is lost, then it comes twice.
    for _ in 0..3 {
        let slot = gateway.slot(key(1)).unwrap();
        pool.run(0, &slot, lower, START);
    }
    assert_eq!(pool.outstanding(), 400, "nobody knows that it fell");
    let granted = gateway.exchange(&mut pool, 0, lower, START).unwrap();
    gateway.apply(key(1), &granted, START);
    assert_eq!(gateway.lease(key(1)).granted, 20, "what is reserved stays");
    settle(&mut gateway.0, START, held.reservation, used(20, 0));
    let slot = gateway.slot(key(1)).unwrap();
    assert!(slot.lease().unwrap().is_due(0), "the pool does not know that it fell");
    gateway.exchange(&mut pool, 0, Wish::default(), START);
    assert_eq!((pool.outstanding(), pool.debt), (0, 20));
    gateway.exchange(&mut pool, 0, Wish::default(), START);
    assert_eq!((pool.outstanding(), pool.debt), (0, 20));
    assert_eq!(gateway.slot(key(1)).map(|slot| slot.lease().unwrap().is_due(0)), Some(false));
}

#[test]
fn while_the_fleet_is_away_each_limit_does_what_it_says() {
    for (away, most) in [(Away::Local, Some(250)), (Away::Deny, Some(0)), (Away::Allow, None)] {
        let (limit, mut shared) = (limit(false, away), Shared::default());
        let mut admitted = 0;
        for _ in 0..200 {
            let ledger = Ledger::new(&mut shared, START).reserve(&demand(10, 0), &asks(&limit));
            admitted += if matches!(ledger, Outcome::Admitted(_)) { 10 } else { 0 };
        }
        assert_eq!(admitted, most.unwrap_or(2_000), "{away:?}");
    }
}

#[test]
fn a_request_that_the_fleet_cannot_be_asked_about_is_told_apart_from_one_that_exceeds_a_share() {
    let unreachable = Wait::Unreachable(5_000);
    for (away, wait) in [(Away::Deny, unreachable), (Away::Local, Wait::Unsettled(60_000))] {
        let (limit, mut gateway) = (limit(false, away), Gateway::default());
        let part = demand(250, 0);
        let admitted = Ledger::new(&mut gateway.0, START).reserve(&part, &asks(&limit));
        assert_eq!(matches!(admitted, Outcome::Admitted(_)), away == Away::Local);
        let refused = refuse(&mut gateway.0, START, part, &asks(&limit));
        assert_eq!((refused.wait, refused.refusing), (wait, vec![(0, wait)]), "{away:?}");
        // More than the share has at once.
        assert_eq!(refuse(&mut gateway.0, START, demand(251, 0), &asks(&limit)).wait, unreachable);
        let never = refuse(&mut gateway.0, START, demand(1_001, 0), &asks(&limit));
        assert_eq!(never.wait, Wait::Never);
    }
    // Of a calendar's budget too, but where the fleet has said before that it is spent.
    let (quota, mut gateway) = (quota(), Gateway::default());
    let away = quota.as_fleet_stands(false, 4);
    assert_eq!(refuse(&mut gateway.0, MIDNIGHT, demand(251, 0), &asks(&away)).wait, unreachable);
    admit(&mut gateway.0, MIDNIGHT, demand(9, 0), &asks(&away));
    let born = gateway.lease(key(1)).born;
    let spent = Granted { born, sequence: 1, retry_ms: 9_000, ..Granted::default() };
    gateway.apply(key(1), &spent, MIDNIGHT);
    let refused = refuse(&mut gateway.0, MIDNIGHT, demand(251, 0), &asks(&away));
    assert_eq!(refused.wait, Wait::Afresh(9_000));
}

#[test]
fn what_a_share_makes_a_request_wait_is_true() {
    let (limit, mut gateway) = (limit(false, Away::Local), Gateway::default());
    let held = admit(&mut gateway.0, START, demand(200, 0), &asks(&limit));
    settle(&mut gateway.0, START, held.reservation, used(200, 0));
    // A quarter of 1,000 a minute: 50 are left, and 50 take 12 s.
    let wait = refuse(&mut gateway.0, START, demand(100, 0), &asks(&limit)).wait;
    assert_eq!(wait, Wait::Ms(12_000));
    refuse(&mut gateway.0, START + 11_999, demand(100, 0), &asks(&limit));
    admit(&mut gateway.0, START + 12_000, demand(100, 0), &asks(&limit));
}

#[test]
fn a_grant_at_hand_is_good_while_the_fleet_is_away_and_what_exceeds_it_is_charged_once() {
    let (mut gateway, mut pool) = (Gateway::default(), Pool::new(&reachable()));
    let (limit, away) = (reachable(), limit(false, Away::Deny));
    let first = admit(&mut gateway.0, START, demand(10, 0), &asks(&limit));
    settle(&mut gateway.0, START, first.reservation, used(10, 0));
    gateway.exchange(&mut pool, 0, Wish { need: 0, ask: 100, lower: None }, START);
    let held = admit(&mut gateway.0, START, demand(100, 0), &asks(&away));
    refuse(&mut gateway.0, START, demand(1, 0), &asks(&away));
    settle(&mut gateway.0, START, held.reservation, used(130, 0));
    let slot = gateway.slot(key(1)).unwrap();
    for _ in 0..3 {
        pool.run(0, &slot, Wish::default(), START);
    }
    assert_eq!((pool.debt, pool.outstanding()), (140, 0));
}

#[test]
fn what_a_gateway_does_not_tell_of_any_more_drains_as_if_it_were_used_and_its_return_charges_it_once()
 {
    let (limit, mut gateway, mut pool) = (reachable(), Gateway::default(), Pool::new(&reachable()));
    let held = admit(&mut gateway.0, START, demand(10, 0), &asks(&limit));
    gateway.exchange(&mut pool, 0, Wish { need: 0, ask: 300, lower: None }, START);
    let mut other = Gateway::default();
    let _held = admit(&mut other.0, START, demand(10, 0), &asks(&limit));
    let later = START + pool::VANISH_MS + 1;
    other.exchange(&mut pool, 1, Wish::default(), later);
    assert_eq!((pool.debt, pool.outstanding()), (300, 0));
    settle(&mut gateway.0, later, held.reservation, used(120, 0));
    gateway.exchange(&mut pool, 0, Wish::default(), later);
    assert_eq!((pool.debt, pool.outstanding()), (300, 0), "it was charged already");
}

#[test]
fn another_slot_of_the_same_key_starts_from_nothing_and_the_pool_keeps_what_was_charged() {
    let (limit, mut gateway, mut pool) = (reachable(), Gateway::default(), Pool::new(&reachable()));
    let held = admit(&mut gateway.0, START, demand(40, 0), &asks(&limit));
    settle(&mut gateway.0, START, held.reservation, used(40, 0));
    gateway.exchange(&mut pool, 0, Wish { need: 0, ask: 60, lower: None }, START);
    let old = gateway.lease(key(1));
    gateway = Gateway::default();
    let held = admit(&mut gateway.0, START + 1, demand(7, 0), &asks(&limit));
    settle(&mut gateway.0, START + 1, held.reservation, used(7, 0));
    // A grant for the slot before changes nothing.
    let late = Granted { born: old.born, sequence: 9, total: 999, ..Granted::default() };
    let page = Page::read(gateway.0.load(Place::of_fleet(key(1))).unwrap().0).unwrap();
    assert_eq!(page.applied(key(1), &late, START + 1), Err(SlotGone));
    gateway.apply(key(1), &late, START + 1);
    gateway.exchange(&mut pool, 0, Wish::default(), START + 1);
    // The 60 that the slot before had are charged: nobody knows.
    assert_eq!((pool.debt, pool.outstanding()), (107, 0));
    assert_eq!(gateway.lease(key(1)).granted, 7);
}

#[test]
fn slots_of_a_fleet_are_kept_until_the_fleet_knows_what_they_used_and_owe_nothing_then() {
    let limit = reachable();
    let mut shared = Shared::default();
    let many = 4 * PAGE_SLOTS as u32;
    let mut overflowed = 0;
    for number in 0..many {
        let one = [ask(&limit, in_page(3, number))];
        let held = admit_or_refuse(&mut shared, START, &one);
        overflowed += held;
    }
    assert_eq!(overflowed, many as usize - PAGE_SLOTS, "all others share a slot");
    // An hour later nobody has told the fleet, so all of it is there.
    let later = START + 3_600_000;
    assert_eq!(admit_or_refuse(&mut shared, later, &[ask(&limit, in_page(3, many))]), 1);
    let place = Place::of_fleet(in_page(3, 0));
    let (bytes, version) = shared.load(place).unwrap();
    let mut page = Page::read(bytes).unwrap();
    let told: Vec<_> = page
        .due()
        .map(|slot| {
            let lease = slot.lease().unwrap();
            let (born, used) = (lease.born, lease.used);
            let granted =
                Granted { born, sequence: 1, total: used, charged: used, ..Granted::default() };
            (slot.key(), granted)
        })
        .collect();
    assert_eq!(told.len(), PAGE_SLOTS);
    for (key, granted) in told {
        page = Page::read(page.applied(key, &granted, later).unwrap().unwrap()).unwrap();
    }
    assert_eq!(page.due().count(), 0);
    assert_eq!(shared.swap(place, page.as_bytes(), Some(version)), Stored::Done);
    assert_eq!(admit_or_refuse(&mut shared, later, &[ask(&limit, in_page(3, many + 1))]), 0);
}

/// Uses one unit if it is admitted; how many of the keys share a slot.
fn admit_or_refuse(shared: &mut Shared, now_ms: u64, asks: &[Ask<'_>]) -> usize {
    match Ledger::new(shared, now_ms).reserve(&demand(1, 0), asks) {
        Outcome::Admitted(held) => {
            settle(shared, now_ms, held.reservation, used(1, 0));
            held.overflowed
        }
        Outcome::Refused(_) => 1,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_spent_quota_says_when_it_starts_afresh_and_is_there_again_at_midnight() {
    let (limit, mut gateway, mut pool) = (quota(), Gateway::default(), Pool::new(&quota()));
    let evening = MIDNIGHT - 3_600_000;
    refuse(&mut gateway.0, evening, demand(980, 0), &asks(&limit));
    let wish = Wish { need: 980, ask: 1_000, lower: None };
    gateway.exchange(&mut pool, 0, wish, evening);
    let held = admit(&mut gateway.0, evening, demand(980, 0), &asks(&limit));
    assert_eq!((held.standings[0].remaining, held.standings[0].reset_ms), (20, 3_600_000));
    settle(&mut gateway.0, evening, held.reservation, used(980, 0));
    // What is left is not known to be too little before the fleet has said so.
    let refused = refuse(&mut gateway.0, evening, demand(30, 0), &asks(&limit));
    assert_eq!(refused.wait, Wait::Unsettled(300));
    gateway.exchange(&mut pool, 0, Wish { need: 30, ask: 40, lower: None }, evening + 1);
    let refused = refuse(&mut gateway.0, evening + 2, demand(30, 0), &asks(&limit));
    assert_eq!(refused.wait, Wait::Afresh(3_599_998));
    assert_eq!(refuse(&mut gateway.0, evening, demand(1_001, 0), &asks(&limit)).wait, Wait::Never);
    // Nothing drains meanwhile, and all of it is there at midnight.
    let last = MIDNIGHT - 1;
    refuse(&mut gateway.0, last, demand(30, 0), &asks(&limit));
    gateway.exchange(&mut pool, 0, Wish { need: 30, ask: 40, lower: None }, last);
    assert_eq!(
        (pool.debt, refuse(&mut gateway.0, last, demand(30, 0), &asks(&limit)).wait),
        (980, Wait::Afresh(1))
    );
    assert_eq!(
        refuse(&mut gateway.0, MIDNIGHT, demand(30, 0), &asks(&limit)).wait,
        Wait::Unsettled(300)
    );
    let granted =
        gateway.exchange(&mut pool, 0, Wish { need: 30, ask: 40, lower: None }, MIDNIGHT).unwrap();
    assert_eq!((pool.debt, granted.left), (0, 960));
    admit(&mut gateway.0, MIDNIGHT, demand(30, 0), &asks(&limit));
}

#[test]
fn a_quota_is_known_to_be_spent_until_more_of_it_is_granted() {
    let (limit, mut gateway) = (quota(), Gateway::default());
    refuse(&mut gateway.0, START, demand(60, 0), &asks(&limit));
    let born = gateway.lease(key(1)).born;
    let mut told = |sequence, total, retry_ms| {
        let granted = Granted { born, sequence, total, retry_ms, ..Granted::default() };
        gateway.apply(key(1), &granted, START);
        refuse(&mut gateway.0, START, demand(60, 0), &asks(&limit)).wait
    };
    assert_eq!(told(1, 40, 5_000), Wait::Afresh(5_000));
    assert_eq!(told(2, 10, 0), Wait::Afresh(5_000), "some is taken back");
    assert_eq!(told(3, 10, 0), Wait::Afresh(5_000));
    assert_eq!(told(4, 50, 0), Wait::Unsettled(300), "there is more after all");
}

#[test]
fn what_is_reserved_before_midnight_and_settled_after_it_is_charged_to_the_new_day_once() {
    let (limit, mut gateway, mut pool) = (quota(), Gateway::default(), Pool::new(&quota()));
    let last = MIDNIGHT - 1;
    refuse(&mut gateway.0, last, demand(900, 0), &asks(&limit));
    gateway.exchange(&mut pool, 0, Wish { need: 850, ask: 850, lower: None }, last);
    let held = admit(&mut gateway.0, last, demand(850, 0), &asks(&limit));
    assert_eq!((pool.debt, pool.outstanding()), (0, 850));
    // It is granted still, so that another gateway gets no more than what is left of the new day.
    let mut other = Gateway::default();
    refuse(&mut other.0, MIDNIGHT, demand(200, 0), &asks(&limit));
    let granted =
        other.exchange(&mut pool, 1, Wish { need: 150, ask: 150, lower: None }, MIDNIGHT).unwrap();
    assert_eq!((granted.total, granted.left), (150, 0));
    settle(&mut gateway.0, MIDNIGHT + 5, held.reservation, used(850, 0));
    gateway.exchange(&mut pool, 0, Wish::default(), MIDNIGHT + 5);
    assert_eq!((pool.debt, pool.outstanding()), (850, 150));
    // What its own account owes began afresh, too.
    let slot = gateway.slot(key(1)).unwrap().as_of(&limit, MIDNIGHT + 6);
    assert_eq!(slot.debt(), 850);
    assert_eq!(slot.as_of(&limit, MIDNIGHT + 86_400_000).debt(), 0);
}

#[test]
fn of_a_saturated_pool_a_part_of_the_burst_is_withheld_from_all_gateways() {
    let (limit, mut gateway, mut pool) = (reachable(), Gateway::default(), Pool::new(&reachable()));
    let half = limit.with_burst_permille(500);
    // Before the first grant nobody knows what is left: its first tokens are a gateway's own.
    let held = admit(&mut gateway.0, START, demand(50, 0), &asks(&half));
    settle(&mut gateway.0, START, held.reservation, used(50, 0));
    gateway.exchange(&mut pool, 0, Wish { need: 0, ask: 500, lower: None }, START);
    let lease = gateway.lease(key(1));
    assert_eq!((lease.granted, lease.left), (525, 475));
    // Of a thousand 50 are spent: 450 may be, and 25 of the 475 that were granted are held back.
    let held = admit(&mut gateway.0, START, demand(450, 0), &asks(&half));
    refuse(&mut gateway.0, START, demand(1, 0), &asks(&half));
    assert_eq!(held.standings[0].remaining, 0);
    assert_eq!(gateway.lease(key(1)).wanted, 1, "to hear what is left");
    // The pool recovers.
    admit(&mut gateway.0, START, demand(25, 0), &asks(&limit));
    // What others have spent meanwhile counts: nothing but the half that is withheld is left.
    let spent =
        Granted { born: lease.born, sequence: 9, total: 1_000, left: 0, ..Granted::default() };
    gateway.apply(key(1), &spent, START);
    refuse(&mut gateway.0, START, demand(1, 0), &asks(&half));
    admit(&mut gateway.0, START, demand(1, 0), &asks(&limit));
}

#[cfg(not(target_arch = "wasm32"))]
mod sequences {
    use proptest::prelude::*;

    use super::*;

    #[derive(Clone, Copy, Debug)]
    enum Step {
        Reserve {
            at: usize,
            prompt: u32,
            max_tokens: u32,
        },
        Settle {
            which: usize,
            prompt: u32,
            completion: u32,
        },
        /// What happens to the answer of an exchange: comes, is lost, comes later.
        Exchange {
            at: usize,
            ask: u32,
            need: u32,
            lower: Option<u32>,
            lost: bool,
            late: bool,
        },
        /// An answer that was late comes now, perhaps again.
        Deliver {
            which: usize,
            again: bool,
        },
        /// A report that Redis has seen is sent again, as by a sidecar that got no answer.
        Repeat {
            at: usize,
        },
        Time {
            ms: u64,
        },
    }

    fn step() -> impl Strategy<Value = Step> {
        let which = any::<prop::sample::Index>().prop_map(|index| index.index(usize::MAX));
        prop_oneof![
            5 => (0..3_usize, 0..150_u32, 0..150_u32)
                .prop_map(|(at, prompt, max_tokens)| Step::Reserve { at, prompt, max_tokens }),
            4 => (which.clone(), 0..200_u32, 0..200_u32)
                .prop_map(|(which, prompt, completion)| Step::Settle { which, prompt, completion }),
            6 => (0..3_usize, 0..400_u32, 0..200_u32, prop::option::weighted(0.2, 0..1_000_u32), any::<bool>(), any::<bool>())
                .prop_map(|(at, ask, need, lower, lost, late)| {
                    let (ask, need) = if lower.is_some() { (0, 0) } else { (ask.max(need), need) };
                    Step::Exchange { at, ask, need, lower, lost, late }
                }),
            2 => (which, any::<bool>()).prop_map(|(which, again)| Step::Deliver { which, again }),
            1 => (0..3_usize).prop_map(|at| Step::Repeat { at }),
            2 => (0..8_000_u64).prop_map(|ms| Step::Time { ms }),
        ]
    }

    /// What all gateways have really used, on one account that drains from the moment of use.
    struct Truth {
        limit: Limit,
        bucket: super::super::super::bucket::Bucket,
        used: [u64; 3],
        short: u64,
    }

    impl Truth {
        fn owe(&mut self, at: usize, units: u64, reserved: u64, now: u64) {
            self.bucket.advance(&self.limit, now);
            self.bucket.owe(units);
            self.used[at] += units;
            self.short += units.saturating_sub(reserved);
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]

        #[test]
        fn no_sequence_of_messages_admits_more_than_the_bound_or_charges_anything_twice(
            steps in prop::collection::vec(step(), 1..120),
            before_midnight in prop::option::of(0..300_000_u64),
        ) {
            let (limit, mut now) = match before_midnight {
                Some(before) => (quota(), MIDNIGHT - before),
                None => (reachable(), START),
            };
            let mut gateways: [Gateway; 3] = Default::default();
            let mut pool = Pool::new(&limit);
            let plain = pool::alone(&limit);
            let bucket = super::super::super::bucket::Bucket { at_ms: now, ..Default::default() };
            let mut truth = Truth { limit: plain, bucket, used: [0; 3], short: 0 };
            let mut held: Vec<(usize, u64, Reservation)> = Vec::new();
            let (mut late, mut seen) = (Vec::<(usize, Granted)>::new(), [None::<Slot>; 3]);
            for step in steps {
                match step {
                    Step::Reserve { at, prompt, max_tokens } => {
                        let wanted = demand(prompt.into(), max_tokens.into());
                        if let Outcome::Admitted(admission) =
                            Ledger::new(&mut gateways[at].0, now).reserve(&wanted, &asks(&limit))
                        {
                            held.push((at, u64::from(prompt) + u64::from(max_tokens), admission.reservation));
                        }
                    }
                    Step::Settle { which, prompt, completion } if !held.is_empty() => {
                        let (at, reserved, reservation) = held.swap_remove(which % held.len());
                        settle(&mut gateways[at].0, now, reservation, used(prompt.into(), completion.into()));
                        truth.owe(at, u64::from(prompt) + u64::from(completion), reserved, now);
                    }
                    Step::Exchange { at, ask, need, lower, lost, late: delayed } => {
                        let Some(slot) = gateways[at].slot(key(1)) else { continue };
                        seen[at] = Some(slot);
                        let wish = Wish { need: need.into(), ask: ask.into(), lower: lower.map(u64::from) };
                        let granted = pool.run(at, &slot, wish, now);
                        if delayed {
                            late.push((at, granted));
                        } else if !lost {
                            gateways[at].apply(key(1), &granted, now);
                        }
                    }
                    Step::Deliver { which, again } if !late.is_empty() => {
                        let which = which % late.len();
                        let (at, granted) = if again { late[which] } else { late.swap_remove(which) };
                        gateways[at].apply(key(1), &granted, now);
                    }
                    Step::Repeat { at } => {
                        if let Some(slot) = seen[at] {
                            pool.run(at, &slot, Wish::default(), now);
                        }
                    }
                    Step::Time { ms } => now += ms,
                    _ => {}
                }
                truth.bucket.advance(&truth.limit, now);
                let bound = limit.capacity() + 3 * 50 + truth.short;
                let reserved: u64 = held.iter().map(|(_, reserved, _)| reserved).sum();
                let taken = truth.bucket.debt + reserved;
                prop_assert!(taken <= bound, "{taken} of {bound}");
            }
            // All messages come, and what was used is charged, to the unit.
            for (at, _, reservation) in held {
                settle(&mut gateways[at].0, now, reservation, used(0, 0));
            }
            for (at, gateway) in gateways.iter_mut().enumerate() {
                for _ in 0..2 {
                    gateway.exchange(&mut pool, at, Wish { lower: Some(0), ..Wish::default() }, now);
                }
                gateway.exchange(&mut pool, at, Wish::default(), now);
                let charged = pool.charged(at);
                prop_assert!(charged == truth.used[at] || pool.guessed && charged > truth.used[at]);
                prop_assert_eq!(gateway.lease(key(1)).used, truth.used[at]);
            }
            prop_assert_eq!(pool.outstanding(), 0);
        }
    }
}
