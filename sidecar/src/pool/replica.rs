//! What is known of one replica: its last good metrics and whether it can be used.

use std::borrow::Cow;
use std::net::SocketAddr;
use std::time::{SystemTime, UNIX_EPOCH};

use tokio::time::Instant;
use weir_snapshot::{EndpointReport, EndpointState};

use super::generation::Generation;
use super::prediction::Prediction;
use crate::scrape::{Metrics, Outcome, Page, PollError, Severity};
use crate::steady::{Change, Steady};

/// Polls in a row that fail before a replica that may only be overloaded counts as gone.
const FAILURES_UNTIL_UNREACHABLE: u32 = 3;

/// Whether a replica is to get requests, as far as those know who list replicas.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Standing {
    Serving,
    /// Its readiness probe fails.
    NotReady,
    /// It is being ended.
    Terminating,
    /// No source lists it any more.
    Removed {
        since: Instant,
    },
}

/// One replica.
#[derive(Clone, Debug)]
pub(crate) struct Replica {
    address: String,
    standing: Standing,
    /// What polls say.
    state: EndpointState,
    prediction: Prediction,
    /// Why the state is not `ready`, for people.
    reason: Option<String>,
    last_good: Option<LastGoodPoll>,
    /// Failed polls since the last good one.
    failures: u32,
    /// Whether nothing is to be waited for.
    never_polled: bool,
    states: Steady<EndpointState>,
    generation: Generation,
    /// A restart that nobody has been told of.
    untold_restart: bool,
    outcomes: [u64; Outcome::ALL.len()],
}

/// What the last good poll said, and when it ended.
#[derive(Clone, Debug)]
struct LastGoodPoll {
    metrics: Metrics,
    at: Instant,
}

impl Replica {
    /// A replica that has not been polled: nothing speaks against it but that nothing is known.
    pub(crate) fn new(address: SocketAddr) -> Self {
        Self {
            address: address.to_string(),
            standing: Standing::Serving,
            prediction: Prediction::default(),
            state: EndpointState::Degraded,
            reason: Some("not polled yet".to_owned()),
            last_good: None,
            failures: 0,
            never_polled: false,
            states: Steady::default(),
            generation: Generation::default(),
            untold_restart: false,
            outcomes: [0; Outcome::ALL.len()],
        }
    }

    /// A replica without metrics: it is what a gateway sees of it.
    pub(crate) fn unpolled(address: SocketAddr) -> Self {
        let never_polled = true;
        Self { state: EndpointState::Ready, reason: None, never_polled, ..Self::new(address) }
    }

    /// Takes the result of a poll that ended `now`; returns a change of state to tell of.
    pub(crate) fn record(
        &mut self,
        result: Result<Page, PollError>,
        now: Instant,
    ) -> Option<Change<EndpointState>> {
        match result {
            Ok(page) => self.record_page(page, now),
            Err(error) => self.record_error(&error),
        }
        self.states.observe(self.state)
    }

    fn record_page(&mut self, Page { metrics, life, flaw }: Page, now: Instant) {
        self.count(Outcome::of_page(flaw.as_ref()));
        self.untold_restart |= self.generation.observe(life, now, unix_s());
        self.failures = 0;
        self.prediction.observe(metrics.first_tokens, now);
        self.last_good = Some(LastGoodPoll { metrics, at: now });
        match flaw {
            None => self.enter(EndpointState::Ready, None),
            Some(flaw) => self.enter(EndpointState::Degraded, Some(flaw.to_string())),
        }
    }

    fn record_error(&mut self, error: &PollError) {
        self.count(error.outcome());
        self.failures = self.failures.saturating_add(1);
        let state = match error.severity() {
            Severity::Gone => EndpointState::Unreachable,
            Severity::Failing if self.failures >= FAILURES_UNTIL_UNREACHABLE => {
                EndpointState::Unreachable
            }
            // One late answer does not bring back what was gone.
            Severity::Failing if self.state == EndpointState::Unreachable => self.state,
            Severity::Failing | Severity::Blind => EndpointState::Degraded,
        };
        self.enter(state, Some(error.to_string()));
    }

    fn enter(&mut self, state: EndpointState, reason: Option<String>) {
        self.state = state;
        self.reason = reason;
    }

    fn count(&mut self, outcome: Outcome) {
        let slots = Outcome::ALL.iter().zip(&mut self.outcomes);
        for (_, count) in slots.filter(|(other, _)| **other == outcome) {
            *count = count.saturating_add(1);
        }
    }

    /// Takes what its source says of it.
    pub(super) fn stand(&mut self, standing: Standing) {
        self.standing = standing;
    }

    /// No source lists it any more since `now`; false if that was known.
    pub(super) fn remove(&mut self, now: Instant) -> bool {
        let removed = self.removed_since().is_none();
        if removed {
            self.standing = Standing::Removed { since: now };
        }
        removed
    }

    /// Since when no source lists it any more.
    pub(super) fn removed_since(&self) -> Option<Instant> {
        match self.standing {
            Standing::Removed { since } => Some(since),
            _ => None,
        }
    }

    /// Seconds until the first token of the next request, if they can be told.
    pub(crate) fn predicted_ttft(&self) -> Option<f64> {
        let waiting = self.last_good.as_ref().and_then(|good| good.metrics.waiting);
        self.prediction.seconds(waiting)
    }

    /// What the snapshot says of it at `now`.
    pub(crate) fn report(&self, now: Instant) -> EndpointReport {
        let mut report = EndpointReport::new(self.address.clone(), self.state());
        report.generation = self.generation.number();
        report.generation_age_ms = self.generation.age_ms(now);
        if let Some(LastGoodPoll { metrics, at }) = &self.last_good {
            let age = now.saturating_duration_since(*at).as_millis();
            report.age_ms = Some(u64::try_from(age).unwrap_or(u64::MAX));
            metrics.fill(&mut report);
        }
        report
    }

    /// `ip:port`.
    pub(crate) fn address(&self) -> &str {
        &self.address
    }

    /// True once a poll has ended, well or not.
    pub(crate) fn is_polled(&self) -> bool {
        self.never_polled || self.states.current().is_some()
    }

    /// Why it is not `ready`, or is only taken to be, for people.
    pub(crate) fn reason(&self) -> Option<Cow<'_, str>> {
        let standing = match self.standing {
            Standing::Serving if self.never_polled => {
                return Some(
                    "it is not polled (metrics: none): gateways see for themselves".into(),
                );
            }
            Standing::Serving => return self.reason.as_deref().map(Cow::Borrowed),
            Standing::NotReady => "its readiness probe fails",
            Standing::Terminating => "it is being ended",
            Standing::Removed { .. } => "it was taken away",
        };
        Some(match &self.reason {
            Some(reason) => format!("{standing}; {reason}").into(),
            None => standing.into(),
        })
    }

    /// Its state: draining, unless it is already dead, where it is not to get requests.
    pub(crate) fn state(&self) -> EndpointState {
        match self.standing {
            Standing::Serving => self.state,
            _ => self.state.max(EndpointState::Draining),
        }
    }

    /// Whether there is a restart to tell of, once each.
    pub(crate) fn take_restart(&mut self) -> bool {
        std::mem::take(&mut self.untold_restart)
    }

    /// Restarts that were seen.
    pub(crate) fn restarts(&self) -> u64 {
        self.generation.restarts()
    }

    /// Polls so far, by outcome.
    pub(crate) fn outcomes(&self) -> impl Iterator<Item = (Outcome, u64)> {
        Outcome::ALL.into_iter().zip(self.outcomes)
    }
}

/// Seconds since 1970; 0 where the clock is set before that.
fn unix_s() -> u32 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u32::try_from(since.as_secs()).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests;
