//! A policy as an operator writes it.

use serde::{Deserialize, Serialize};

use crate::unscannable::{OnTrouble, OnUnscannable};

/// Which way a text goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Direction {
    /// From the client to the replica.
    Request,
    /// From the replica to the client.
    Response,
}

/// The ways a rule looks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Directions {
    /// Requests only.
    Request,
    /// Responses only.
    Response,
    /// Both.
    #[default]
    Both,
}

impl Directions {
    /// Whether `direction` is one of them.
    pub fn include(self, direction: Direction) -> bool {
        match self {
            Self::Both => true,
            Self::Request => direction == Direction::Request,
            Self::Response => direction == Direction::Response,
        }
    }
}

/// What happens to a finding.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Action {
    /// Counted only.
    #[default]
    Flag,
    /// Replaced by the entity's name: `[EMAIL]`.
    Redact,
    /// All letters and digits but the last four are starred.
    Mask,
    /// Replaced by a keyed SHA-256 prefix, the same for the same value: `[EMAIL:3f9a…]`.
    Hash,
    /// Replaced by a numbered name, `[EMAIL_1]`, and restored in the response to the same request.
    Pseudonymise,
    /// The request is refused, or the response ended.
    Block,
}

/// Whether `roles` of a policy or rule include this one. A role that no dialect has (`User`) is in all
/// of them: what a server makes of it is not known, so that nobody gets past a rule by it.
pub(crate) fn has_role(roles: &[String], role: &str) -> bool {
    roles.is_empty() || !ROLES.contains(&role) || roles.iter().any(|inspected| inspected == role)
}

/// The message roles of the dialects; `model` is Gemini's `assistant`.
pub const ROLES: [&str; 7] =
    ["user", "assistant", "system", "developer", "tool", "function", "model"];

/// What to do about one rule, one entity type or one group.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, expecting = "a rule")]
pub struct RawRule {
    /// Groups (`pii`), rule ids (`pii.email`) or entity types (`EMAIL`).
    pub rules: Vec<String>,
    /// Directions inspected.
    #[serde(default)]
    pub direction: Directions,
    /// What happens to a finding.
    pub action: Action,
    /// Least confidence, 0 to 1, that counts.
    #[serde(default = "half")]
    pub min_confidence: f32,
    /// Rule ids and entity types left out of a group named in `rules`.
    #[serde(default)]
    pub except: Vec<String>,
    /// Found and counted, but nothing is done.
    #[serde(default)]
    pub shadow: bool,
    /// Message roles inspected in requests, of [`ROLES`]; empty means all.
    #[serde(default)]
    pub roles: Vec<String>,
    /// May be skipped while the pool is saturated.
    #[serde(default)]
    pub optional: bool,
}

fn half() -> f32 {
    0.5
}

/// A custom regular expression.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, expecting = "a regex")]
pub struct RawRegex {
    /// Rule id; `custom.` is put before it.
    pub id: String,
    /// Entity type of what it finds.
    pub entity: String,
    /// The pattern, in the syntax of the `regex` crate.
    pub pattern: String,
    /// Confidence of a match, 0 to 1.
    #[serde(default = "sure")]
    pub confidence: f32,
}

/// A list of terms, matched as whole words without regard to case.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, expecting = "a dictionary")]
pub struct RawDictionary {
    /// Rule id; `custom.` is put before it.
    pub id: String,
    /// Entity type of what it finds.
    pub entity: String,
    /// The terms.
    pub terms: Vec<String>,
    /// Confidence of a match, 0 to 1.
    #[serde(default = "sure")]
    pub confidence: f32,
}

fn sure() -> f32 {
    0.9
}

/// What is never reported.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default, expecting = "members")]
pub struct Allow {
    /// Exact values, without regard to case.
    pub exact: Vec<String>,
    /// Patterns that match a whole value.
    pub regex: Vec<String>,
    /// Domains of email addresses and URLs, with their subdomains.
    pub domains: Vec<String>,
}

/// A guardrail policy.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default, expecting = "a policy")]
pub struct RawPolicy {
    /// What to do, later entries before earlier ones. Empty: the default policy.
    pub rules: Vec<RawRule>,
    /// What is never reported.
    pub allow: Allow,
    /// Hosts that links and images in responses may point to, with their subdomains.
    pub link_hosts: Vec<String>,
    /// Custom regular expressions.
    pub regexes: Vec<RawRegex>,
    /// Custom dictionaries.
    pub dictionaries: Vec<RawDictionary>,
    /// When inspecting fails.
    pub on_error: OnTrouble,
    /// When a body can't be read: compressed, not JSON, binary, too large, an unknown event.
    pub on_unscannable: OnUnscannable,
    /// Most bytes of text in a response (or, streamed, in one choice's channel).
    pub max_response_bytes: Option<usize>,
    /// Most bytes held back in a stream; 2048 to 65536, default 4096.
    pub hold_back_bytes: Option<usize>,
    /// Message roles inspected in requests, of [`ROLES`]; empty means all.
    pub roles: Vec<String>,
    /// Whether functional fields (identifiers, addresses, tokens, schemas) are inspected like text.
    pub inspect_functional: bool,
    /// Environment variable with the key of `hash`.
    pub hash_key_env: Option<String>,
}
