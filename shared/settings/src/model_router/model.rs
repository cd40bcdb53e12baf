//! One model of a policy: as written, compiled, and where its requests go.

use std::collections::BTreeMap;
use std::rc::Rc;

use serde::Deserialize;

use super::saturated::{RawWhenSaturated, WhenSaturated};
use super::split::{RawSplit, Split};
use crate::SettingsError;

/// One model as written.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RawModel {
    /// The name that clients send: exact, or a prefix that ends in `*`.
    pub name: String,
    /// The pool of replicas that serves it; none where its requests are split.
    #[serde(default)]
    pub pool: String,
    /// Other entries that serve its requests, by weight.
    #[serde(default)]
    pub split: Option<RawSplit>,
    /// The name to send upstream; `*` in it stands for what the `*` of `name` matched.
    #[serde(default)]
    pub rewrite: Option<String>,
    /// The model that the replicas were started with; the name sent upstream if not given.
    #[serde(default)]
    pub base_model: Option<String>,
    /// True if the name sent upstream is a LoRA adapter of `base_model`.
    #[serde(default)]
    pub adapter: bool,
    /// True to leave it out of `GET /v1/models`. Prefixes are always left out.
    #[serde(default)]
    pub hidden: bool,
    /// Who may use it, exact names or beginnings that end in `*`; everybody if not given.
    #[serde(default)]
    pub consumers: Option<Vec<String>>,
    /// The policy that the other filters apply to its requests, whatever the route says.
    #[serde(default)]
    pub policy: Option<String>,
    /// The same by filter, such as `{guardrail: strict}`.
    #[serde(default)]
    pub policies: BTreeMap<String, String>,
    /// What serves its requests while its pool is saturated.
    #[serde(default)]
    pub when_saturated: Option<RawWhenSaturated>,
}

/// Where a model's requests go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// The name to send upstream.
    pub upstream: String,
    /// The model that the replicas were started with.
    pub base_model: String,
    /// The pool of replicas.
    pub pool: String,
    /// The LoRA adapter, if the upstream name is one.
    pub adapter: Option<String>,
    /// The policies that the model's entry names for the filters after the router.
    pub policies: Rc<[ModelPolicy]>,
    /// What serves instead while the pool is saturated.
    pub when_saturated: Option<Rc<WhenSaturated>>,
}

/// The policy that a model's entry names for one filter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ModelPolicy {
    /// One of [`FILTERS`].
    pub filter: String,
    /// The policy's name.
    pub name: String,
}

/// The filters after the router that have policies, by their `root_id`.
pub const FILTERS: [&str; 3] = ["token-limit", "guardrail", "endpoint-picker"];

/// One model, compiled.
#[derive(Debug)]
pub(super) struct Model {
    pool: String,
    split: Option<Split>,
    rewrite: Option<String>,
    base_model: Option<String>,
    adapter: bool,
    pub(super) hidden: bool,
    consumers: Option<Vec<String>>,
    policies: Rc<[ModelPolicy]>,
    pub(super) when_saturated: Option<Rc<WhenSaturated>>,
}

impl Model {
    /// The pool of replicas that serves it; none where its requests are split.
    pub(super) fn pool(&self) -> Option<&str> {
        self.split.is_none().then_some(&self.pool)
    }

    /// The entries that serve its requests in its place.
    pub(super) fn split(&self) -> Option<&Split> {
        self.split.as_ref()
    }

    /// The policies that it names for the filters after the router.
    pub(super) fn policies(&self) -> &Rc<[ModelPolicy]> {
        &self.policies
    }

    /// Compiles what stands at `field`.
    ///
    /// # Errors
    /// What does not fit, with its place.
    pub(super) fn compile(field: &str, raw: RawModel) -> Result<Self, SettingsError> {
        check_names(field, &raw)?;
        check_consumers(field, raw.consumers.as_deref().unwrap_or_default())?;
        let policies = policies(field, raw.policy, raw.policies)?;
        let RawModel { pool, split, rewrite, base_model, adapter, hidden, consumers, .. } = raw;
        let split = split.map(|raw| Split::compile(&format!("{field}.split"), raw)).transpose()?;
        let when_saturated = None;
        Ok(Self {
            pool,
            split,
            rewrite,
            base_model,
            adapter,
            hidden,
            consumers,
            policies,
            when_saturated,
        })
    }

    /// Whether only certain consumers may use it.
    pub(super) fn is_restricted(&self) -> bool {
        self.consumers.is_some()
    }

    /// Whether `consumer` may use it.
    pub(super) fn permits(&self, consumer: Option<&str>) -> bool {
        let Some(names) = &self.consumers else { return true };
        let fits = |name: &String, consumer: &str| match name.strip_suffix('*') {
            Some(beginning) => consumer.starts_with(beginning),
            None => name == consumer,
        };
        consumer.is_some_and(|consumer| names.iter().any(|name| fits(name, consumer)))
    }

    /// Where requests for `name` go, whose entry's `*` stands for `rest`.
    pub(super) fn target(&self, name: &str, rest: &str) -> Target {
        let upstream = match &self.rewrite {
            Some(rewrite) => rewrite.replacen('*', rest, 1),
            None => name.to_owned(),
        };
        Target {
            base_model: self.base_model.clone().unwrap_or_else(|| upstream.clone()),
            pool: self.pool.clone(),
            adapter: self.adapter.then(|| upstream.clone()),
            policies: Rc::clone(&self.policies),
            when_saturated: self.when_saturated.clone(),
            upstream,
        }
    }
}

fn bad<T>(field: &str, part: &str, value: &str, problem: &str) -> Result<T, SettingsError> {
    Err(SettingsError::invalid(format!("{field}.{part}"), format!("{value:?}"), problem))
}

fn stars(text: &str) -> usize {
    text.matches('*').count()
}

fn check_names(field: &str, model: &RawModel) -> Result<(), SettingsError> {
    let prefix = model.name.ends_with('*');
    if model.name.is_empty() {
        return bad(field, "name", &model.name, "is empty");
    }
    if model.name.trim() != model.name {
        return bad(field, "name", &model.name, "begins or ends with white space");
    }
    if stars(&model.name) > usize::from(prefix) {
        return bad(field, "name", &model.name, "may have one `*`, at the end");
    }
    if model.split.is_some() {
        return check_split(field, model);
    }
    if model.pool.is_empty() {
        return bad(field, "pool", &model.pool, "is empty");
    }
    if model.adapter && model.base_model.is_none() {
        return bad(field, "base_model", "", "is needed for an adapter");
    }
    match &model.rewrite {
        Some(rewrite) if rewrite.is_empty() => bad(field, "rewrite", rewrite, "is empty"),
        Some(rewrite) if stars(rewrite) > usize::from(prefix) => {
            bad(field, "rewrite", rewrite, "may have one `*`, and only if the name ends in one")
        }
        _ => Ok(()),
    }
}

/// An entry that is split has nothing of what its shares have.
fn check_split(field: &str, model: &RawModel) -> Result<(), SettingsError> {
    let given = [
        ("pool", !model.pool.is_empty()),
        ("rewrite", model.rewrite.is_some()),
        ("base_model", model.base_model.is_some()),
        ("adapter", model.adapter),
    ];
    match given.into_iter().find(|(_, given)| *given) {
        Some((part, _)) => {
            let problem = "stands in the entries that `split` names, not beside it";
            Err(SettingsError::misfit(format!("{field}.{part}"), problem))
        }
        None => Ok(()),
    }
}

fn check_consumers(field: &str, consumers: &[String]) -> Result<(), SettingsError> {
    for (at, name) in consumers.iter().enumerate() {
        if name.is_empty() || stars(name) > usize::from(name.ends_with('*')) {
            let problem = "must be a name, or the beginning of some and a `*`";
            return bad(field, &format!("consumers[{at}]"), name, problem);
        }
    }
    Ok(())
}

/// What an entry names for each filter: `policy` for all of them, but where `policies` says otherwise.
fn policies(
    field: &str,
    all: Option<String>,
    mut one: BTreeMap<String, String>,
) -> Result<Rc<[ModelPolicy]>, SettingsError> {
    if all.as_deref() == Some("") {
        return bad(field, "policy", "", "is empty");
    }
    let mut named = Vec::new();
    for filter in FILTERS {
        if let Some(name) = one.remove(filter).or_else(|| all.clone()) {
            named.push(ModelPolicy { filter: filter.to_owned(), name });
        }
    }
    match one.keys().next() {
        Some(other) => {
            let field = format!("{field}.policies.{other}");
            Err(SettingsError::misfit(field, format!("is none of `{}`", FILTERS.join("`, `"))))
        }
        None => Ok(named.into()),
    }
}
