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

/// Whether everything is vouched for that the policy relies on.
fn check(
    field: &str,
    policy: &TokenLimitPolicy,
    trust: &Trust,
    downgrades: bool,
) -> Result<(), SettingsError> {
    for (at, limit) in policy.limits.iter().enumerate() {
        for (position, dimension) in limit.per.iter().enumerate() {
            let problem = match dimension {
                Dimension::Consumer if trust.consumer.is_empty() => {
                    "needs `trust.consumer`, which says who the consumer is"
                }
                Dimension::Claim(path) if trust.claim(path).is_none() => {
                    "needs a `jwt` in `trust.consumer`, which says where the token's claims are"
                }
                _ => continue,
            };
            let place = format!("{field}.limits[{at}].per[{position}]");
            return Err(SettingsError::misfit(place, problem));
        }
        if matches!(limit.on_exceed, OnExceed::Downgrade(_)) && !downgrades {
            let problem = "`downgrade` is for `root_id: gateway`, where model-router makes one decision \
                           about the model";
            return Err(SettingsError::misfit(format!("{field}.limits[{at}].on_exceed"), problem));
        }
    }
    if !policy.saturated.shed.is_empty() && !trust.objective {
        let problem = "needs `trust.objective: true`: otherwise a client's own objective would count, \
                       which is removed";
        return Err(SettingsError::misfit(format!("{field}.saturated.shed"), problem));
    }
    Ok(())
}
