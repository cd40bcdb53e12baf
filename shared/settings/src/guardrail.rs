//! Configuration of `guardrail`.

use std::sync::Arc;

use serde::Deserialize;
use serde_json::{Map, Value};
use weir_detect::{Direction, Policy, RawPolicy};

use crate::{Policies, SettingsError};

/// Largest body that is held, in bytes, where a policy does not say: what model-router takes.
const DEFAULT_MAX_BODY_BYTES: u64 = crate::model_router::DEFAULT_MAX_BODY_BYTES;

/// Shortest key of `hash`, in bytes, as for the signatures of snapshots.
const MIN_KEY_BYTES: usize = 16;

/// One policy as written: the members of [`RawPolicy`], and of the filter itself.
#[derive(Debug)]
pub struct RawGuardrail {
    filter: RawFilter,
    policy: RawPolicy,
}

/// What the filter itself is told.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawFilter {
    /// Largest request or response body that is held to be inspected, in bytes.
    #[serde(default = "default_max_body_bytes")]
    max_body_bytes: u64,
    /// What happens to requests for paths that are no inference API known here.
    #[serde(default)]
    unknown_paths: UnknownPaths,
}

fn default_max_body_bytes() -> u64 {
    DEFAULT_MAX_BODY_BYTES
}

/// What happens to requests for paths that are no inference API known here.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum UnknownPaths {
    /// Their bodies are inspected as JSON of any form, their responses as what they say they are.
    #[default]
    Inspect,
    /// They pass uninspected.
    Pass,
}

/// The members of [`RawFilter`].
const OWN: [&str; 2] = ["max_body_bytes", "unknown_paths"];

impl<'de> Deserialize<'de> for RawGuardrail {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut members = Map::deserialize(deserializer)?;
        let own = OWN.into_iter().filter_map(|name| members.remove_entry(name)).collect();
        let filter =
            serde_json::from_value(Value::Object(own)).map_err(serde::de::Error::custom)?;
        fractions(&mut members);
        let policy =
            serde_json::from_value(Value::Object(members)).map_err(serde::de::Error::custom)?;
        Ok(Self { filter, policy })
    }
}

/// Envoy hands a fraction over as a string: see [`crate::plugin`].
fn fractions(members: &mut Map<String, Value>) {
    let lists = ["rules", "regexes", "dictionaries"];
    let entries = members.iter_mut().filter(|(name, _)| lists.contains(&name.as_str()));
    let entries = entries.filter_map(|(_, list)| list.as_array_mut()).flatten();
    for entry in entries.filter_map(Value::as_object_mut) {
        for name in ["min_confidence", "confidence"] {
            let Some(value) = entry.get_mut(name) else { continue };
            let number = value.as_str().and_then(|text| text.parse::<f64>().ok());
            if let Some(number) = number.and_then(serde_json::Number::from_f64) {
                *value = Value::Number(number);
            }
        }
    }
}

/// One compiled policy.
#[derive(Debug)]
pub struct GuardrailPolicy {
    /// What is looked for and what happens to it.
    pub policy: Arc<Policy>,
    /// Whether any rule looks at requests, and at responses.
    pub inspects: Inspects,
    /// Whether a response may leave with other bytes than the replica's.
    pub edits_responses: bool,
    /// Largest body that is held, in bytes.
    pub max_body_bytes: u64,
    /// What happens to requests for unknown paths.
    pub unknown_paths: UnknownPaths,
}

/// The directions in which any rule looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Inspects {
    /// From the client. Also true where its system prompt must not leak.
    pub requests: bool,
    /// From the replica. Also true where the request's pseudonyms have to be restored.
    pub responses: bool,
}

/// Reads all policies of `guardrail`. `variable` reads an environment variable.
///
/// # Errors
/// See [`Policies::from_json`]; also what [`Policy`] refuses, and a variable named for the key of
/// `hash` that is not set.
pub fn policies(
    json: &[u8],
    variable: impl Fn(&str) -> Option<Vec<u8>>,
) -> Result<Policies<GuardrailPolicy>, SettingsError> {
    Policies::from_json(json, |field, raw| compile(field, raw, &variable))
}

fn compile(
    field: &str,
    raw: RawGuardrail,
    variable: impl Fn(&str) -> Option<Vec<u8>>,
) -> Result<GuardrailPolicy, SettingsError> {
    let RawGuardrail { filter, policy } = raw;
    let hashes = policy.rules.iter().any(|rule| rule.action == weir_detect::Action::Hash);
    if hashes && policy.hash_key_env.is_none() {
        let problem = "is needed by the action `hash`: the name of a variable with its key";
        return Err(SettingsError::invalid(format!("{field}.hash_key_env"), "(none)", problem));
    }
    let invalid =
        |error: weir_detect::PolicyError| SettingsError::Syntax(format!("{field}.{error}"));
    let mut policy = Policy::try_from(policy).map_err(invalid)?;
    if let Some(name) = policy.hash_key_env.clone() {
        let key = variable(&name).filter(|key| key.len() >= MIN_KEY_BYTES).ok_or_else(|| {
            let problem = "is not set, or has less than 16 bytes; in Envoy, name it in vm_config.environment_variables, too";
            SettingsError::invalid(format!("{field}.hash_key_env"), &name, problem)
        })?;
        policy = policy.with_hash_key(&key);
    }
    let inspects = Inspects {
        requests: policy.is_active(Direction::Request) || policy.watches_leaks(),
        responses: policy.is_active(Direction::Response) || policy.pseudonymises(),
    };
    Ok(GuardrailPolicy {
        edits_responses: policy.may_edit(Direction::Response),
        policy: Arc::new(policy),
        inspects,
        max_body_bytes: filter.max_body_bytes,
        unknown_paths: filter.unknown_paths,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    fn read(policy: &str) -> Result<Policies<GuardrailPolicy>, SettingsError> {
        let json = format!(r#"{{"policies":{{"default":{policy}}}}}"#);
        policies(json.as_bytes(), |name| (name == "KEY").then(|| b"0123456789abcdef".to_vec()))
    }

    #[test]
    fn an_empty_policy_is_the_default_one() {
        let policies = read("{}").unwrap();
        let policy = policies.select(None, None).unwrap();
        assert_eq!(policy.inspects, Inspects { requests: true, responses: true });
        assert_eq!(policy.max_body_bytes, DEFAULT_MAX_BODY_BYTES);
        assert_eq!(policy.unknown_paths, UnknownPaths::Inspect);
    }

    #[test]
    fn fractions_may_be_strings_as_envoy_hands_them_over() {
        let rule =
            r#"{"rules":["pii"],"action":"redact","min_confidence":"0.7","direction":"request"}"#;
        let policies = read(&format!(r#"{{"rules":[{rule}],"max_body_bytes":5}}"#)).unwrap();
        let policy = policies.select(None, None).unwrap();
        assert_eq!(policy.inspects, Inspects { requests: true, responses: false });
        assert_eq!(policy.max_body_bytes, 5);
    }

    #[test]
    fn a_response_is_read_where_names_have_to_be_restored() {
        let rule = r#"{"rules":["pii"],"action":"pseudonymise","direction":"request"}"#;
        let policies = read(&format!(r#"{{"rules":[{rule}]}}"#)).unwrap();
        assert!(policies.select(None, None).unwrap().inspects.responses);
    }

    #[test]
    fn what_makes_no_sense_is_refused_with_the_field() {
        for (policy, expected) in [
            (r#"{"hash_key_env":"NONE"}"#, "policies.default.hash_key_env"),
            (r#"{"rules":[{"rules":["pii"],"action":"hash"}]}"#, "policies.default.hash_key_env"),
            (r#"{"rules":[{"rules":["nosuch"],"action":"redact"}]}"#, "nosuch"),
            (r#"{"colour":"red"}"#, "colour"),
            (r#"{"unknown_paths":"drop"}"#, "drop"),
        ] {
            let error = read(policy).unwrap_err().to_string();
            assert!(error.contains(expected), "{error}");
        }
        assert!(read(r#"{"hash_key_env":"KEY"}"#).is_ok());
    }
}
