//! All gateways that there are now, and what they say.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::time::Instant;
use weir_snapshot::EndpointFeedback;

use super::link::Link;
use super::mismatch::Mismatches;

/// What other gateways have under way at one replica.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Elsewhere {
    pub(super) in_flight: u32,
    pub(super) prefill_tokens: u32,
    pub(super) decode_tokens: u32,
}

impl Elsewhere {
    fn add(&mut self, one: &EndpointFeedback) {
        self.in_flight = self.in_flight.saturating_add(one.in_flight);
        self.prefill_tokens = self.prefill_tokens.saturating_add(one.prefill_tokens);
        self.decode_tokens = self.decode_tokens.saturating_add(one.decode_tokens);
    }
}

/// Every gateway with every pool.
#[derive(Debug, Default)]
pub(crate) struct Gateways {
    seen: Mutex<Seen>,
}

#[derive(Debug, Default)]
struct Seen {
    links: Vec<Arc<Link>>,
    mismatches: Vec<Arc<Mismatches>>,
}

impl Gateways {
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

    /// Requests that all gateways have under way at a replica; `None` unless each has said so lately.
    pub(crate) fn in_flight(&self, pool: &str, address: &str) -> Option<u32> {
        let now = Instant::now();
        let links = self.links();
        let mut links = links.iter().filter(|link| link.pool() == pool).peekable();
        links.peek()?;
        links.try_fold(0_u32, |sum, link| {
            let own = link.in_flight(now, |all| {
                let mut at = all.iter().filter(|one| one.address == address);
                at.next().map_or(0, |one| one.in_flight)
            })?;
            Some(sum.saturating_add(own))
        })
    }

    /// What gateways other than `gateway` have under way, by replica. Empty if that is nothing.
    pub(super) fn elsewhere(
        &self,
        pool: &str,
        gateway: &str,
        now: Instant,
    ) -> HashMap<String, Elsewhere> {
        let mut sums: HashMap<String, Elsewhere> = HashMap::new();
        let links = self.links();
        let others = links.iter().filter(|link| link.pool() == pool && link.gateway() != gateway);
        for link in others {
            link.in_flight(now, |all| {
                for one in all.iter().filter(|one| one.in_flight > 0) {
                    sums.entry(one.address.clone()).or_default().add(one);
                }
            });
        }
        sums
    }

    /// Nothing panics while it holds the lock, so a poisoned one is as good as any.
    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
