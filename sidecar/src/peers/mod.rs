//! What the other sidecars have said.

mod load;

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

pub(crate) use load::{Load, PoolShare};

/// Others' load counts for so many intervals after the last exchange.
const INTERVALS: u32 = 2;

/// The load of all other sidecars together, as of the last exchange.
#[derive(Debug)]
pub(crate) struct Peers {
    fresh: Duration,
    seen: Mutex<Seen>,
}

#[derive(Debug, Default)]
struct Seen {
    /// When it was read.
    at: Option<Instant>,
    /// How many sidecars that are.
    count: usize,
    pools: BTreeMap<String, PoolShare>,
}

impl Peers {
    /// Nobody has said anything yet; an exchange is made once in every `interval`.
    pub(crate) fn new(interval: Duration) -> Self {
        Self { fresh: interval * INTERVALS, seen: Mutex::default() }
    }

    /// Takes what each of the others says at `now`.
    pub(crate) fn take(&self, each: Vec<BTreeMap<String, PoolShare>>, now: Instant) {
        let count = each.len();
        let mut pools: BTreeMap<String, PoolShare> = BTreeMap::new();
        for (name, share) in each.into_iter().flatten() {
            let pool = pools.entry(name).or_default();
            for (address, load) in share {
                pool.entry(address).or_default().add(load);
            }
        }
        *self.seen() = Seen { at: Some(now), count, pools };
    }

    /// How many other sidecars are heard at `now`.
    pub(crate) fn count(&self, now: Instant) -> usize {
        let seen = self.seen();
        if self.is_fresh(&seen, now) { seen.count } else { 0 }
    }

    /// Adds what they have in flight in `pool` at `now` to `sums`.
    pub(crate) fn add_to(&self, sums: &mut PoolShare, pool: &str, now: Instant) {
        let seen = self.seen();
        if !self.is_fresh(&seen, now) {
            return;
        }
        for (address, load) in seen.pools.get(pool).into_iter().flatten() {
            sums.entry(address.clone()).or_default().add(*load);
        }
    }

    fn is_fresh(&self, seen: &Seen, now: Instant) -> bool {
        seen.at.is_some_and(|at| now.saturating_duration_since(at) <= self.fresh)
    }

    /// Nothing panics while it holds the lock, so a poisoned one is as good as any.
    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_others_say_is_added_up_for_two_intervals() {
        let (peers, start) = (Peers::new(Duration::from_millis(200)), Instant::now());
        let says = |in_flight| {
            let load = Load { in_flight, prefill_tokens: 1, decode_tokens: u32::MAX };
            let share = PoolShare::from([("10.0.0.1:80".to_owned(), load)]);
            BTreeMap::from([("llama".to_owned(), share)])
        };
        peers.take(vec![says(2), says(3), BTreeMap::new()], start);
        let sum = |pool: &str, ms| {
            let mut sums = PoolShare::new();
            peers.add_to(&mut sums, pool, start + Duration::from_millis(ms));
            (sums.len(), sums.get("10.0.0.1:80").map(|load: &Load| load.in_flight))
        };
        assert_eq!((sum("llama", 400), sum("llama", 401)), ((1, Some(5)), (0, None)));
        assert_eq!(sum("qwen", 0), (0, None));
        let after = |ms| peers.count(start + Duration::from_millis(ms));
        assert_eq!((after(400), after(401)), (3, 0));
    }
}
