//! Several workers at once, with the same slots.

use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use super::*;

/// Shared data of a process with several workers; what is written is checked.
struct Process {
    shared: Mutex<Shared>,
    limit: Limit,
    /// Most that was ever owed and reserved when something was admitted.
    most: AtomicU64,
}

impl Store for &Process {
    fn load(&mut self, place: Place) -> Option<(Vec<u8>, u32)> {
        self.shared.lock().unwrap().load(place)
    }

    fn swap(&mut self, place: Place, bytes: &[u8], version: Option<u32>) -> Stored {
        let mut shared = self.shared.lock().unwrap();
        let reserved = |shared: &Shared| shared.stored(key(1)).map_or(0, |slot| slot.reserved());
        let before = reserved(&shared);
        let stored = shared.swap(place, bytes, version);
        if stored == Stored::Done && reserved(&shared) > before {
            let slot = shared.stored(key(1)).unwrap();
            let taken = slot.debt() + slot.reserved();
            assert!(taken <= self.limit.capacity(), "{taken} at an admission");
            self.most.fetch_max(taken, Ordering::Relaxed);
        }
        stored
    }
}

/// What one client does: 40 requests that use up to twice what was reserved for them. Answers with
/// what was used.
fn client(process: &Process, clock: &AtomicU64, number: u64) -> u64 {
    let (mut store, mut used_up) = (process, 0);
    for round in 0..40 {
        let now = START + clock.fetch_add(1, Ordering::Relaxed);
        let asked = demand(20 + number % 30, 50);
        let outcome = Ledger::new(&mut store, now).reserve(&asked, &[ask(&process.limit, key(1))]);
        let Outcome::Admitted(held) = outcome else { continue };
        std::thread::yield_now();
        let taken = used(asked.prompt, (round * 7 + number) % 100);
        used_up += taken.prompt + taken.completion;
        let mut rest = Ledger::new(&mut store, now).settle(held.reservation, &taken);
        while let Settlement::Pending(reservation) = rest {
            rest = Ledger::new(&mut store, now).settle(reservation, &taken);
        }
    }
    used_up
}

#[test]
fn sixty_four_clients_of_four_workers_never_get_more_than_the_limit_has() {
    for run in 0..10 {
        let limit = minute(1, 2_000);
        let process = Process { shared: Mutex::default(), limit, most: AtomicU64::new(0) };
        let clock = AtomicU64::new(0);
        let used_up: u64 = std::thread::scope(|scope| {
            let workers: Vec<_> = (0..4_u64)
                .map(|worker| {
                    let (process, clock) = (&process, &clock);
                    scope.spawn(move || {
                        (0..16).map(|one| client(process, clock, worker * 16 + one)).sum::<u64>()
                    })
                })
                .collect();
            workers.into_iter().map(|worker| worker.join().unwrap()).sum()
        });
        let now = START + clock.load(Ordering::Relaxed);
        let slot = process.shared.lock().unwrap().slot(key(1), &limit, now).unwrap();
        assert_eq!(slot.reserved(), 0, "run {run}");
        // Whatever was used is owed, or has drained at 2,000 a minute, with one part lost at each turn.
        let drained = (now - START) * 2_000 / 60_000;
        assert!(used_up <= slot.debt() + drained + 1, "{used_up} used, {} owed", slot.debt());
        assert!(slot.debt() <= used_up);
        assert!(process.most.load(Ordering::Relaxed) > 1_800, "the limit was reached");
    }
}
