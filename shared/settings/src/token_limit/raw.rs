//! Policies as written.

use serde::Deserialize;

/// One policy as written.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RawPolicy {
    /// The limits that a request has to pass, all of them or none.
    pub limits: Vec<RawLimit>,
    /// What tokens cost, by model; needed by limits on cost, and shown with what was spent.
    #[serde(default)]
    pub prices: Vec<RawPrice>,
    /// What changes while the pool is saturated.
    #[serde(default)]
    pub saturated: RawSaturated,
    /// True if metrics, and what is told of spending, may name consumers.
    #[serde(default)]
    pub show_consumers: bool,
    /// Which headers tell clients how their keys stand: `openai`, `ietf`; both if not given.
    #[serde(default = "default_headers")]
    pub headers: Vec<String>,
    /// Largest body in bytes that the filter itself reads, where no router has.
    #[serde(default = "default_max_body_bytes")]
    pub max_body_bytes: u64,
}

fn default_headers() -> Vec<String> {
    vec!["openai".to_owned(), "ietf".to_owned()]
}

fn default_max_body_bytes() -> u64 {
    crate::model_router::DEFAULT_MAX_BODY_BYTES
}

/// What changes while the pool is saturated, as written.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RawSaturated {
    /// The objectives whose requests are refused, as something before Weir names them.
    #[serde(default)]
    pub shed: Vec<String>,
    /// The part of every burst that is left, above 0 and at most 1; all of it if not given.
    pub burst: Option<f64>,
}

/// One limit as written. One of `tokens`, `cost`, `requests` and `concurrent` says what is counted.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RawLimit {
    /// What it is called in headers, metrics and errors: letters, digits, `-`, `_` and `.`.
    pub name: String,
    /// What tells those apart who each have the limit for themselves: `consumer`, `model`, `pool`,
    /// `route`, `client-ip`, `header:NAME`, `claim:PATH`. Without any, all requests share it.
    #[serde(default)]
    pub per: Vec<String>,
    /// The models that it is for, exact or with a `*` at the end; all if not given.
    #[serde(default)]
    pub models: Vec<String>,
    /// Tokens per window.
    pub tokens: Option<u64>,
    /// Money per window, in the currency of the prices.
    pub cost: Option<f64>,
    /// Requests per window.
    pub requests: Option<u64>,
    /// Requests under way at the same time.
    pub concurrent: Option<u64>,
    /// In which time that comes back: a whole number and `s`, `m`, `h` or `d`, from 1 s to 1 d. For `scope: fleet`
    /// also `day`, `week` or `month`, with how far the time zone is ahead of UTC (`month+01:00`): all of it at once
    /// when the next begins.
    pub window: Option<String>,
    /// How much may be spent at once; as much as in a window if not given.
    pub burst: Option<f64>,
    /// How much a token of each type counts; 1 if not given. For tokens only.
    pub weights: Option<RawWeights>,
    /// What is reserved for the completion: `learned` (if not given), `full`, `none`, `fraction`.
    pub reserve: Option<RawReserve>,
    /// The part of `max_tokens` that `fraction` reserves, above 0 and below 1.
    pub fraction: Option<f64>,
    /// Tokens to reserve where neither `max_tokens` nor experience says.
    pub guess: Option<u64>,
    /// What happens to a request that does not fit: `reject` (if not given), `shadow`,
    /// `deprioritise`, `downgrade(MODEL)`.
    pub on_exceed: Option<String>,
    /// What happens to requests that lack a value of `per`.
    #[serde(default)]
    pub unidentified: Unidentified,
    /// Who has the limit together: the workers of one Envoy (`envoy`, if not given), or all gateways whose
    /// sidecars share a Redis (`fleet`).
    pub scope: Option<String>,
    /// For `scope: fleet`: what is admitted beyond grants while nothing can be granted. `local` (this gateway's
    /// share, if not given), `deny`, `allow`.
    pub on_unavailable: Option<String>,
    /// For `scope: fleet`: how much this gateway may spend of a key that it has no grant of yet; a
    /// twentieth of `burst` if not given.
    pub first: Option<f64>,
    /// For `scope: fleet`: the part of the limit that `on_unavailable: local` admits here, above 0 and at
    /// most 1; one by the number of gateways if not given.
    pub share: Option<f64>,
}

/// Weights of token types as written.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RawWeights {
    /// Prompt tokens that were computed.
    pub prompt: Option<f64>,
    /// Prompt tokens that came from a cache; as `prompt` if not given.
    pub cached: Option<f64>,
    /// Completion tokens.
    pub completion: Option<f64>,
    /// Those of reasoning; as `completion` if not given.
    pub reasoning: Option<f64>,
}

/// What the tokens of a model cost, per million.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RawPrice {
    /// The model, exact or with a `*` at the end.
    pub model: String,
    /// A million prompt tokens.
    pub prompt: f64,
    /// A million prompt tokens from a cache; as `prompt` if not given.
    pub cached: Option<f64>,
    /// A million completion tokens.
    pub completion: f64,
    /// A million of them that are reasoning; as `completion` if not given.
    pub reasoning: Option<f64>,
}

/// What is reserved for a completion.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RawReserve {
    /// Nothing.
    None,
    /// A part of `max_tokens`.
    Fraction,
    /// All of `max_tokens`.
    Full,
    /// What nine of ten completions of the same key stay below.
    #[default]
    Learned,
}

/// What happens to requests that lack a value of `per`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Unidentified {
    /// They share one limit among themselves.
    #[default]
    Share,
    /// They are refused.
    Reject,
    /// The limit is not for them.
    Exempt,
}
