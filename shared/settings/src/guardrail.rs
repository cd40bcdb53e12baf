//! Configuration of `guardrail`.

use std::sync::Arc;

use serde::Deserialize;
use serde_json::{Map, Value};
use weir_detect::{Direction, Policy, RawPolicy};

use crate::{Policies, SettingsError, located};

/// Largest body that is held, in bytes, where a policy does not say: what model-router takes.
const DEFAULT_MAX_BODY_BYTES: u64 = crate::model_router::DEFAULT_MAX_BODY_BYTES;

/// Shortest key of `hash`, in bytes, as for the signatures of snapshots.
const MIN_KEY_BYTES: usize = 16;

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
    /// Whether texts that nothing was found in are remembered, and not scanned again.
    #[serde(default = "default_recall")]
    recall: bool,
}

fn default_max_body_bytes() -> u64 {
    DEFAULT_MAX_BODY_BYTES
}

fn default_recall() -> bool {
    true
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
const OWN: [&str; 3] = ["max_body_bytes", "unknown_paths", "recall"];

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
    /// Whether texts that nothing was found in are remembered, and not scanned again.
    pub recall: bool,
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
    Policies::from_values(json, |field, written| policy(field, written, &variable))
}

/// Reads one policy, which stands at `field`; that is empty where it stands for itself.
///
/// # Errors
/// As [`policies`].
pub fn policy(
    field: &str,
    written: Value,
    variable: impl Fn(&str) -> Option<Vec<u8>>,
) -> Result<GuardrailPolicy, SettingsError> {
    let (filter, policy) = members(field, written)?;
    let path = |member: &str| match field {
        "" => member.to_owned(),
        field => format!("{field}.{member}"),
    };
    if filter.max_body_bytes == 0 {
        return Err(SettingsError::invalid(path("max_body_bytes"), 0, "must be at least 1"));
    }
    let hashes = policy.rules.iter().any(|rule| rule.action == weir_detect::Action::Hash);
    if hashes && policy.hash_key_env.is_none() {
        let problem = "is needed by the action `hash`: the name of a variable with its key";
        return Err(SettingsError::invalid(path("hash_key_env"), "(none)", problem));
    }
    let invalid = |error: weir_detect::PolicyError| SettingsError::Misfit {
        field: path(&error.field),
        problem: error.problem,
    };
    let mut policy = Policy::try_from(policy).map_err(invalid)?;
    if let Some(name) = policy.hash_key_env.clone() {
        let key = variable(&name).filter(|key| key.len() >= MIN_KEY_BYTES).ok_or_else(|| {
            let problem = "is not set, or has less than 16 bytes; for Envoy, export it where that starts, and name it in vm_config.environment_variables";
            SettingsError::invalid(path("hash_key_env"), &name, problem)
        })?;
        policy = policy.with_hash_key(&key);
    }
    Ok(GuardrailPolicy {
        edits_responses: policy.may_edit(Direction::Response),
        inspects: Inspects::of(&policy),
        policy: Arc::new(policy),
        max_body_bytes: filter.max_body_bytes,
        unknown_paths: filter.unknown_paths,
        recall: filter.recall,
    })
}

impl Inspects {
    fn of(policy: &Policy) -> Self {
        Self {
            requests: policy.is_active(Direction::Request) || policy.watches_leaks(),
            responses: policy.is_active(Direction::Response) || policy.pseudonymises(),
        }
    }
}

/// The members of the filter, and those of [`RawPolicy`], which stand side by side.
fn members(field: &str, written: Value) -> Result<(RawFilter, RawPolicy), SettingsError> {
    let mut own = Map::new();
    let mut written = written;
    if let Value::Object(members) = &mut written {
        own.extend(OWN.into_iter().filter_map(|name| members.remove_entry(name)));
    }
    let policy = located::read(field, written).map_err(|mut error| {
        if let SettingsError::Misfit { field: at, problem } = &mut error
            && at == field
            && problem.starts_with("unknown field")
        {
            // The list of those that there are goes on with the filter's.
            OWN.iter().for_each(|name| problem.push_str(&format!(", `{name}`")));
        }
        error
    })?;
    Ok((located::read(field, Value::Object(own))?, policy))
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
        let policy = policies.fallback().unwrap();
        assert_eq!(policy.inspects, Inspects { requests: true, responses: true });
        assert_eq!(policy.max_body_bytes, DEFAULT_MAX_BODY_BYTES);
        assert_eq!(policy.unknown_paths, UnknownPaths::Inspect);
        assert!(policy.recall);
    }

    #[test]
    fn fractions_may_be_strings_as_envoy_hands_them_over() {
        let rule =
            r#"{"rules":["pii"],"action":"redact","min_confidence":"0.7","direction":"request"}"#;
        let policies = read(&format!(r#"{{"rules":[{rule}],"max_body_bytes":5}}"#)).unwrap();
        let policy = policies.fallback().unwrap();
        assert_eq!(policy.inspects, Inspects { requests: true, responses: false });
        assert_eq!(policy.max_body_bytes, 5);
    }

    #[test]
    fn a_response_is_read_where_names_have_to_be_restored() {
        let rule = r#"{"rules":["pii"],"action":"pseudonymise","direction":"request"}"#;
        let policies = read(&format!(r#"{{"rules":[{rule}]}}"#)).unwrap();
        assert!(policies.fallback().unwrap().inspects.responses);
    }

    #[test]
    fn mistakes_are_named_with_their_place() {
        let rule = |members: &str| {
            format!(r#"{{"rules":[{{"rules":["pii"],"action":"flag"}},{{{members}}}]}}"#)
        };
        let actions = "one of `flag`, `redact`, `mask`, `hash`, `pseudonymise`, `block`";
        for (policy, expected) in [
            (
                rule(r#""rules":["pii"],"action":"delete""#),
                format!("policies.strict.rules[1].action: unknown variant `delete`, expected {actions}"),
            ),
            (rule(r#""rules":["pii"]"#), "policies.strict.rules[1]: missing field `action`".to_owned()),
            (
                rule(r#""rules":"pii","action":"flag""#),
                "policies.strict.rules[1].rules: found string \"pii\", expected a list".to_owned(),
            ),
            (
                rule(r#""rules":["pii"],"action":"flag","min_confidence":"2""#),
                "policies.strict.rules[1].min_confidence: 2 is outside 0 to 1".to_owned(),
            ),
            (
                rule(r#""rules":["pii"],"action":"flag","roles":["typo"]"#),
                "policies.strict.rules[1].roles[0]: \"typo\" is no message role; the roles are user, assistant, system, developer, tool, function, model".to_owned(),
            ),
            (
                rule(r#""rules":["pii"],"action":"hash""#),
                "policies.strict.hash_key_env: (none) is needed by the action `hash`: the name of a variable with its key".to_owned(),
            ),
            (
                r#"{"dictionaries":[{"id":"d","entity":"D","terms":["a",7]}]}"#.to_owned(),
                "policies.strict.dictionaries[0].terms[1]: found integer `7`, expected a string".to_owned(),
            ),
            (
                r#"{"unknown_paths":"drop"}"#.to_owned(),
                "policies.strict.unknown_paths: unknown variant `drop`, expected `inspect` or `pass`".to_owned(),
            ),
            (
                r#"{"max_body_bytes":0}"#.to_owned(),
                "policies.strict.max_body_bytes: 0 must be at least 1".to_owned(),
            ),
            ("null".to_owned(), "policies.strict: found nothing, expected a policy".to_owned()),
        ] {
            let json = format!(r#"{{"policies":{{"default":{{}},"strict":{policy}}}}}"#);
            let error = policies(json.as_bytes(), |_| None).unwrap_err().to_string();
            assert_eq!(error, expected, "{policy}");
        }
    }

    #[test]
    fn an_unknown_member_is_answered_with_all_that_there_are() {
        let error = read(r#"{"max_body":1}"#).unwrap_err().to_string();
        assert!(
            error
                .starts_with("policies.default: unknown field `max_body`, expected one of `rules`")
        );
        assert!(error.ends_with("`max_body_bytes`, `unknown_paths`, `recall`"), "{error}");
    }

    #[test]
    fn the_key_of_hash_has_to_be_there() {
        let error = read(r#"{"hash_key_env":"NONE"}"#).unwrap_err().to_string();
        assert!(error.starts_with("policies.default.hash_key_env: NONE is not set"), "{error}");
        assert!(read(r#"{"hash_key_env":"KEY"}"#).is_ok());
    }

    #[test]
    fn a_policy_that_stands_for_itself_has_places_of_its_own() {
        let read = |written| policy("", written, |_| None).unwrap_err().to_string();
        let rules = serde_json::json!({"rules": [{"rules": ["nosuch"], "action": "flag"}]});
        assert!(read(rules).starts_with("rules[0].rules[0]: \"nosuch\" is no group"));
        assert_eq!(
            read(serde_json::json!({"roles": 1})),
            "roles: found integer `1`, expected a list"
        );
        assert!(read(serde_json::json!({"colour": 1})).starts_with("unknown field `colour`"));
    }
}
