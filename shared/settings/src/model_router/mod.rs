//! Configuration of `model-router`.

use std::collections::BTreeMap;

use serde::Deserialize;

use crate::trust::Trust;
use crate::{Policies, SettingsError, located, plugin};

mod model;

use model::Model;
pub use model::{FILTERS, ModelPolicy, RawModel, Target};

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
    /// Model of a request that names none.
    pub default_model: Option<String>,
    /// Largest accepted request body in bytes.
    pub max_body_bytes: u64,
    /// What happens to unknown paths.
    pub unknown_path: UnknownPath,
    /// Whether to ask replicas for the usage of streams.
    pub request_usage: bool,
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
    /// not listed, or models for certain consumers where nothing says who the consumer is.
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

impl RouterPolicy {
    /// The pools that its models name, each as often as it is named.
    pub fn pools(&self) -> impl Iterator<Item = &str> {
        let prefixes = self.prefixes.iter().map(|(_, model)| model);
        self.exact.values().chain(prefixes).map(Model::pool)
    }

    fn compile(field: &str, raw: RawPolicy, trust: &Trust) -> Result<Self, SettingsError> {
        let mut exact = BTreeMap::new();
        let mut prefixes: Vec<(String, Model)> = Vec::new();
        for (at, model) in raw.models.into_iter().enumerate() {
            let field = format!("{field}.models[{at}]");
            let name = model.name.clone();
            let model = Model::compile(&field, model)?;
            if model.is_restricted() && trust.consumer.is_empty() {
                let problem = "needs `trust.consumer`, which says who the consumer is";
                return Err(SettingsError::misfit(format!("{field}.consumers"), problem));
            }
            let doubled = match name.strip_suffix('*') {
                Some(prefix) => {
                    let doubled = prefixes.iter().any(|(other, _)| other == prefix);
                    prefixes.push((prefix.to_owned(), model));
                    doubled
                }
                None => exact.insert(name.clone(), model).is_some(),
            };
            if doubled {
                return Err(SettingsError::invalid(format!("{field}.name"), name, "stands twice"));
            }
        }
        prefixes.sort_unstable_by_key(|(prefix, _)| std::cmp::Reverse(prefix.len()));
        let policy = Self {
            exact,
            prefixes,
            default_model: raw.default_model,
            max_body_bytes: raw.max_body_bytes,
            unknown_path: raw.unknown_path,
            request_usage: raw.request_usage,
        };
        policy.check_default(field)?;
        Ok(policy)
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

    /// Where requests for `model` go; `None` if the policy does not serve it.
    pub fn resolve(&self, model: &str) -> Option<Target> {
        let (entry, rest) = self.entry(model)?;
        Some(entry.target(model, rest))
    }

    /// Whether `consumer` may use `model`, which the policy serves.
    pub fn permits(&self, model: &str, consumer: Option<&str>) -> bool {
        self.entry(model).is_some_and(|(entry, _)| entry.permits(consumer))
    }

    /// Whether it matters who the consumer is.
    pub fn is_restricted(&self) -> bool {
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
mod tests {
    use super::*;
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    fn policy(models: &str) -> Result<RouterPolicy, String> {
        let json = format!(r#"{{"policies":{{"default":{{"models":{models}}}}}}}"#);
        read(&json)
    }

    fn read(json: &str) -> Result<RouterPolicy, String> {
        let all = RouterSettings::from_json(json.as_bytes()).map_err(|error| error.to_string())?;
        let policy = std::rc::Rc::clone(all.policies.fallback().unwrap());
        drop(all);
        Ok(std::rc::Rc::into_inner(policy).unwrap())
    }

    #[test]
    fn a_name_goes_to_its_exact_entry_then_to_the_longest_prefix() {
        let policy = policy(
            r#"[{"name":"gpt-4o","pool":"big","rewrite":"llama-70b"},
                {"name":"gpt-*","pool":"small","rewrite":"llama-8b"},
                {"name":"gpt-4*","pool":"mid"},
                {"name":"team/*","pool":"small","rewrite":"*"},
                {"name":"sql","pool":"small","adapter":true,"base_model":"llama-8b"}]"#,
        )
        .unwrap();
        let cases = [
            ("gpt-4o", Some(("llama-70b", "llama-70b", "big", None))),
            ("gpt-4", Some(("gpt-4", "gpt-4", "mid", None))),
            ("gpt-3", Some(("llama-8b", "llama-8b", "small", None))),
            ("team/qwen", Some(("qwen", "qwen", "small", None))),
            ("sql", Some(("sql", "llama-8b", "small", Some("sql")))),
            ("GPT-4o", None),
            ("", None),
        ];
        for (name, expected) in cases {
            let target = policy.resolve(name);
            let found = target.as_ref().map(|target| {
                let Target { upstream, base_model, pool, adapter, .. } = target;
                (upstream.as_str(), base_model.as_str(), pool.as_str(), adapter.as_deref())
            });
            assert_eq!(found, expected, "{name}");
        }
    }

    #[test]
    fn the_list_leaves_out_hidden_names_and_prefixes() {
        let policy = policy(
            r#"[{"name":"b","pool":"p"},{"name":"a","pool":"p"},
                {"name":"secret","pool":"p","hidden":true},{"name":"x*","pool":"p"}]"#,
        )
        .unwrap();
        assert_eq!(policy.listed(None).collect::<Vec<_>>(), ["a", "b"]);
    }

    #[test]
    fn mistakes_name_the_field() {
        let cases = [
            (r#"[{"name":"","pool":"p"}]"#, "models[0].name"),
            (r#"[{"name":"a*b","pool":"p"}]"#, "one `*`, at the end"),
            (r#"[{"name":"a","pool":""}]"#, "models[0].pool"),
            (r#"[{"name":"a","pool":"p"},{"name":"a","pool":"q"}]"#, "stands twice"),
            (r#"[{"name":"a","pool":"p","adapter":true}]"#, "base_model"),
            (r#"[{"name":"a","pool":"p","rewrite":"*"}]"#, "rewrite"),
            (r#"[{"name":"a","pool":"p","colour":1}]"#, "colour"),
            (r#"[{"name":"a","pool":"p","policy":""}]"#, "models[0].policy"),
            (r#"[{"name":"a","pool":"p","policies":{"guard":"x"}}]"#, "models[0].policies.guard"),
            (r#"[{"name":"a","pool":"p","consumers":["b"]}]"#, "models[0].consumers"),
            (r#"[{"name":"a","pool":"p","consumers":["a*b"]}]"#, "models[0].consumers[0]"),
        ];
        for (models, expected) in cases {
            let error = policy(models).unwrap_err();
            assert!(error.contains(expected), "{error}");
        }
    }

    #[test]
    fn a_model_may_be_for_certain_consumers() {
        let policy = read(
            r#"{"trust":{"consumer":[{"header":"x-consumer"}]},"policies":{"default":{"models":[
                {"name":"open","pool":"p"},
                {"name":"team","pool":"p","consumers":["ann","ops-*"]},
                {"name":"none","pool":"p","consumers":[]}]}}}"#,
        )
        .unwrap();
        assert!(policy.is_restricted());
        for (consumer, may) in
            [(Some("ann"), true), (Some("ops-1"), true), (Some("bob"), false), (None, false)]
        {
            assert_eq!(policy.permits("team", consumer), may, "{consumer:?}");
            assert_eq!(policy.shows("team", consumer), may, "{consumer:?}");
            assert!(policy.permits("open", consumer) && !policy.permits("none", consumer));
        }
        assert_eq!(policy.listed(None).collect::<Vec<_>>(), ["open"]);
        assert_eq!(policy.listed(Some("ann")).collect::<Vec<_>>(), ["open", "team"]);
    }

    #[test]
    fn a_models_entry_names_policies_for_all_filters_or_for_one() {
        let policy = policy(
            r#"[{"name":"a","pool":"p","policy":"strict","policies":{"guardrail":"lax"}},
                {"name":"b","pool":"p"}]"#,
        )
        .unwrap();
        let target = policy.resolve("a").unwrap();
        let named = |name| target.policies.iter().find(|policy| policy.filter == name);
        assert_eq!(named("guardrail").map(|policy| policy.name.as_str()), Some("lax"));
        assert_eq!(named("endpoint-picker").map(|policy| policy.name.as_str()), Some("strict"));
        assert!(policy.resolve("b").unwrap().policies.is_empty());
    }
}
