//! The entries of a policy beside each other: which one may serve in place of which.

use super::model::RawModel;
use super::saturated::{Instead, RawWhenSaturated, Thresholds, WhenSaturated, compile_reply};
use crate::SettingsError;

/// The entries of a policy, as far as they matter to each other.
pub(super) struct Entries(Vec<Entry>);

struct Entry {
    name: String,
    pool: String,
    /// What its replicas were started with, if its name does not decide.
    base_model: Option<String>,
    /// The model that serves in its place.
    instead: Option<String>,
    is_split: bool,
}

impl Entries {
    /// Those of a policy.
    pub(super) fn of(models: &[RawModel]) -> Self {
        let fixed = |name: &&String| !name.contains('*');
        let entry = |model: &RawModel| Entry {
            name: model.name.clone(),
            pool: model.pool.clone(),
            base_model: model
                .base_model
                .as_ref()
                .or(model.rewrite.as_ref())
                .or(Some(&model.name))
                .filter(fixed)
                .cloned(),
            instead: model.when_saturated.as_ref().and_then(|rule| rule.model.clone()),
            is_split: model.split.is_some(),
        };
        Self(models.iter().map(entry).collect())
    }

    /// Compiles what the entry at `own` does while its pool is saturated, which stands at `field`.
    ///
    /// # Errors
    /// None or several of the three things to do, a model or pool of no entry or of the same pool, a circle of models,
    /// or a number out of range.
    pub(super) fn compile(
        &self,
        field: &str,
        own: usize,
        raw: RawWhenSaturated,
    ) -> Result<WhenSaturated, SettingsError> {
        let thresholds = Thresholds::compile(field, &raw)?;
        let instead = match (raw.model, raw.pool, raw.reply) {
            (Some(model), None, None) => self.model(&format!("{field}.model"), own, model)?,
            (None, Some(pool), None) => self.pool(&format!("{field}.pool"), own, pool)?,
            (None, None, Some(reply)) => Instead::Reply(compile_reply(field, reply)?),
            _ => {
                let problem = "needs one of `model`, `pool` and `reply`";
                return Err(SettingsError::misfit(field, problem));
            }
        };
        Ok(WhenSaturated { instead, thresholds })
    }

    fn model(&self, field: &str, own: usize, model: String) -> Result<Instead, SettingsError> {
        let invalid =
            |problem: &str| Err(SettingsError::invalid(field, format!("{model:?}"), problem));
        let other = self.serving(&model).filter(|_| !model.contains('*'));
        let Some(other) = other else { return invalid("matches none of the policy's models") };
        if self.0.get(other).is_some_and(|entry| entry.is_split) {
            return invalid("is split itself: name one of its shares");
        }
        if self.comes_back(own) {
            return invalid("leads back here: a circle of models");
        }
        if self.pool_of(own) == self.pool_of(other) {
            return invalid("is served by the same pool");
        }
        Ok(Instead::Model(model))
    }

    fn pool(&self, field: &str, own: usize, pool: String) -> Result<Instead, SettingsError> {
        let invalid =
            |problem: &str| Err(SettingsError::invalid(field, format!("{pool:?}"), problem));
        if pool.is_empty() || !self.0.iter().any(|entry| entry.pool == pool) {
            return invalid("is the pool of none of the policy's models");
        }
        if self.pool_of(own) == Some(&pool) {
            return invalid("is the model's own pool");
        }
        let entries = self.0.iter().filter(|entry| entry.pool == pool);
        let mut bases: Vec<&String> = Vec::new();
        for base in entries.filter_map(|entry| entry.base_model.as_ref()) {
            if !bases.contains(&base) {
                bases.push(base);
            }
        }
        match bases.as_slice() {
            [] => Ok(Instead::Pool { pool, base_model: None }),
            [base] => Ok(Instead::Pool { base_model: Some((*base).clone()), pool }),
            _ => invalid("has models with several base models: name a `model` of it instead"),
        }
    }

    fn pool_of(&self, at: usize) -> Option<&String> {
        self.0.get(at).map(|entry| &entry.pool)
    }

    /// The entry that serves `name`: the exact one, or the longest beginning.
    fn serving(&self, name: &str) -> Option<usize> {
        let exact = self.0.iter().position(|entry| entry.name == name);
        let fits = |entry: &Entry| {
            let beginning = entry.name.strip_suffix('*')?;
            name.starts_with(beginning).then_some(beginning.len())
        };
        let longest = || {
            let entries = self.0.iter().enumerate();
            let fitting = entries.filter_map(|(at, entry)| Some((fits(entry)?, at)));
            fitting.max().map(|(_, at)| at)
        };
        exact.or_else(longest)
    }

    /// Whether the models that serve in place of others lead from the entry at `own` back to it.
    fn comes_back(&self, own: usize) -> bool {
        let next = |at: usize| self.serving(self.0.get(at)?.instead.as_deref()?);
        let mut at = next(own);
        for _ in 0..self.0.len() {
            if at.is_none() || at == Some(own) {
                break;
            }
            at = at.and_then(next);
        }
        at == Some(own)
    }
}
