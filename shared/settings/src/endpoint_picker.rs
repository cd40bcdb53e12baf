//! Configuration of `endpoint-picker`.

use serde::Deserialize;

use crate::{Policies, SettingsError};

/// One policy as written.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RawPolicy {
    /// Pool to pick from; it comes before the one that a filter before this one has named.
    #[serde(default)]
    pub pool: Option<String>,
    /// How many further endpoints follow the chosen one, for retries.
    #[serde(default = "default_alternates")]
    pub alternates: u8,
    /// True to obey `x-gateway-destination-endpoint-subset`, which must then come from a trusted
    /// filter and not from clients.
    #[serde(default)]
    pub accept_subset: bool,
    /// A snapshot older than this many ms is stale: affinity and own counts decide.
    #[serde(default = "default_fresh_ms")]
    pub fresh_ms: u32,
    /// Prompt tokens that a replica of these pools prefills per second.
    #[serde(default = "default_prefill_rate")]
    pub prefill_tokens_per_second: u32,
    /// Largest request body that this filter reads by itself, in bytes, where no filter before it
    /// has read it.
    #[serde(default = "default_max_body_bytes")]
    pub max_body_bytes: u64,
    /// True to decide and count only: no header is set or removed.
    #[serde(default)]
    pub shadow: bool,
    /// Given to ask replicas for their load with each response, as ORCA has it: `json` or `text`.
    #[serde(default)]
    pub orca: Option<OrcaFormat>,
    /// Streams that do not come to their first token go to the next endpoint; without it they wait.
    #[serde(default)]
    pub failover: Option<Failover>,
}

/// How replicas are asked to write their load.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum OrcaFormat {
    /// `JSON {"named_metrics":{…}}`.
    Json,
    /// `TEXT named_metrics.…=…`.
    Text,
}

impl OrcaFormat {
    /// The value of `endpoint-load-metrics-format`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Json => "JSON",
            Self::Text => "TEXT",
        }
    }
}

/// What is done about streams that do not come to their first token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Failover {
    /// How long an endpoint may take to the first token of a stream, in ms.
    pub first_token_ms: u32,
}

/// Longest wait for a first token, in ms: an hour. Larger numbers are mistakes.
pub const MAX_FIRST_TOKEN_MS: u32 = 3_600_000;

fn default_alternates() -> u8 {
    2
}

fn default_fresh_ms() -> u32 {
    1000
}

/// 0.2 ms a token: the middle of what an 8B model on an H100 takes (0.15–0.30 ms).
fn default_prefill_rate() -> u32 {
    5000
}

fn default_max_body_bytes() -> u64 {
    crate::model_router::DEFAULT_MAX_BODY_BYTES
}

/// One compiled policy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PickerPolicy {
    /// Pool to pick from, before the one that the facts name.
    pub pool: Option<String>,
    /// Endpoints after the chosen one, 0–2.
    pub alternates: u8,
    /// Whether `x-gateway-destination-endpoint-subset` restricts the endpoints.
    pub accept_subset: bool,
    /// Age limit of a fresh snapshot, in ms.
    pub fresh_ms: u32,
    /// Prompt tokens prefilled per second, at least 1.
    pub prefill_tokens_per_second: u32,
    /// Largest request body read here, in bytes.
    pub max_body_bytes: u64,
    /// Whether the decision is only counted.
    pub shadow: bool,
    /// How replicas are asked for their load with each response, if they are.
    pub orca: Option<OrcaFormat>,
    /// What is done about streams that do not come to their first token.
    pub failover: Option<Failover>,
}

/// Most alternates after the chosen endpoint.
pub const MAX_ALTERNATES: u8 = 2;

/// Reads all policies of `endpoint-picker`.
///
/// # Errors
/// See [`Policies::from_json`]; also more than [`MAX_ALTERNATES`] alternates, a rate or a limit of 0, more than
/// [`MAX_FIRST_TOKEN_MS`], or `orca` or a failover in shadow.
pub fn policies(json: &[u8]) -> Result<Policies<PickerPolicy>, SettingsError> {
    Policies::from_json(json, compile)
}

fn compile(field: &str, raw: RawPolicy) -> Result<PickerPolicy, SettingsError> {
    let RawPolicy {
        pool,
        alternates,
        accept_subset,
        fresh_ms,
        prefill_tokens_per_second,
        max_body_bytes,
        shadow,
        orca,
        failover,
    } = raw;
    if alternates > MAX_ALTERNATES {
        let problem = format!("is more than {MAX_ALTERNATES}");
        return Err(SettingsError::invalid(format!("{field}.alternates"), alternates, problem));
    }
    for (name, value) in
        [("fresh_ms", fresh_ms), ("prefill_tokens_per_second", prefill_tokens_per_second)]
    {
        if value == 0 {
            return Err(SettingsError::invalid(format!("{field}.{name}"), 0, "must be at least 1"));
        }
    }
    if shadow && orca.is_some() {
        let problem = "changes what is sent, and `shadow` changes nothing: take one of them out";
        return Err(SettingsError::misfit(format!("{field}.orca"), problem));
    }
    check_failover(field, failover, shadow)?;
    Ok(PickerPolicy {
        pool,
        alternates,
        accept_subset,
        fresh_ms,
        prefill_tokens_per_second,
        max_body_bytes,
        shadow,
        orca,
        failover,
    })
}

fn check_failover(
    field: &str,
    failover: Option<Failover>,
    shadow: bool,
) -> Result<(), SettingsError> {
    let Some(Failover { first_token_ms }) = failover else { return Ok(()) };
    if !(1..=MAX_FIRST_TOKEN_MS).contains(&first_token_ms) {
        let problem = format!("must be from 1 to {MAX_FIRST_TOKEN_MS}");
        let place = format!("{field}.failover.first_token_ms");
        return Err(SettingsError::invalid(place, first_token_ms, problem));
    }
    if shadow {
        let problem = "changes requests, which `shadow: true` must not";
        return Err(SettingsError::misfit(format!("{field}.failover"), problem));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    #[test]
    fn an_empty_policy_has_the_documented_defaults() {
        let all = policies(br#"{"policies":{"default":{}}}"#).unwrap();
        let policy = all.fallback().unwrap();
        assert_eq!((policy.alternates, policy.fresh_ms), (2, 1000));
        assert_eq!((policy.prefill_tokens_per_second, policy.shadow), (5000, false));
        assert_eq!(policy.orca, None);
        assert_eq!(policy.failover, None);
    }

    #[test]
    fn values_out_of_range_are_refused_by_name() {
        for (policy, expected) in [
            (r#"{"alternates":3}"#, "policies.default.alternates: 3 is more than 2"),
            (
                r#"{"shadow":true,"orca":"json"}"#,
                "policies.default.orca: changes what is sent, and `shadow` changes nothing: take one of them out",
            ),
            (r#"{"fresh_ms":0}"#, "policies.default.fresh_ms: 0 must be at least 1"),
            (
                r#"{"failover":{"first_token_ms":0}}"#,
                "policies.default.failover.first_token_ms: 0 must be from 1 to 3600000",
            ),
            (
                r#"{"failover":{"first_token_ms":9},"shadow":true}"#,
                "policies.default.failover: changes requests, which `shadow: true` must not",
            ),
        ] {
            let json = format!(r#"{{"policies":{{"default":{policy}}}}}"#);
            assert_eq!(policies(json.as_bytes()).unwrap_err().to_string(), expected);
        }
    }
}
