//! Configuration of `model-router`.

use std::collections::BTreeMap;
use std::rc::Rc;

use serde::Deserialize;

use crate::trust::Trust;
use crate::{Policies, SettingsError, located, plugin};

mod entries;
mod model;
mod saturated;
mod split;

use entries::Entries;
use model::Model;
pub use model::{FILTERS, ModelPolicy, RawModel, Target};
pub use saturated::{
    Instead, RawReply, RawWhenSaturated, SaturatedReply, Thresholds, WhenSaturated,
};
pub use split::{
    Canary, MAX_FAILURES, MAX_SHARES, RawCanary, RawShare, RawSplit, Share, Split, SplitBy,
};

/// Largest accepted request body unless a policy says otherwise, in bytes (16 MiB).
///
/// Envoy's own limit (1 MiB unless the route's `request_body_buffer_limit` is raised) applies
/// first.
pub const DEFAULT_MAX_BODY_BYTES: u64 = 16 * 1024 * 1024;

/// One policy as written.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RawPolicy {
    /// The models that clients may name, in any order.
    pub models: Vec<RawModel>,
    /// Model of a request that names none; without it such a request is refused.
    #[serde(default)]
    pub default_model: Option<String>,
    /// Largest accepted request body in bytes.
    #[serde(default = "default_max_body_bytes")]
    pub max_body_bytes: u64,
    /// Whether paths that are no known API pass untouched (`pass`) or get a 404 (`reject`).
    #[serde(default)]
    pub unknown_path: UnknownPath,
    /// True to ask replicas for the usage of streams (`stream_options.include_usage`) where the
    /// client did not; clients then see one more event at the end.
    #[serde(default)]
    pub request_usage: bool,
    /// True to tell clients in `x-weir-degraded` what serves them in place of a saturated pool.
    #[serde(default)]
    pub show_degraded: bool,
}

fn default_max_body_bytes() -> u64 {
    DEFAULT_MAX_BODY_BYTES
}

/// What happens to a path that is no known inference API.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum UnknownPath {
    /// Leave it to the route.
    #[default]
    Pass,
    /// Answer 404.
    Reject,
}

/// One compiled policy.
#[derive(Debug)]
pub struct RouterPolicy {
    exact: BTreeMap<String, Model>,
    /// Longest prefix first.
    prefixes: Vec<(String, Model)>,
    asks_consumer: bool,
    /// Model of a request that names none.
    pub default_model: Option<String>,
    /// Largest accepted request body in bytes.
    pub max_body_bytes: u64,
    /// What happens to unknown paths.
    pub unknown_path: UnknownPath,
    /// Whether to ask replicas for the usage of streams.
    pub request_usage: bool,
    /// Whether clients are told what serves them in place of a saturated pool.
    pub show_degraded: bool,
}

/// The whole configuration of `model-router`.
#[derive(Debug)]
pub struct RouterSettings {
    /// Its policies.
    pub policies: Policies<RouterPolicy>,
    /// What something before Weir vouches for.
    pub trust: Trust,
    /// Bytes of bodies that all streams of a worker may hold while they are read.
    pub max_held_bytes: u64,
}

/// Bytes of bodies that the streams of a worker hold unless it is said otherwise: 512 MiB, 32 of the longest.
pub const DEFAULT_MAX_HELD_BYTES: u64 = 512 << 20;

impl RouterSettings {
    /// Reads `policies`, `routes`, `trust` and `max_held_bytes`.
    ///
    /// # Errors
    /// See [`Policies::from_json`] and [`Trust::compile`]; also an empty or double model name, an empty
    /// pool, an adapter without `base_model`, a `*` anywhere but at the end, a default model that is
    /// not listed, what is to be done while a pool is saturated and cannot be, or models for certain consumers where nothing says who the consumer is.
    pub fn from_json(json: &[u8]) -> Result<Self, SettingsError> {
        let mut members = plugin::members(json)?;
        let trust = members.remove("trust").filter(|written| !written.is_null());
        let trust = match trust {
            Some(written) => Trust::compile("trust", located::read("trust", written)?)?,
            None => Trust::default(),
        };
        let max_held_bytes = match members.remove("max_held_bytes") {
            Some(written) => located::read("max_held_bytes", written)?,
            None => DEFAULT_MAX_HELD_BYTES,
        };
        let policies = Policies::from_members(members, |field, written| {
            RouterPolicy::compile(field, located::read(field, written)?, &trust)
        })?;
        Ok(Self { policies, trust, max_held_bytes })
    }
}

/// A model's entry, which stands `at` this place of the list.
fn compile_model(
    field: &str,
    (at, mut raw): (usize, RawModel),
    entries: &Entries,
    trust: &Trust,
) -> Result<Model, SettingsError> {
    let rule = raw.when_saturated.take();
    if rule.is_some() && raw.split.is_some() {
        let problem = "stands in the entries that `split` names, not beside it";
        return Err(SettingsError::misfit(format!("{field}.when_saturated"), problem));
    }
    let mut model = Model::compile(field, raw)?;
    if let Some(rule) = rule {
        let field = format!("{field}.when_saturated");
        model.when_saturated = Some(Rc::new(entries.compile(&field, at, rule)?));
    }
    if model.is_restricted() && trust.consumer.is_empty() {
        let problem = "needs `trust.consumer`, which says who the consumer is";
        return Err(SettingsError::misfit(format!("{field}.consumers"), problem));
    }
    Ok(model)
}

impl RouterPolicy {
    /// The pools that its models name, each as often as it is named.
    pub fn pools(&self) -> impl Iterator<Item = &str> {
        let prefixes = self.prefixes.iter().map(|(_, model)| model);
        self.exact.values().chain(prefixes).filter_map(Model::pool)
    }

    /// The splits of its models, each with the name of its entry.
    pub fn splits(&self) -> impl Iterator<Item = (&str, &Split)> {
        let exact = self.exact.iter().map(|(name, model)| (name.as_str(), model));
        let prefixes = self.prefixes.iter().map(|(name, model)| (name.as_str(), model));
        exact.chain(prefixes).filter_map(|(name, model)| Some((name, model.split()?)))
    }

    /// The split of `model`, if its requests are split.
    pub fn split(&self, model: &str) -> Option<&Split> {
        self.entry(model).and_then(|(entry, _)| entry.split())
    }

    /// What its models do while their pools are saturated, each with the pool.
    pub fn degradations(&self) -> impl Iterator<Item = (&str, &WhenSaturated)> {
        let prefixes = self.prefixes.iter().map(|(_, model)| model);
        let models = self.exact.values().chain(prefixes);
        models.filter_map(|model| Some((model.pool()?, model.when_saturated.as_deref()?)))
    }

    fn compile(field: &str, raw: RawPolicy, trust: &Trust) -> Result<Self, SettingsError> {
        let mut exact = BTreeMap::new();
        let mut prefixes: Vec<(String, Model)> = Vec::new();
        let entries = Entries::of(&raw.models);
        for (at, model) in raw.models.into_iter().enumerate() {
            let field = format!("{field}.models[{at}]");
            let name = model.name.clone();
            let model = compile_model(&field, (at, model), &entries, trust)?;
            let doubled = match name.strip_suffix('*') {
                Some(prefix) => {
                    let doubled = prefixes.iter().any(|(other, _)| other == prefix);
                    // Kept in order: a sort of its own would be 10 KB of the module.
                    let longer = |(other, _): &(String, Model)| other.len() >= prefix.len();
                    prefixes.insert(prefixes.partition_point(longer), (prefix.to_owned(), model));
                    doubled
                }
                None => exact.insert(name.clone(), model).is_some(),
            };
            if doubled {
                return Err(SettingsError::invalid(format!("{field}.name"), name, "stands twice"));
            }
        }
        if raw.max_body_bytes == 0 {
            let field = format!("{field}.max_body_bytes");
            return Err(SettingsError::invalid(field, 0, "must be at least 1"));
        }
        let mut policy = Self {
            exact,
            prefixes,
            asks_consumer: false,
            default_model: raw.default_model,
            max_body_bytes: raw.max_body_bytes,
            unknown_path: raw.unknown_path,
            request_usage: raw.request_usage,
            show_degraded: raw.show_degraded,
        };
        policy.check_default(field)?;
        policy.check_splits(field)?;
        policy.asks_consumer = policy.is_restricted()
            || policy.splits().any(|(_, split)| split.by == SplitBy::Consumer);
        Ok(policy)
    }

    /// Every share is an entry with a pool.
    fn check_splits(&self, field: &str) -> Result<(), SettingsError> {
        for (name, split) in self.splits() {
            for share in &split.shares {
                let problem = match self.entry(&share.model) {
                    None => "matches none of the policy's models",
                    Some((entry, _)) if entry.split().is_some() => "is split itself",
                    Some(_) => continue,
                };
                let field = format!("{field}.models: the split of {name:?}");
                return Err(SettingsError::invalid(field, format!("{:?}", share.model), problem));
            }
        }
        Ok(())
    }

    fn check_default(&self, field: &str) -> Result<(), SettingsError> {
        match &self.default_model {
            Some(name) if self.resolve(name).is_none() => Err(SettingsError::invalid(
                format!("{field}.default_model"),
                name,
                "matches none of the policy's models",
            )),
            _ => Ok(()),
        }
    }

    /// Where requests for `model` go; `None` if the policy does not serve it. Those of a model that is split go to
    /// its first share, until another is chosen ([`Self::share`]).
    pub fn resolve(&self, model: &str) -> Option<Target> {
        let (entry, rest) = self.entry(model)?;
        match entry.split() {
            Some(_) => self.share(model, 0),
            None => Some(entry.target(model, rest)),
        }
    }

    /// Where the share at `place` of the split of `model` goes. The policies of its entry come before those that the
    /// entry of `model` names.
    pub fn share(&self, model: &str, place: usize) -> Option<Target> {
        let (split, _) = self.entry(model)?;
        let share = split.split()?.shares.get(place)?;
        let (entry, rest) = self.entry(&share.model)?;
        let mut target = entry.target(&share.model, rest);
        if target.policies.is_empty() {
            target.policies = Rc::clone(split.policies());
        }
        Some(target)
    }

    /// Whether `consumer` may use `model`, which the policy serves.
    pub fn permits(&self, model: &str, consumer: Option<&str>) -> bool {
        self.entry(model).is_some_and(|(entry, _)| entry.permits(consumer))
    }

    /// Whether it matters who the consumer is: some model is for certain ones, or is split by them.
    pub fn asks_consumer(&self) -> bool {
        self.asks_consumer
    }

    fn is_restricted(&self) -> bool {
        let prefixes = self.prefixes.iter().map(|(_, model)| model);
        self.exact.values().chain(prefixes).any(Model::is_restricted)
    }

    /// Whether `GET /v1/models/NAME` shows `consumer` a model of that name: it has a target that is
    /// not hidden, and that the consumer may use.
    pub fn shows(&self, model: &str, consumer: Option<&str>) -> bool {
        self.entry(model).is_some_and(|(entry, _)| !entry.hidden && entry.permits(consumer))
    }

    /// Names for `GET /v1/models` of `consumer`, in order.
    pub fn listed(&self, consumer: Option<&str>) -> impl Iterator<Item = &str> {
        let shown = move |model: &Model| !model.hidden && model.permits(consumer);
        self.exact.iter().filter(move |(_, model)| shown(model)).map(|(name, _)| name.as_str())
    }

    /// The entry that serves `model`, and what the `*` of its name stands for.
    fn entry<'a>(&self, model: &'a str) -> Option<(&Model, &'a str)> {
        if let Some(entry) = self.exact.get(model) {
            return Some((entry, ""));
        }
        let mut prefixes = self.prefixes.iter();
        prefixes.find_map(|(prefix, entry)| Some((entry, model.strip_prefix(prefix.as_str())?)))
    }
}

#[cfg(test)]
mod tests;
