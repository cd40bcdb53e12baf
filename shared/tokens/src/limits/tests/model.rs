//! Sequences of operations against a model that remembers every reservation by itself.

mod account;

use proptest::prelude::*;

use super::*;
use account::Account;

/// What happens next.
#[derive(Clone, Copy, Debug)]
enum Step {
    /// Somebody asks, at all limits that the bits choose.
    Reserve { who: u8, limits: u8, prompt: u32, max_tokens: u32 },
    /// An open reservation is settled.
    Settle { which: usize, prompt: u32, completion: u32 },
    /// An open reservation is settled with nothing used.
    Cancel { which: usize },
    /// An open reservation is kept.
    Extend { which: usize },
    /// A reservation is forgotten: its VM is gone.
    Forget { which: usize },
    /// Time passes, or the clock is set back.
    Time { ms: i64 },
    /// The next writes are lost.
    Lose { writes: u8 },
    /// The next writes fail, or do so no more.
    Fail { fails: bool },
}

fn step() -> impl Strategy<Value = Step> {
    let which = any::<prop::sample::Index>().prop_map(|index| index.index(usize::MAX));
    prop_oneof![
        6 => (0..6_u8, 1..8_u8, 0..400_u32, 0..400_u32).prop_map(|(who, limits, prompt, max_tokens)| {
            Step::Reserve { who, limits, prompt, max_tokens }
        }),
        3 => (which.clone(), 0..600_u32, 0..900_u32).prop_map(|(which, prompt, completion)| {
            Step::Settle { which, prompt, completion }
        }),
        1 => which.clone().prop_map(|which| Step::Cancel { which }),
        1 => which.clone().prop_map(|which| Step::Extend { which }),
        1 => which.prop_map(|which| Step::Forget { which }),
        3 => prop_oneof![
            4 => 0..3_000_i64,
            2 => 0..400_000_i64,
            1 => 0..3_000_000_i64,
            1 => -4_000..0_i64,
            1 => -1_000_000..0_i64,
        ].prop_map(|ms| Step::Time { ms }),
        1 => (0..24_u8).prop_map(|writes| Step::Lose { writes }),
        1 => any::<bool>().prop_map(|fails| Step::Fail { fails }),
    ]
}

fn limits() -> [Limit; 3] {
    [
        Limit::new(LimitId(1), Measure::Tokens, 700, 10_000, 1_000).unwrap(),
        Limit::new(LimitId(2), Measure::Requests, 9, 60_000, 5).unwrap(),
        Limit::new(LimitId(3), Measure::Concurrent, 0, 0, 3).unwrap(),
    ]
}

/// One open reservation as both sides know it.
struct Held {
    number: usize,
    reservation: Reservation,
    /// Which accounts it is open in, with units.
    parts: Vec<(usize, u64)>,
}

struct World {
    shared: Shared,
    now: u64,
    limits: [Limit; 3],
    /// By key and limit: three keys of a limit each for six people.
    accounts: Vec<Account>,
    held: Vec<Held>,
    next: usize,
}

impl World {
    fn new() -> Self {
        let limits = limits();
        let accounts = (0..18).map(|n| Account::new(limits[n % 3], START)).collect();
        Self { shared: Shared::default(), now: START, limits, accounts, held: Vec::new(), next: 0 }
    }

    /// The key of an account; the first two people share a page.
    fn key(account: usize) -> SlotKey {
        in_page((account / 6) as u32, account as u32 + 1)
    }

    fn reserve(&mut self, who: u8, chosen: u8, demand: Demand) {
        let wanted: Vec<usize> = (0..3)
            .filter(|bit| chosen >> bit & 1 == 1)
            .map(|limit| who as usize * 3 + limit)
            .collect();
        let limits = self.limits;
        let asks: Vec<_> =
            wanted.iter().map(|account| ask(&limits[account % 3], Self::key(*account))).collect();
        let units = |account: &usize| match limits[account % 3].measure() {
            Measure::Tokens => demand.prompt + demand.max_tokens.unwrap(),
            _ => 1,
        };
        let clear = self.shared.lose == 0 && !self.shared.fails;
        let outcome = Ledger::new(&mut self.shared, self.now).reserve(&demand, &asks);
        // A refusal writes nothing, so time has not passed for its slots: it matters where the clock is
        // set back afterwards.
        let fits = wanted.iter().all(|account| {
            let mut exact = self.accounts[*account].clone();
            exact.advance(self.now);
            exact.fits(units(account))
        });
        match outcome {
            Outcome::Admitted(admission) => {
                assert!(fits, "admitted beyond a limit");
                self.next += 1;
                let mut parts = Vec::new();
                for account in wanted {
                    self.begin(account);
                    self.accounts[account].advance(self.now);
                    self.accounts[account].take(self.next, units(&account));
                    if self.limits[account % 3].measure() != Measure::Requests {
                        parts.push((account, units(&account)));
                    }
                }
                let (number, reservation) = (self.next, admission.reservation);
                self.held.push(Held { number, reservation, parts });
            }
            Outcome::Refused(refusal) => {
                assert!(!fits, "refused though it fits: {refusal:?}");
                assert!(refusal.leftover.is_empty());
            }
            Outcome::Unknown { leftover } => {
                assert!(!clear, "the store was not busy");
                // What is left of it is held until the store is well again.
                (self.shared.lose, self.shared.fails) = (0, false);
                settle(&mut self.shared, self.now, leftover, Used::default());
                wanted.into_iter().for_each(|account| self.take_over(account));
            }
        }
    }

    /// An account that was never used begins when its slot did.
    fn begin(&mut self, account: usize) {
        let exact = &mut self.accounts[account];
        if exact.debt == 0 && exact.open.is_empty() {
            let slot = self.shared.slot(Self::key(account), &exact.limit, self.now).unwrap();
            (exact.at, exact.boundary) = (slot.bucket().at_ms, slot.begun_ms() + EXPIRY_MS);
        }
    }

    /// Takes over what the store says after an attempt of which nobody knows the fate: a request of
    /// it may have been counted, and time has passed for some slots.
    fn take_over(&mut self, account: usize) {
        let exact = &mut self.accounts[account];
        let Some(slot) = self.shared.slot(Self::key(account), &exact.limit, self.now) else {
            return;
        };
        let mut now = exact.clone();
        now.advance(self.now);
        let counted = u64::from(exact.limit.measure() == Measure::Requests);
        assert!((now.owed()..=now.owed() + counted).contains(&slot.debt()));
        assert_eq!(slot.reserved(), now.reserved());
        let stored = self.shared.stored(Self::key(account)).unwrap();
        if stored.bucket().at_ms == slot.bucket().at_ms {
            let window = u128::from(now.limit.window_ms());
            now.debt = u128::from(slot.debt()) * window - u128::from(slot.bucket().part);
            (now.at, now.boundary) = (slot.bucket().at_ms, slot.begun_ms() + EXPIRY_MS);
            self.accounts[account] = now;
        }
    }

    fn settle(&mut self, which: usize, used: &Used) {
        if self.held.is_empty() {
            return;
        }
        let held = self.held.swap_remove(which % self.held.len());
        let mut rest = Ledger::new(&mut self.shared, self.now).settle(held.reservation, used);
        while let Settlement::Pending(reservation) = rest {
            (self.shared.lose, self.shared.fails) = (0, false);
            rest = Ledger::new(&mut self.shared, self.now).settle(reservation, used);
        }
        for (account, units) in held.parts {
            let exact = &mut self.accounts[account];
            exact.advance(self.now);
            exact.settle(held.number, units, exact.limit.charge(&PLAIN, used));
        }
    }

    fn extend(&mut self, which: usize) {
        if self.held.is_empty() {
            return;
        }
        (self.shared.lose, self.shared.fails) = (0, false);
        let at = which % self.held.len();
        let held = &mut self.held[at];
        let due = self.now.saturating_sub(held.reservation.extended_ms) >= EXPIRY_MS / 2;
        Ledger::new(&mut self.shared, self.now).extend(&mut held.reservation);
        for (account, _) in held.parts.iter().filter(|_| due) {
            self.accounts[*account].advance(self.now);
            self.accounts[*account].extend(held.number);
        }
    }

    fn take(&mut self, step: Step) {
        match step {
            Step::Reserve { who, limits, prompt, max_tokens } => {
                self.reserve(who, limits, demand(prompt.into(), max_tokens.into()));
            }
            Step::Settle { which, prompt, completion } => {
                self.settle(which, &used(prompt.into(), completion.into()));
            }
            Step::Cancel { which } => self.settle(which, &Used::default()),
            Step::Extend { which } => self.extend(which),
            Step::Forget { which } => {
                if !self.held.is_empty() {
                    self.held.swap_remove(which % self.held.len());
                }
            }
            Step::Time { ms } => self.now = self.now.saturating_add_signed(ms),
            Step::Lose { writes } => self.shared.lose = writes.into(),
            Step::Fail { fails } => self.shared.fails = fails,
        }
    }

    /// Every account says what its slot says, to the unit.
    fn check(&self) {
        for (number, account) in self.accounts.iter().enumerate() {
            let mut account = account.clone();
            account.advance(self.now);
            let slot = self.shared.slot(Self::key(number), &account.limit, self.now);
            let (debt, reserved) = slot.map_or((0, 0), |slot| (slot.debt(), slot.reserved()));
            assert_eq!((debt, reserved), (account.owed(), account.reserved()), "account {number}");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    #[test]
    fn every_sequence_of_operations_leaves_what_the_model_says(
        steps in prop::collection::vec(step(), 1..80),
    ) {
        let mut world = World::new();
        for step in steps {
            world.take(step);
            world.check();
        }
    }

    #[test]
    fn any_bytes_are_read_without_a_trap_and_written_back_alike(
        bytes in prop::collection::vec(any::<u8>(), SLOT_BYTES),
        now in any::<u64>(),
        amount in 1..MAX_UNITS,
        burst in 1..MAX_UNITS,
        window in MIN_WINDOW_MS..MAX_WINDOW_MS,
    ) {
        let slot: [u8; SLOT_BYTES] = bytes.try_into().unwrap();
        let limit = Limit::new(Slot::decode(&slot).limit(), Measure::Tokens, amount, window, burst);
        let limit = limit.unwrap();
        let mut decoded = Slot::decode(&slot);
        let written = { decoded.note_worth(&limit); decoded.encode() };
        prop_assert_eq!(Slot::decode(&written), decoded);
        let key = decoded.key();
        let mut shared = Shared::default();
        shared.values.insert(Place::of(key), ([&b"WTL\x01"[..], &slot].concat(), 7));
        let mut ledger = Ledger::new(&mut shared, now);
        let asked = Demand { prompt: now, max_tokens: Some(amount), choices: burst };
        if let Outcome::Admitted(held) = ledger.reserve(&asked, &[ask(&limit, key)]) {
            ledger.extend(&mut held.reservation.clone());
            let all = Used { prompt: now, completion: burst, ..Used::default() };
            prop_assert_eq!(ledger.settle(held.reservation, &all), Settlement::Done);
        }
    }

    /// Slots run out: whoever has one keeps what it owes, and all others together stay within one
    /// limit.
    #[test]
    fn where_slots_run_out_no_debt_is_lost(
        steps in prop::collection::vec((0..200_u32, 1..300_u32, 0..600_u32, 0..1_500_u64), 100..250),
    ) {
        let limit = Limit::new(LimitId(1), Measure::Tokens, 100, 60_000, 500).unwrap();
        let (mut shared, mut now) = (Shared::default(), START);
        let mut owned: std::collections::BTreeMap<u32, Account> = Default::default();
        let mut common = Account::new(limit, START);
        for (who, prompt, completion, passed) in steps {
            now += passed;
            let key = in_page(3, who);
            let has_slot = shared.slot(key, &limit, now).is_some();
            let outcome = Ledger::new(&mut shared, now).reserve(&demand(prompt.into(), 0), &[ask(&limit, key)]);
            common.advance(now);
            owned.values_mut().for_each(|account| account.advance(now));
            let fits = |account: &Account| account.fits(prompt.into());
            match outcome {
                Outcome::Admitted(held) => {
                    let account = if held.overflowed == 1 {
                        prop_assert!(!has_slot);
                        &mut common
                    } else {
                        owned.entry(who).or_insert_with(|| Account::new(limit, now))
                    };
                    prop_assert!(fits(account), "admitted beyond a limit");
                    account.owe(u64::from(prompt) + u64::from(completion));
                    settle(&mut shared, now, held.reservation, used(prompt.into(), completion.into()));
                }
                Outcome::Refused(_) => {
                    let account = owned.get(&who).filter(|_| has_slot).unwrap_or(&common);
                    prop_assert!(!fits(account) , "refused though it fits");
                }
                Outcome::Unknown { .. } => prop_assert!(false),
            }
            // Whoever owes has its slot, and it says how much.
            for (who, account) in owned.iter().filter(|(_, account)| account.debt > 0) {
                let slot = shared.slot(in_page(3, *who), &limit, now);
                prop_assert_eq!(slot.map(|slot| slot.debt()), Some(account.owed()));
            }
        }
    }
}
