//! All gateways that there are now, and what they say.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::time::Instant;

use super::link::Link;
use super::mismatch::Mismatches;
use crate::peers::{Peers, PoolShare, Shares};

/// Every gateway with every pool.
#[derive(Debug, Default)]
pub(crate) struct Gateways {
    seen: Mutex<Seen>,
    /// What gateways of other sidecars have under way, if that is shared.
    peers: Option<Arc<Peers>>,
}

#[derive(Debug, Default)]
struct Seen {
    links: Vec<Arc<Link>>,
    mismatches: Vec<Arc<Mismatches>>,
}

impl Gateways {
    /// No gateway is known yet; those of other sidecars are in `peers`.
    pub(crate) fn new(peers: Option<Arc<Peers>>) -> Self {
        Self { seen: Mutex::default(), peers }
    }

    /// The other sidecars, if anything is shared with them.
    pub(crate) fn peers(&self) -> Option<&Arc<Peers>> {
        self.peers.as_ref()
    }

    /// Every gateway with every pool.
    pub(crate) fn links(&self) -> Vec<Arc<Link>> {
        self.seen().links.clone()
    }

    /// What does not fit, by gateway.
    pub(crate) fn mismatches(&self) -> Vec<Arc<Mismatches>> {
        self.seen().mismatches.clone()
    }

    /// A gateway that was found, with its links to all pools.
    pub(super) fn add(&self, mismatches: Arc<Mismatches>, links: &[Arc<Link>]) {
        let mut seen = self.seen();
        seen.mismatches.push(mismatches);
        seen.links.extend_from_slice(links);
    }

    /// A gateway that is gone.
    pub(super) fn remove(&self, gateway: &str) {
        let mut seen = self.seen();
        seen.mismatches.retain(|other| other.gateway() != gateway);
        seen.links.retain(|link| link.gateway() != gateway);
    }

    /// The link of a gateway and a pool, if there is one.
    pub(super) fn link(&self, gateway: &str, pool: &str) -> Option<Arc<Link>> {
        let seen = self.seen();
        let mut links = seen.links.iter();
        links.find(|link| (link.gateway(), link.pool()) == (gateway, pool)).cloned()
    }

    /// What is known of one gateway and does not fit.
    pub(super) fn mismatches_of(&self, gateway: &str) -> Option<Arc<Mismatches>> {
        self.seen().mismatches.iter().find(|it| it.gateway() == gateway).cloned()
    }

    /// Requests that all gateways have under way in a pool, by replica: 0 at those that are missing. `None` unless each gateway
    /// has said so lately.
    pub(crate) fn in_flight_in(&self, pool: &str) -> Option<BTreeMap<String, u32>> {
        let now = Instant::now();
        let links = self.links();
        let mut links = links.iter().filter(|link| link.pool() == pool).peekable();
        links.peek()?;
        links.try_fold(BTreeMap::new(), |mut sums, link| {
            link.in_flight(now, |all| {
                for one in all.iter().filter(|one| one.in_flight > 0) {
                    let sum: &mut u32 = sums.entry(one.address.clone()).or_default();
                    *sum = sum.saturating_add(one.in_flight);
                }
            })?;
            Some(sums)
        })
    }

    /// What gateways other than `gateway` have under way, by replica, those of other sidecars too. Empty if that is
    /// nothing.
    pub(super) fn elsewhere(&self, pool: &str, gateway: &str, now: Instant) -> PoolShare {
        let links = self.links();
        let mut sums = PoolShare::new();
        let others = links.iter().filter(|link| link.pool() == pool && link.gateway() != gateway);
        others.for_each(|link| add(&mut sums, link, now));
        // What another sidecar says of a gateway that is one of ours is what ours has said before it was started anew. A
        // gateway that has not said yet which it is may be one of those.
        let known = links.iter().any(|link| {
            (link.pool(), link.gateway()) == (pool, gateway)
                && link.inspect(|status| status.accepted.is_some())
        });
        if let Some(peers) = self.peers.as_ref().filter(|_| known) {
            let own: BTreeSet<String> = links.iter().map(|link| link.envoy()).collect();
            peers.add_to(&mut sums, pool, &own, now);
        }
        sums
    }

    /// What each gateway has under way, by pool and replica, as far as it said so lately. Those that do not say which they
    /// are share the empty name.
    pub(crate) fn in_flight(&self, now: Instant) -> Shares {
        let mut shares = Shares::new();
        for link in self.links() {
            if link.in_flight(now, |_| ()).is_some() {
                let pools = shares.entry(link.envoy()).or_default();
                add(pools.entry(link.pool().to_owned()).or_default(), &link, now);
            }
        }
        shares
    }

    /// Nothing panics while it holds the lock, so a poisoned one is as good as any.
    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Adds what one gateway has under way.
fn add(sums: &mut PoolShare, link: &Link, now: Instant) {
    link.in_flight(now, |all| {
        for one in all.iter().filter(|one| one.in_flight > 0) {
            sums.entry(one.address.clone()).or_default().add_feedback(one);
        }
    });
}
