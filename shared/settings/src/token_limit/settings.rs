//! The whole configuration of the filter: policies, and what they rely on.

use weir_tokens::limits::LimitId;

use super::{Dimension, OnExceed, PolicyLimit, RawPolicy, TokenLimitPolicy, same_in_all};
use crate::trust::Trust;
use crate::{Policies, SettingsError, located, plugin};

/// The whole configuration of `token-limit`.
#[derive(Debug)]
pub struct TokenLimitSettings {
    /// Its policies.
    pub policies: Policies<TokenLimitPolicy>,
    /// What something before Weir vouches for.
    pub trust: Trust,
}

impl TokenLimitSettings {
    /// Reads `policies`, `routes` and `trust`.
    ///
    /// `downgrades` says whether another filter of the same Envoy filter can give a request another
    /// model.
    ///
    /// # Errors
    /// See [`super::policies`] and [`Trust::compile`]; also limits that ask who the consumer is, for a
    /// claim of its token or for an objective, where nothing vouches for that.
    pub fn from_json(json: &[u8], downgrades: bool) -> Result<Self, SettingsError> {
        let mut members = plugin::members(json)?;
        let trust = match members.remove("trust").filter(|written| !written.is_null()) {
            Some(written) => Trust::compile("trust", located::read("trust", written)?)?,
            None => Trust::default(),
        };
        let same = same_in_all();
        let policies = Policies::from_members(members, |field, written| {
            let raw: RawPolicy = located::read(field, written)?;
            let policy = same(field, super::policy(field, raw)?)?;
            check(field, &policy, &trust, downgrades)?;
            Ok(policy)
        })?;
        Ok(Self { policies, trust })
    }

    /// Every limit of every policy once, with its name.
    pub fn limits(&self) -> Vec<&PolicyLimit> {
        let mut known: Vec<LimitId> = Vec::new();
        let mut all = Vec::new();
        for limit in self.policies.iter().flat_map(|policy| &policy.limits) {
            if !known.contains(&limit.limit.id()) {
                known.push(limit.limit.id());
                all.push(limit);
            }
        }
        all
    }
}

/// Whether requests have what a limit goes by.
fn check_dimensions(field: &str, per: &[Dimension], trust: &Trust) -> Result<(), SettingsError> {
    for (position, dimension) in per.iter().enumerate() {
        let problem = match dimension {
            Dimension::Consumer if trust.consumer.is_empty() => {
                "needs `trust.consumer`, which says who the consumer is"
            }
            Dimension::Claim(path) if trust.claim(path).is_none() => {
                "needs a `jwt` in `trust.consumer`, which says where the token's claims are"
            }
            _ => continue,
        };
        return Err(SettingsError::misfit(format!("{field}[{position}]"), problem));
    }
    Ok(())
}

/// Whether everything is vouched for that the policy relies on.
fn check(
    field: &str,
    policy: &TokenLimitPolicy,
    trust: &Trust,
    downgrades: bool,
) -> Result<(), SettingsError> {
    for (at, limit) in policy.limits.iter().enumerate() {
        check_dimensions(&format!("{field}.limits[{at}].per"), &limit.per, trust)?;
        if matches!(limit.on_exceed, OnExceed::Downgrade(_)) && !downgrades {
            let problem = "`downgrade` is for `root_id: gateway`, where model-router makes one decision \
                           about the model";
            return Err(SettingsError::misfit(format!("{field}.limits[{at}].on_exceed"), problem));
        }
    }
    if policy.show_consumers && trust.consumer.is_empty() {
        let problem = "needs `trust.consumer`, which says who the consumer is";
        return Err(SettingsError::misfit(format!("{field}.show_consumers"), problem));
    }
    if !policy.saturated.shed.is_empty() && !trust.objective {
        let problem = "needs `trust.objective: true`: otherwise a client's own objective would count, \
                       which is removed";
        return Err(SettingsError::misfit(format!("{field}.saturated.shed"), problem));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    fn read(trust: &str, policy: &str) -> Result<TokenLimitSettings, String> {
        let json = format!(r#"{{"trust":{trust},"policies":{{"default":{policy}}}}}"#);
        TokenLimitSettings::from_json(json.as_bytes(), true).map_err(|error| error.to_string())
    }

    #[test]
    fn what_a_policy_relies_on_has_to_be_vouched_for() {
        let limit = |rest: &str| {
            format!(r#"{{"limits":[{{"name":"a","requests":1,"window":"1m"{rest}}}]}}"#)
        };
        let more = |members: &str| limit("").replacen('{', &format!("{{{members},"), 1);
        let (header, jwt) =
            (r#"{"consumer":[{"header":"x-c"}]}"#, r#"{"consumer":[{"jwt":["p","s"]}]}"#);
        for (policy, without, with) in [
            (limit(r#","per":["consumer"]"#), "limits[0].per[0]: needs `trust.consumer`", header),
            (limit(r#","per":["pool","claim:a.b"]"#), "limits[0].per[1]: needs a `jwt`", jwt),
            (more(r#""show_consumers":true"#), "show_consumers: needs `trust.consumer`", header),
            (
                more(r#""saturated":{"shed":["low"]}"#),
                "saturated.shed: needs `trust.objective: true`",
                r#"{"objective":true}"#,
            ),
        ] {
            let error = read("null", &policy).unwrap_err();
            assert!(error.starts_with(&format!("policies.default.{without}")), "{error}");
            assert!(read(with, &policy).is_ok(), "{policy}");
        }
        assert!(read(header, &limit(r#","per":["claim:a"]"#)).is_err(), "a header has no claims");
    }

    #[test]
    fn what_changes_under_load_is_read_and_mistakes_have_their_place() {
        let policy = |saturated: &str| {
            let limit = r#"{"name":"a","requests":1,"window":"1m"}"#;
            read(
                r#"{"objective":true}"#,
                &format!(r#"{{"saturated":{saturated},"limits":[{limit}]}}"#),
            )
        };
        let read = policy(r#"{"shed":["low"],"burst":"0.25"}"#).unwrap();
        let saturated = &read.policies.fallback().unwrap().saturated;
        assert_eq!((saturated.shed.len(), saturated.burst_permille), (1, 250));
        assert!(saturated.matters() && read.limits().len() == 1);
        assert!(!policy("{}").unwrap().policies.fallback().unwrap().saturated.matters());
        for (saturated, place) in [
            (r#"{"burst":0}"#, "policies.default.saturated.burst: 0"),
            (r#"{"burst":"1.1"}"#, "policies.default.saturated.burst: 1.1"),
            (r#"{"shed":[""]}"#, "policies.default.saturated.shed[0]: "),
        ] {
            let error = policy(saturated).unwrap_err();
            assert!(error.starts_with(place), "{error}");
        }
    }

    #[test]
    fn a_limit_of_two_policies_is_one() {
        let json = r#"{"policies":{
            "a":{"limits":[{"name":"x","requests":1,"window":"1m"},{"name":"y","concurrent":1}]},
            "default":{"limits":[{"name":"x","requests":1,"window":"1m"}]}}}"#;
        let settings = TokenLimitSettings::from_json(json.as_bytes(), false).unwrap();
        let names: Vec<_> = settings.limits().iter().map(|limit| limit.name.as_str()).collect();
        assert_eq!(names, ["x", "y"]);
        let other = json.replacen("\"requests\":1", "\"requests\":2", 1);
        assert!(TokenLimitSettings::from_json(other.as_bytes(), false).is_err());
    }
}
