//! What Redis has of limits, and what it has done.

use std::collections::{BTreeMap, BTreeSet};

use weir_harness::Redis;

use crate::failure::Failure;

/// The keys of limits that there were at a moment.
pub(crate) struct LeaseKeys(BTreeSet<String>);

impl LeaseKeys {
    /// Those that there are now.
    ///
    /// # Errors
    /// When Redis does not answer.
    pub(crate) async fn of(redis: &Redis) -> Result<Self, Failure> {
        Ok(Self(redis.ask("KEYS weir:lease:*").await?.into_iter().collect()))
    }

    /// Tokens that are charged to keys that came later.
    ///
    /// # Errors
    /// When Redis does not answer.
    pub(crate) async fn new_debt(&self, redis: &Redis) -> Result<f64, Failure> {
        let mut debt = 0.0;
        for key in Self::of(redis).await?.0.difference(&self.0) {
            let bucket = redis.ask(&format!("HGET {key} bucket")).await?;
            let units = bucket.first().and_then(|text| text.split(' ').next()?.parse::<f64>().ok());
            debt += units.unwrap_or_default() / 1_000.0;
        }
        Ok(debt)
    }
}

/// What a server has done since it started.
#[derive(Debug, Clone, Default)]
pub(crate) struct Done(BTreeMap<String, String>);

impl Done {
    /// As the server says now.
    ///
    /// # Errors
    /// When Redis does not answer.
    pub(crate) async fn of(redis: &Redis) -> Result<Self, Failure> {
        let mut lines = redis.ask("INFO all").await?;
        lines.extend(redis.ask("INFO commandstats").await?);
        let pair = |line: String| line.split_once(':').map(|(a, b)| (a.to_owned(), b.to_owned()));
        Ok(Self(lines.into_iter().filter_map(pair).collect()))
    }

    /// Commands, those within scripts included.
    pub(crate) fn commands(&self) -> f64 {
        self.number("total_commands_processed")
    }

    /// Scripts that were run by their hash.
    pub(crate) fn scripts(&self) -> f64 {
        let stats = self.0.get("cmdstat_evalsha").and_then(|text| text.strip_prefix("calls="));
        stats.and_then(|text| text.split(',').next()?.parse().ok()).unwrap_or_default()
    }

    /// Seconds of processor time.
    pub(crate) fn cpu_s(&self) -> f64 {
        self.number("used_cpu_sys") + self.number("used_cpu_user")
    }

    fn number(&self, name: &str) -> f64 {
        self.0.get(name).and_then(|text| text.trim().parse().ok()).unwrap_or_default()
    }
}
