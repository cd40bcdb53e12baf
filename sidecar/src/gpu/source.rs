//! One source of readings: a page, or NVML.

use std::net::IpAddr;

use tokio::time::Instant;
use tracing::{info, warn};

use super::reading::Reading;
use crate::scrape::{Outcome, PollError};
use crate::steady::Steady;

/// A source and what it last said.
#[derive(Clone, Debug)]
pub(crate) struct Source {
    /// For people: the URL without its query, or `nvml`.
    pub(crate) name: String,
    /// Whose GPUs it shows.
    pub(super) hosts: Vec<IpAddr>,
    pub(super) readings: Vec<Reading>,
    /// When it last said something.
    pub(super) at: Option<Instant>,
    /// Why it says nothing now.
    pub(super) reason: Option<String>,
    works: Steady<bool>,
    outcomes: [u64; Outcome::ALL.len()],
}

impl Source {
    pub(super) fn new(name: String, hosts: Vec<IpAddr>) -> Self {
        Self {
            name,
            hosts,
            readings: Vec::new(),
            at: None,
            reason: Some("not read yet".to_owned()),
            works: Steady::default(),
            outcomes: [0; Outcome::ALL.len()],
        }
    }

    /// Whether `other` is the same source, whatever it said.
    pub(super) fn is_same(&self, other: &Self) -> bool {
        (&self.name, &self.hosts) == (&other.name, &other.hosts)
    }

    /// Takes what a look brought.
    pub(super) fn record(&mut self, result: Result<Vec<Reading>, PollError>, now: Instant) {
        let outcome = result.as_ref().map_or_else(PollError::outcome, |_| Outcome::Ok);
        let slots = Outcome::ALL.iter().zip(&mut self.outcomes);
        for (_, count) in slots.filter(|(other, _)| **other == outcome) {
            *count = count.saturating_add(1);
        }
        match result {
            Ok(readings) => (self.readings, self.at, self.reason) = (readings, Some(now), None),
            Err(error) => self.reason = Some(error.to_string()),
        }
    }

    /// What has changed and is to be told of; told by [`Told::log`] where no lock is held.
    pub(super) fn told(&mut self) -> Option<Told> {
        self.works.observe(self.reason.is_none())?;
        Some(Told {
            source: self.name.clone(),
            gpus: self.readings.len(),
            reason: self.reason.clone(),
        })
    }

    /// Looks so far, by outcome.
    pub(crate) fn outcomes(&self) -> impl Iterator<Item = (Outcome, u64)> {
        Outcome::ALL.into_iter().zip(self.outcomes)
    }

    /// What it said, as long as it is not older than `oldest`.
    pub(super) fn fresh(&self, now: Instant, oldest: std::time::Duration) -> &[Reading] {
        match self.at {
            Some(at) if now.saturating_duration_since(at) <= oldest => &self.readings,
            _ => &[],
        }
    }
}

/// A source that works again, or doesn't any more.
pub(super) struct Told {
    source: String,
    gpus: usize,
    reason: Option<String>,
}

impl Told {
    pub(super) fn log(&self) {
        let Self { source, gpus, reason } = self;
        match reason {
            None => info!(source, gpus, "gpu: available"),
            Some(reason) => warn!(source, reason, "gpu: unavailable"),
        }
    }
}
