//! Configuration of `model-router`.

use std::collections::BTreeMap;

use serde::Deserialize;

use crate::{Policies, SettingsError};

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

/// One model as written.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RawModel {
    /// The name that clients send: exact, or a prefix that ends in `*`.
    pub name: String,
    /// The pool of replicas that serves it.
    pub pool: String,
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

#[derive(Debug)]
struct Model {
    pool: String,
    rewrite: Option<String>,
    base_model: Option<String>,
    adapter: bool,
    hidden: bool,
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
}

/// Reads all policies of `model-router`.
///
/// # Errors
/// See [`Policies::from_json`]; also an empty or double model name, an empty pool, an adapter
/// without `base_model`, a `*` anywhere but at the end, or a default model that is not listed.
pub fn policies(json: &[u8]) -> Result<Policies<RouterPolicy>, SettingsError> {
    Policies::from_json(json, RouterPolicy::compile)
}

impl RouterPolicy {
    fn compile(field: &str, raw: RawPolicy) -> Result<Self, SettingsError> {
        let mut exact = BTreeMap::new();
        let mut prefixes: Vec<(String, Model)> = Vec::new();
        for (at, model) in raw.models.into_iter().enumerate() {
            let field = format!("{field}.models[{at}]");
            check_model(&field, &model)?;
            let name = model.name.clone();
            let doubled = match name.strip_suffix('*') {
                Some(prefix) => {
                    let doubled = prefixes.iter().any(|(other, _)| other == prefix);
                    prefixes.push((prefix.to_owned(), model.into()));
                    doubled
                }
                None => exact.insert(name.clone(), model.into()).is_some(),
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
        if let Some(entry) = self.exact.get(model) {
            return Some(entry.target(model, ""));
        }
        self.prefixes
            .iter()
            .find_map(|(prefix, entry)| Some(entry.target(model, model.strip_prefix(prefix)?)))
    }

    /// Whether `GET /v1/models/NAME` shows a model of that name: it has a target that is not hidden.
    pub fn shows(&self, model: &str) -> bool {
        let entry = self.exact.get(model).or_else(|| {
            let mut prefixes = self.prefixes.iter();
            let found = prefixes.find(|(prefix, _)| model.starts_with(prefix.as_str()));
            found.map(|(_, entry)| entry)
        });
        entry.is_some_and(|entry| !entry.hidden)
    }

    /// Names for `GET /v1/models`, in order.
    pub fn listed(&self) -> impl Iterator<Item = &str> {
        self.exact.iter().filter(|(_, model)| !model.hidden).map(|(name, _)| name.as_str())
    }
}

impl Model {
    fn target(&self, name: &str, rest: &str) -> Target {
        let upstream = match &self.rewrite {
            Some(rewrite) => rewrite.replacen('*', rest, 1),
            None => name.to_owned(),
        };
        Target {
            base_model: self.base_model.clone().unwrap_or_else(|| upstream.clone()),
            pool: self.pool.clone(),
            adapter: self.adapter.then(|| upstream.clone()),
            upstream,
        }
    }
}

impl From<RawModel> for Model {
    fn from(raw: RawModel) -> Self {
        let RawModel { name: _, pool, rewrite, base_model, adapter, hidden } = raw;
        Self { pool, rewrite, base_model, adapter, hidden }
    }
}

fn check_model(field: &str, model: &RawModel) -> Result<(), SettingsError> {
    let stars = |text: &str| text.matches('*').count();
    let bad = |part: &str, value: &str, problem: &str| {
        Err(SettingsError::invalid(format!("{field}.{part}"), format!("{value:?}"), problem))
    };
    let prefix = model.name.ends_with('*');
    if model.name.is_empty() {
        return bad("name", &model.name, "is empty");
    }
    if stars(&model.name) > usize::from(prefix) {
        return bad("name", &model.name, "may have one `*`, at the end");
    }
    if model.pool.is_empty() {
        return bad("pool", &model.pool, "is empty");
    }
    if model.adapter && model.base_model.is_none() {
        return bad("base_model", "", "is needed for an adapter");
    }
    match &model.rewrite {
        Some(rewrite) if rewrite.is_empty() => bad("rewrite", rewrite, "is empty"),
        Some(rewrite) if stars(rewrite) > usize::from(prefix) => {
            bad("rewrite", rewrite, "may have one `*`, and only if the name ends in one")
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    fn policy(models: &str) -> Result<RouterPolicy, String> {
        let json = format!(r#"{{"policies":{{"default":{{"models":{models}}}}}}}"#);
        let all = policies(json.as_bytes()).map_err(|error| error.to_string())?;
        let policy = std::rc::Rc::clone(all.select(None, None).unwrap());
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
                let Target { upstream, base_model, pool, adapter } = target;
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
        assert_eq!(policy.listed().collect::<Vec<_>>(), ["a", "b"]);
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
        ];
        for (models, expected) in cases {
            let error = policy(models).unwrap_err();
            assert!(error.contains(expected), "{error}");
        }
    }
}
