//! What the other sidecars have said.

mod load;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

pub(crate) use load::{Load, PoolShare, Shares};

/// Others' load counts for so many intervals after the last exchange that succeeded, and at least for [`LEAST_FRESH`].
const INTERVALS: u32 = 2;

/// One exchange that Redis answers late is no reason to send everything to the replica that others fill: what they had a
/// second ago is closer to the truth than nothing.
const LEAST_FRESH: Duration = Duration::from_secs(1);

/// The load of all other sidecars together, as of the last exchange.
#[derive(Debug)]
pub(crate) struct Peers {
    fresh: Duration,
    seen: Mutex<Seen>,
}

#[derive(Debug, Default)]
struct Seen {
    /// Until when it counts.
    until: Option<Instant>,
    /// How many sidecars that are.
    count: usize,
    /// Of all gateways together.
    pools: BTreeMap<String, PoolShare>,
    /// Of each that says which it is.
    gateways: Shares,
}

impl Peers {
    /// Nobody has said anything yet; an exchange is made once in every `interval`.
    pub(crate) fn new(interval: Duration) -> Self {
        Self { fresh: LEAST_FRESH.max(interval * INTERVALS), seen: Mutex::default() }
    }

    /// Takes what each of the others says at `now`, those heard last first: of a gateway that several tell of, what the
    /// first says counts. That is so for a moment where a sidecar was started anew. They are asked again after `next`, or
    /// after an interval.
    pub(crate) fn take(&self, each: Vec<Shares>, now: Instant, next: Duration) {
        let until = Some(now + next + self.fresh);
        let mut seen = Seen { until, count: each.len(), ..Seen::default() };
        for (gateway, pools) in each.into_iter().flatten() {
            if seen.gateways.contains_key(&gateway) {
                continue;
            }
            for (name, share) in &pools {
                let pool = seen.pools.entry(name.clone()).or_default();
                for (address, load) in share {
                    pool.entry(address.clone()).or_default().add(*load);
                }
            }
            if !gateway.is_empty() {
                seen.gateways.insert(gateway, pools);
            }
        }
        *self.seen() = seen;
    }

    /// How many other sidecars are heard at `now`.
    pub(crate) fn count(&self, now: Instant) -> usize {
        let seen = self.seen();
        if seen.counts(now) { seen.count } else { 0 }
    }

    /// Adds what they have in flight in `pool` at `now` to `sums`, without what they say of the gateways `own`.
    pub(crate) fn add_to(
        &self,
        sums: &mut PoolShare,
        pool: &str,
        own: &BTreeSet<String>,
        now: Instant,
    ) {
        let seen = self.seen();
        if !seen.counts(now) {
            return;
        }
        let told_of_own: Vec<&PoolShare> =
            own.iter().filter_map(|gateway| seen.gateways.get(gateway)?.get(pool)).collect();
        for (address, load) in seen.pools.get(pool).into_iter().flatten() {
            let mut load = *load;
            told_of_own
                .iter()
                .filter_map(|share| share.get(address))
                .for_each(|one| load.subtract(*one));
            if load != Load::default() {
                sums.entry(address.clone()).or_default().add(load);
            }
        }
    }

    /// Nothing panics while it holds the lock, so a poisoned one is as good as any.
    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Seen {
    fn counts(&self, now: Instant) -> bool {
        self.until.is_some_and(|until| now <= until)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn says(gateway: &str, in_flight: u32) -> Shares {
        let load = Load { in_flight, prefill_tokens: 1, decode_tokens: 9 };
        let share = PoolShare::from([("10.0.0.1:80".to_owned(), load)]);
        Shares::from([(gateway.to_owned(), BTreeMap::from([("llama".to_owned(), share)]))])
    }

    fn sum(peers: &Peers, pool: &str, own: &[&str], now: Instant) -> (usize, Option<u32>) {
        let mut sums = PoolShare::new();
        let own = own.iter().map(|one| (*one).to_owned()).collect();
        peers.add_to(&mut sums, pool, &own, now);
        (sums.len(), sums.get("10.0.0.1:80").map(|load: &Load| load.in_flight))
    }

    #[test]
    fn what_others_say_is_added_up_for_two_intervals_and_for_a_second_at_least() {
        let start = Instant::now();
        let after = |ms| start + Duration::from_millis(ms);
        for (interval, fresh) in [(100, 1000), (500, 1000), (501, 1002), (2000, 4000)] {
            let peers = Peers::new(Duration::from_millis(interval));
            assert_eq!(peers.count(start), 0, "before anything was said");
            peers.take(
                vec![says("a", 2), says("", 3), says("", 4), BTreeMap::new()],
                start,
                Duration::ZERO,
            );
            assert_eq!(sum(&peers, "llama", &[], after(fresh)), (1, Some(9)), "{interval}");
            assert_eq!(sum(&peers, "llama", &[], after(fresh + 1)), (0, None), "{interval}");
            assert_eq!(sum(&peers, "qwen", &[], start), (0, None), "{interval}");
            assert_eq!((peers.count(after(fresh)), peers.count(after(fresh + 1))), (4, 0));
            peers.take(vec![says("a", 2)], start, Duration::from_secs(1));
            assert_eq!(
                (peers.count(after(fresh + 1000)), peers.count(after(fresh + 1001))),
                (1, 0)
            );
        }
    }

    #[test]
    fn a_gateway_counts_once_as_it_was_told_last_and_never_to_its_own_sidecar() {
        let (peers, now) = (Peers::new(Duration::from_millis(200)), Instant::now());
        // The sidecar of `a` was started anew: what the one before it said has not expired.
        peers.take(vec![says("a", 2), says("b", 4), says("a", 7)], now, Duration::ZERO);
        assert_eq!(sum(&peers, "llama", &["c"], now), (1, Some(6)));
        assert_eq!(sum(&peers, "llama", &["a"], now), (1, Some(4)));
        assert_eq!(sum(&peers, "llama", &["a", "b", ""], now), (0, None));
    }
}
