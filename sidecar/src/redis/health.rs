//! What is known of the way to Redis: counted, shown, and logged once a minute.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;
use tracing::{info, warn};

use super::error::Failure;
use crate::durations::Durations;

/// How often it is logged that Redis cannot be used.
const EVERY: Duration = Duration::from_secs(60);

/// Counts and state, which outlive the client when the configuration is read again.
#[derive(Debug, Default)]
pub(crate) struct Health(Mutex<HealthView>);

/// The same, as shown.
#[derive(Clone, Debug, Default)]
pub(crate) struct HealthView {
    /// Since when the last exchange was good; `None` if it was not.
    pub(crate) up_since: Option<Instant>,
    /// Why not.
    pub(crate) error: Option<String>,
    /// How long good exchanges took.
    pub(crate) round_trips: Durations,
    /// Connections that were made.
    pub(crate) connections: u64,
    /// Commands that were sent.
    pub(crate) commands: u64,
    failures: [u64; Failure::ALL.len()],
    /// When it was last logged that it cannot be used.
    told_at: Option<Instant>,
    /// Whether it was logged that it answers, since the last time that it was logged that it does not.
    told_state: bool,
}

impl Health {
    /// All of it.
    pub(crate) fn view(&self) -> HealthView {
        self.seen().clone()
    }

    /// Whether the last exchange was good.
    pub(crate) fn is_up(&self) -> bool {
        self.seen().up_since.is_some()
    }

    /// There is a connection.
    pub(super) fn connected(&self) {
        let mut seen = self.seen();
        seen.connections = seen.connections.saturating_add(1);
    }

    /// Commands are sent.
    pub(super) fn sent(&self, commands: usize) {
        let mut seen = self.seen();
        let commands = u64::try_from(commands).unwrap_or(u64::MAX);
        seen.commands = seen.commands.saturating_add(commands);
    }

    /// An exchange that took so long was good.
    pub(super) fn succeeded(&self, now: Instant, took: Duration) {
        let mut seen = self.seen();
        seen.round_trips.add(took);
        seen.error = None;
        if seen.up_since.is_some() {
            return;
        }
        seen.up_since = Some(now);
        let tell = !seen.told_state;
        seen.told_state = true;
        drop(seen);
        if tell {
            info!("redis answers: load is shared with the other sidecars");
        }
    }

    /// Counts a failure that says nothing about the way to Redis.
    pub(crate) fn count(&self, failure: Failure) {
        let mut seen = self.seen();
        let slots = Failure::ALL.iter().zip(&mut seen.failures);
        for (_, count) in slots.filter(|(other, _)| **other == failure) {
            *count = count.saturating_add(1);
        }
    }

    /// It cannot be used, for this reason.
    pub(super) fn failed(&self, failure: Failure, reason: String, now: Instant) {
        self.count(failure);
        let mut seen = self.seen();
        seen.up_since = None;
        seen.error = Some(reason.clone());
        // One that comes and goes is told of once a minute, too.
        if seen.told_at.is_some_and(|told| now.saturating_duration_since(told) < EVERY) {
            return;
        }
        (seen.told_at, seen.told_state) = (Some(now), false);
        drop(seen);
        let kind = failure.name();
        warn!(
            kind,
            reason,
            "redis cannot be used, so this sidecar goes on alone: see the server, and redis in the configuration"
        );
    }

    /// Nothing panics while it holds the lock, so a poisoned one is as good as any.
    fn seen(&self) -> MutexGuard<'_, HealthView> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl HealthView {
    /// Failures so far.
    pub(crate) fn failures(&self) -> impl Iterator<Item = (Failure, u64)> {
        Failure::ALL.into_iter().zip(self.failures)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_that_comes_and_goes_is_told_of_once_a_minute() {
        let (health, start) = (Health::default(), Instant::now());
        let at = |second| start + Duration::from_secs(second);
        let told = |second: u64| {
            health.failed(Failure::Connect, "refused".to_owned(), at(second));
            let view = health.view();
            assert_eq!((view.up_since, view.error.as_deref()), (None, Some("refused")));
            let told = view.told_at == Some(at(second));
            health.succeeded(at(second), Duration::from_millis(1));
            let view = health.view();
            assert_eq!((view.up_since, view.error), (Some(at(second)), None));
            told
        };
        assert_eq!([0, 1, 59, 60, 61].map(told), [true, false, false, true, false]);
        let view = health.view();
        assert_eq!(view.failures().next().map(|(_, count)| count), Some(5));
        assert_eq!(view.round_trips.count(), 5);
    }
}
