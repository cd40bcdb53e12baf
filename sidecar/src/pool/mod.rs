//! One pool: its replicas as last seen, shared between pollers, publisher and `/snapshot`.

mod fit;
mod generation;
mod replica;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;
use tracing::{info, warn};
use weir_settings::sidecar::{MetricsSource, PoolSettings};
use weir_snapshot::{EndpointReport, EndpointState};

use crate::durations::Durations;
use crate::gpu::{Inventory, Joined, Wanted};
pub(crate) use fit::fit_adapters;
pub(crate) use replica::Replica;

use crate::scrape::{Page, PollError};
use crate::steady::Change;

/// One pool.
#[derive(Debug)]
pub(crate) struct Pool {
    name: String,
    /// The GPUs of each replica.
    gpus: (Arc<Inventory>, Vec<Wanted>),
    seen: Mutex<Seen>,
}

#[derive(Debug)]
struct Seen {
    replicas: Vec<Replica>,
    durations: Durations,
}

impl Pool {
    /// The pool of `settings`, before any poll.
    pub(crate) fn new(settings: &PoolSettings, gpus: &Arc<Inventory>) -> Self {
        let replica = match settings.metrics {
            MetricsSource::Poll => Replica::new,
            MetricsSource::None => Replica::unpolled,
        };
        let replicas: Vec<Replica> =
            settings.endpoints.iter().map(|endpoint| replica(endpoint.address)).collect();
        Self {
            name: settings.name.clone(),
            gpus: (Arc::clone(gpus), settings.endpoints.iter().map(Wanted::of).collect()),
            seen: Mutex::new(Seen { replicas, durations: Durations::default() }),
        }
    }

    /// Its name.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// Number of replicas.
    pub(crate) fn len(&self) -> usize {
        self.gpus.1.len()
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
        let (change, restarted) = (replica.record(result, now), replica.take_restart());
        if change.is_none() && !restarted {
            return;
        }
        let endpoint = replica.address().to_owned();
        let reason = replica.reason().map(str::to_owned);
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

    /// True once every replica has been polled.
    pub(crate) fn is_polled(&self) -> bool {
        self.seen().replicas.iter().all(Replica::is_polled)
    }

    /// What a snapshot says of each replica at `now`.
    pub(crate) fn reports(&self, now: Instant) -> Vec<EndpointReport> {
        let mut reports: Vec<EndpointReport> =
            self.seen().replicas.iter().map(|replica| replica.report(now)).collect();
        for (report, joined) in reports.iter_mut().zip(self.gpus(now)) {
            joined.load.fill(report);
        }
        reports
    }

    /// What is known at `now` of each replica's GPUs.
    pub(crate) fn gpus(&self, now: Instant) -> impl Iterator<Item = Joined> {
        self.gpus.1.iter().map(move |wanted| self.gpus.0.joined(wanted, now))
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
