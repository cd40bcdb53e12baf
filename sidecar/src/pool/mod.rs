//! One pool: its replicas as last seen, shared between pollers, publisher and `/snapshot`.

mod fit;
mod replica;

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;
use tracing::{info, warn};
use weir_settings::sidecar::PoolSettings;
use weir_snapshot::{EndpointReport, EndpointState};

use crate::durations::Durations;
pub(crate) use fit::fit_adapters;
pub(crate) use replica::Replica;

use crate::scrape::{Page, PollError};
use crate::steady::Change;

/// One pool.
#[derive(Debug)]
pub(crate) struct Pool {
    name: String,
    size: usize,
    seen: Mutex<Seen>,
}

#[derive(Debug)]
struct Seen {
    replicas: Vec<Replica>,
    durations: Durations,
}

impl Pool {
    /// The pool of `settings`, before any poll.
    pub(crate) fn new(settings: &PoolSettings) -> Self {
        let replicas: Vec<Replica> =
            settings.endpoints.iter().map(|endpoint| Replica::new(endpoint.address)).collect();
        Self {
            name: settings.name.clone(),
            size: replicas.len(),
            seen: Mutex::new(Seen { replicas, durations: Durations::default() }),
        }
    }

    /// Its name.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// Number of replicas.
    pub(crate) fn len(&self) -> usize {
        self.size
    }

    /// Takes the result of a poll of replica `index` that ended `now`, and logs what it changed.
    pub(crate) fn record(
        &self,
        index: usize,
        result: Result<Page, PollError>,
        now: Instant,
        took: Duration,
    ) {
        let mut seen = self.seen();
        seen.durations.add(took);
        let Some(replica) = seen.replicas.get_mut(index) else { return };
        let Some(change) = replica.record(result, now) else { return };
        let endpoint = replica.address().to_owned();
        let reason = replica.reason().map(str::to_owned);
        // Logging may block on a slow terminal: not while others wait for the lock.
        drop(seen);
        log(&self.name, &endpoint, &change, reason.as_deref());
    }

    /// True once every replica has been polled.
    pub(crate) fn is_polled(&self) -> bool {
        self.seen().replicas.iter().all(Replica::is_polled)
    }

    /// What a snapshot says of each replica at `now`.
    pub(crate) fn reports(&self, now: Instant) -> Vec<EndpointReport> {
        self.seen().replicas.iter().map(|replica| replica.report(now)).collect()
    }

    /// Lets `look` see the replicas and the durations of their polls.
    pub(crate) fn inspect<T>(&self, look: impl FnOnce(&[Replica], &Durations) -> T) -> T {
        let seen = self.seen();
        look(&seen.replicas, &seen.durations)
    }

    /// Nothing panics while it holds the lock, so a poisoned one is as good as any.
    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
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
