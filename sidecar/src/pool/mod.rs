//! One pool: its replicas as last seen, shared between roster, pollers, publisher and what is shown.

mod fit;
mod generation;
mod load;
mod member;
mod prediction;
mod replica;

use std::collections::{BTreeMap, HashMap};
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;
use tracing::{info, warn};
use weir_settings::sidecar::{MetricsSource, PoolSettings};
use weir_snapshot::limits::MAX_ENDPOINTS;
use weir_snapshot::{EndpointReport, EndpointState};

use crate::discover::Found;
use crate::durations::Durations;
use crate::gpu::{Inventory, Joined};
pub(crate) use fit::{fit_adapters, shorten_shares};
pub(crate) use load::PoolLoad;
pub(crate) use member::Member;
pub(crate) use replica::Replica;

use crate::scrape::{Page, PollError};
use crate::steady::Change;

/// For how long a replica that was taken away is shown as draining at least, so that every gateway has seen it so.
const LEAST_DRAIN: Duration = Duration::from_secs(2);

/// One pool.
#[derive(Debug)]
pub(crate) struct Pool {
    name: String,
    gpus: Arc<Inventory>,
    polled: bool,
    drain_timeout: Duration,
    seen: Mutex<Seen>,
}

#[derive(Debug, Default)]
struct Seen {
    members: Vec<Member>,
    /// Position of each.
    at: HashMap<SocketAddr, usize>,
    /// Whether all sources have said which replicas there are.
    settled: bool,
    durations: Durations,
}

/// What a new list of replicas has changed.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Changes {
    pub(crate) found: Vec<SocketAddr>,
    pub(crate) removed: Vec<SocketAddr>,
}

impl Pool {
    /// The pool of `settings`, before any replica is known but those of `previous`, whose history goes on.
    pub(crate) fn new(
        settings: &PoolSettings,
        gpus: &Arc<Inventory>,
        previous: Option<&Self>,
    ) -> Self {
        let polled = settings.metrics == MetricsSource::Poll;
        // Of a pool that is polled from now on, or no more, nothing that was known holds.
        let seen = previous.filter(|previous| previous.polled == polled).map(|it| it.seen());
        let mut seen = seen.map_or_else(Seen::default, |seen| Seen {
            members: seen.members.clone(),
            durations: seen.durations.clone(),
            ..Seen::default()
        });
        seen.reindex();
        Self {
            name: settings.name.clone(),
            gpus: Arc::clone(gpus),
            polled,
            drain_timeout: settings.drain_timeout,
            seen: Mutex::new(seen),
        }
    }

    /// Its name.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// Whether its replicas have pages.
    pub(crate) fn is_polled_at_all(&self) -> bool {
        self.polled
    }

    /// Takes the replicas that there are at `now`. One that is missing drains; unless the list is not `complete`,
    /// because a source has not said anything yet: then it may be one of those.
    pub(crate) fn reconcile(&self, listed: &[Found], complete: bool, now: Instant) -> Changes {
        let mut changes = Changes::default();
        let mut seen = self.seen();
        let mut before: HashMap<SocketAddr, Member> =
            seen.members.drain(..).map(|member| (member.socket(), member)).collect();
        for one in listed {
            let member = match before.remove(&one.address()) {
                Some(mut member) => {
                    member.update(one);
                    member
                }
                None => {
                    changes.found.push(one.address());
                    Member::new(one, self.polled)
                }
            };
            seen.members.push(member);
        }
        seen.settled |= complete;
        let mut leaving: Vec<Member> = before.into_values().collect();
        leaving.sort_unstable_by_key(Member::socket);
        for member in &mut leaving {
            if complete && member.replica.remove(now) {
                changes.removed.push(member.socket());
            }
        }
        seen.members.append(&mut leaving);
        seen.reindex();
        self.tell_inventory(&seen);
        changes
    }

    /// Forgets replicas that were taken away and have drained, or are dead, or were waited for long enough at `now`.
    /// `in_flight` is what all gateways have under way at one, if they say.
    pub(crate) fn reap(
        &self,
        now: Instant,
        in_flight: impl Fn(&str) -> Option<u32>,
    ) -> Vec<SocketAddr> {
        let mut seen = self.seen();
        let gone = |member: &Member| {
            let Some(since) = member.replica.removed_since() else { return false };
            let age = now.saturating_duration_since(since);
            age >= self.drain_timeout
                || member.replica.state() == EndpointState::Unreachable
                || age >= LEAST_DRAIN && in_flight(member.replica.address()) == Some(0)
        };
        let mut reaped = Vec::new();
        seen.members.retain(|member| {
            let gone = gone(member);
            if gone {
                reaped.push(member.socket());
            }
            !gone
        });
        if !reaped.is_empty() {
            seen.reindex();
            self.tell_inventory(&seen);
        }
        reaped
    }

    /// Takes the result of a poll of the replica at `address` that ended `now`, and logs what it changed.
    pub(crate) fn record(
        &self,
        address: SocketAddr,
        result: Result<Page, PollError>,
        now: Instant,
        took: Duration,
    ) {
        let mut seen = self.seen();
        seen.durations.add(took);
        let Some(Member { replica, .. }) = seen.member(address) else { return };
        let (change, restarted) = (replica.record(result, now), replica.take_restart());
        if change.is_none() && !restarted {
            return;
        }
        let endpoint = replica.address().to_owned();
        let reason = replica.reason().map(|reason| reason.into_owned());
        // Logging may block on a slow terminal: not while others wait for the lock.
        drop(seen);
        if restarted {
            info!(
                pool = self.name,
                endpoint, "replica was restarted, so its prefix cache is empty"
            );
        }
        if let Some(change) = change {
            log(&self.name, &endpoint, &change, reason.as_deref());
        }
    }

    /// True once all sources have said which replicas there are, and every one has been polled.
    pub(crate) fn is_polled(&self) -> bool {
        let seen = self.seen();
        seen.settled && seen.members.iter().all(|member| member.replica.is_polled())
    }

    /// Whether it is known which replicas there are, or at least of some.
    pub(crate) fn is_known(&self) -> bool {
        let seen = self.seen();
        seen.settled || !seen.members.is_empty()
    }

    /// What a snapshot says of each replica at `now`: of as many as one may name. Those that drain come last, so they are
    /// left out first.
    pub(crate) fn reports(&self, now: Instant) -> Vec<EndpointReport> {
        let seen = self.seen();
        let report = |member: &Member| {
            let mut report = member.report(now);
            self.gpus.joined(&member.wanted, now).load.fill(&mut report);
            report
        };
        seen.members.iter().take(MAX_ENDPOINTS).map(report).collect()
    }

    /// Lets `look` see the replicas, each with its GPUs at `now`.
    pub(crate) fn each(&self, now: Instant, mut look: impl FnMut(&Member, &Joined)) {
        for member in &self.seen().members {
            look(member, &self.gpus.joined(&member.wanted, now));
        }
    }

    /// Lets `look` see the replicas and the durations of their polls.
    pub(crate) fn inspect<T>(&self, look: impl FnOnce(&[Member], &Durations) -> T) -> T {
        let seen = self.seen();
        look(&seen.members, &seen.durations)
    }

    /// How many replicas on each host name no GPUs: of several, their host does not tell whose a GPU is.
    fn tell_inventory(&self, seen: &Seen) {
        let mut unnamed: BTreeMap<IpAddr, usize> = BTreeMap::new();
        for member in seen.members.iter().filter(|member| !member.wanted.names_gpus()) {
            *unnamed.entry(member.socket().ip()).or_default() += 1;
        }
        self.gpus.unnamed_of(&self.name, unnamed);
    }

    /// Nothing panics while it holds the lock, so a poisoned one is as good as any.
    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Seen {
    fn member(&mut self, address: SocketAddr) -> Option<&mut Member> {
        self.members.get_mut(*self.at.get(&address)?)
    }

    fn reindex(&mut self) {
        let addresses = self.members.iter().map(Member::socket);
        self.at = addresses.enumerate().map(|(at, address)| (address, at)).collect();
    }
}

fn log(pool: &str, endpoint: &str, change: &Change<EndpointState>, reason: Option<&str>) {
    let from = change.from.map(EndpointState::name);
    let to = change.to.name();
    match reason {
        None => info!(pool, endpoint, from, to, "replica changed state"),
        Some(reason) => warn!(pool, endpoint, from, to, reason, "replica changed state"),
    }
}

#[cfg(test)]
mod tests;
