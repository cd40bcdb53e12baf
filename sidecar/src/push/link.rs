//! What is known of one gateway's view of one pool.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;
use tracing::{error, info, warn};
use weir_snapshot::{Accepted, EndpointFeedback, SpendingSeen};

use super::error::{Outcome, PushError};
use super::mismatch::Mismatches;
use crate::durations::Durations;
use crate::spending::Spending;
use crate::steady::{Change, Steady};

/// A gateway that took nothing for this long is behind, however short the interval is.
const LEAST_FRESH: Duration = Duration::from_secs(2);

/// One gateway and one pool.
#[derive(Debug)]
pub(crate) struct Link {
    pool: String,
    fresh: Duration,
    mismatches: Arc<Mismatches>,
    spending: Arc<Spending>,
    status: Mutex<Status>,
}

/// How the pushes went.
#[derive(Clone, Debug, Default)]
pub(crate) struct Status {
    /// What the gateway wants pushes to be signed with, if it has said so.
    pub(super) challenge: Option<String>,
    /// Which Envoy it is, if it has said so: another sidecar may have told of the same one.
    envoy: Option<String>,
    /// The last push that was taken over.
    pub(crate) accepted: Option<AcceptedPush>,
    /// When the gateway last said that another sidecar pushes the pool.
    standby_at: Option<Instant>,
    /// Why the last push was not; `None` if it was.
    pub(crate) error: Option<String>,
    /// How long the pushes took.
    pub(crate) durations: Durations,
    /// Bytes of the bodies that were sent.
    pub(crate) bytes: u64,
    outcomes: [u64; Outcome::ALL.len()],
    states: Steady<Outcome>,
}

/// A push that was taken over.
#[derive(Clone, Debug)]
pub(crate) struct AcceptedPush {
    pub(crate) at: Instant,
    pub(crate) sequence: u64,
    /// What this gateway has sent to each endpoint.
    pub(crate) feedback: Vec<EndpointFeedback>,
}

impl Link {
    /// A link before its first push, or after those of `previous`.
    pub(crate) fn new(
        (pool, interval): (&str, Duration),
        push_timeout: Duration,
        (mismatches, spending): (&Arc<Mismatches>, &Arc<Spending>),
        previous: Option<&Self>,
    ) -> Self {
        Self {
            pool: pool.to_owned(),
            fresh: LEAST_FRESH.max(3 * interval + push_timeout),
            mismatches: Arc::clone(mismatches),
            spending: Arc::clone(spending),
            status: Mutex::new(previous.map(|it| it.status().clone()).unwrap_or_default()),
        }
    }

    /// The gateway as written in the configuration.
    pub(crate) fn gateway(&self) -> &str {
        self.mismatches.gateway()
    }

    /// Name of the pool.
    pub(crate) fn pool(&self) -> &str {
        &self.pool
    }

    /// What the gateway has told of spending.
    pub(crate) fn spending_seen(&self) -> SpendingSeen {
        self.spending.seen()
    }

    /// Takes the result of a push that ended `now`, and logs what it changed.
    pub(crate) fn record(
        &self,
        mut result: Result<Accepted, PushError>,
        now: Instant,
        took: Duration,
    ) {
        if let Ok(reply) = &mut result {
            self.mismatches.record(&self.pool, reply, now);
            reply.spending.take().into_iter().for_each(|told| self.spending.record(told));
        }
        let mut status = self.status();
        status.durations.add(took);
        let Some(change) = status.record(result, now) else { return };
        let reason = status.error.clone();
        drop(status);
        self.log(&change, reason.as_deref());
    }

    /// Counts a body that is sent.
    pub(super) fn count_bytes(&self, bytes: usize) {
        let mut status = self.status();
        status.bytes = status.bytes.saturating_add(u64::try_from(bytes).unwrap_or(u64::MAX));
    }

    fn log(&self, change: &Change<Outcome>, reason: Option<&str>) {
        let (gateway, pool) = (self.gateway(), self.pool());
        let (from, to) = (change.from.map(Outcome::name), change.to.name());
        match reason {
            None => info!(pool, gateway, from, to, "gateway takes snapshots"),
            Some(reason) if change.to == Outcome::Standby => {
                info!(pool, gateway, from, to, reason, "gateway has another sidecar for the pool");
            }
            Some(reason) if [Outcome::OutOfOrder, Outcome::Version].contains(&change.to) => {
                error!(pool, gateway, from, to, reason, "gateway keeps another view of the pool");
            }
            Some(reason) => warn!(pool, gateway, from, to, reason, "gateway takes no snapshots"),
        }
    }

    /// Why this gateway is behind at `now`; `None` if it isn't.
    pub(crate) fn behind(&self, now: Instant) -> Option<String> {
        let status = self.status();
        let fresh = |at: Instant| now.saturating_duration_since(at) <= self.fresh;
        // Another sidecar's view is as good.
        if status.standby_at.is_some_and(fresh) {
            return None;
        }
        let cause = match &status.accepted {
            Some(accepted) if fresh(accepted.at) => return None,
            Some(accepted) => {
                let age = now.saturating_duration_since(accepted.at);
                format!("last snapshot taken {} ms ago, at most {}", age.as_millis(), self.limit())
            }
            None => "no snapshot taken yet".to_owned(),
        };
        Some(match &status.error {
            Some(error) => format!("{cause}: {error}"),
            None => cause,
        })
    }

    fn limit(&self) -> u128 {
        self.fresh.as_millis()
    }

    /// What the gateway has under way at each replica, if it said so lately.
    pub(super) fn in_flight<T>(
        &self,
        now: Instant,
        look: impl FnOnce(&[EndpointFeedback]) -> T,
    ) -> Option<T> {
        let status = self.status();
        let accepted = status.accepted.as_ref()?;
        let fresh = now.saturating_duration_since(accepted.at) <= self.fresh;
        fresh.then(|| look(&accepted.feedback))
    }

    /// What to sign the next push with.
    pub(super) fn challenge(&self) -> Option<String> {
        self.status().challenge.clone()
    }

    /// What the gateway wants pushes to be signed with from now on.
    pub(super) fn set_challenge(&self, challenge: String) {
        self.status().challenge = Some(challenge);
    }

    /// Which Envoy the gateway says to be; empty if it has not said so.
    pub(super) fn envoy(&self) -> String {
        self.status().envoy.clone().unwrap_or_default()
    }

    /// Takes what the gateway says to be.
    pub(super) fn set_envoy(&self, envoy: String) {
        self.status().envoy = Some(envoy);
    }

    /// How long a view stays good: a sidecar that pushed nothing for this long is silent.
    pub(crate) fn fresh(&self) -> Duration {
        self.fresh
    }

    /// Lets `look` see how the pushes went.
    pub(crate) fn inspect<T>(&self, look: impl FnOnce(&Status) -> T) -> T {
        look(&self.status())
    }

    /// Nothing panics while it holds the lock, so a poisoned one is as good as any.
    fn status(&self) -> MutexGuard<'_, Status> {
        self.status.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Status {
    fn record(
        &mut self,
        result: Result<Accepted, PushError>,
        now: Instant,
    ) -> Option<Change<Outcome>> {
        let outcome = match result {
            Ok(Accepted { sequence, endpoints, .. }) => {
                self.accepted = Some(AcceptedPush { at: now, sequence, feedback: endpoints });
                (self.error, self.standby_at) = (None, None);
                Outcome::Accepted
            }
            Err(error) => {
                if matches!(error, PushError::Standby { .. }) {
                    self.standby_at = Some(now);
                }
                self.error = Some(error.to_string());
                error.outcome()
            }
        };
        let slots = Outcome::ALL.iter().zip(&mut self.outcomes);
        for (_, count) in slots.filter(|(other, _)| **other == outcome) {
            *count = count.saturating_add(1);
        }
        self.states.observe(outcome)
    }

    /// Pushes so far, by outcome.
    pub(crate) fn outcomes(&self) -> impl Iterator<Item = (Outcome, u64)> {
        Outcome::ALL.into_iter().zip(self.outcomes)
    }
}

#[cfg(test)]
mod tests;
