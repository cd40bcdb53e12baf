//! Configuration of `token-limit`.

mod dimension;
mod fleet;
mod limit;
mod model_pattern;
mod number;
mod raw;
mod saturated;
mod settings;

use std::cell::RefCell;
use std::collections::BTreeMap;

use weir_tokens::charge::Weights;
use weir_tokens::limits::{Limit, LimitId};

pub use dimension::Dimension;
pub use limit::{OnExceed, PolicyLimit};
pub use model_pattern::ModelPattern;
pub use raw::{RawLimit, RawPolicy, RawPrice, RawReserve, RawSaturated, RawWeights, Unidentified};
pub use saturated::Saturated;
pub use settings::TokenLimitSettings;

use serde_json::Value;

use crate::{Policies, SettingsError, located};

/// Most limits of a policy: each may cost a page of shared data per request.
pub const MAX_LIMITS: usize = 16;

/// One compiled policy.
#[derive(Debug)]
pub struct TokenLimitPolicy {
    /// Its limits, as written. A request has to pass all that apply to it.
    pub limits: Vec<PolicyLimit>,
    /// What changes while the pool is saturated.
    pub saturated: Saturated,
    /// Whether metrics, and what is told of spending, may name consumers.
    pub show_consumers: bool,
    /// Whether clients are told by OpenAI's `x-ratelimit-*` how their keys stand.
    pub open_ai_headers: bool,
    /// The same by the IETF's `RateLimit` and `RateLimit-Policy`.
    pub ietf_headers: bool,
    /// Largest body in bytes that the filter itself reads.
    pub max_body_bytes: u64,
    /// By model, the closest first.
    prices: Vec<(ModelPattern, Weights)>,
}

impl TokenLimitPolicy {
    /// What tokens of a model cost, in units of [`weir_tokens::limits::Measure::Cost`]; nothing where no
    /// price is written.
    pub fn prices(&self, model: &str) -> Weights {
        limit::of_model(&self.prices, model)
    }

    /// Whether some limit goes by tokens, so that usage has to be known.
    pub fn by_tokens(&self) -> bool {
        self.limits.iter().any(|limit| limit.limit.measure().by_tokens())
    }
}

/// Reads all policies of `token-limit`.
///
/// Limits of one name are one limit, in whichever policies they stand: what is spent on one route is
/// missing on the other.
///
/// # Errors
/// See [`Policies::from_json`]; also what [`policy`] refuses, and a name that stands for two different
/// limits.
pub fn policies(json: &[u8]) -> Result<Policies<TokenLimitPolicy>, SettingsError> {
    let same = same_in_all();
    Policies::from_json(json, |field, raw| same(field, policy(field, raw)?))
}

/// Lets policies pass, one after the other, whose limits of one name are the same.
fn same_in_all() -> impl Fn(&str, TokenLimitPolicy) -> Result<TokenLimitPolicy, SettingsError> {
    let known = RefCell::new(BTreeMap::new());
    move |field, policy| {
        let mut known = known.borrow_mut();
        for (at, limit) in policy.limits.iter().enumerate() {
            same_everywhere(&mut known, &format!("{field}.limits[{at}]"), limit)?;
        }
        Ok(policy)
    }
}

/// Reads one policy, which stands at `field`; that is empty where it stands for itself.
///
/// # Errors
/// Members that do not exist, are missing or of another kind, and what [`policy`] refuses.
pub fn read(field: &str, written: Value) -> Result<TokenLimitPolicy, SettingsError> {
    policy(field, located::read(field, written)?)
}

/// Compiles one policy, which stands at `field`; that is empty where it stands for itself.
///
/// # Errors
/// [`SettingsError`] names the place of a limit without a name or with one that stands twice, of none
/// or several of `tokens`, `cost`, `requests` and `concurrent`, of numbers and windows out of range, of
/// unknown dimensions, of a cost without prices.
pub fn policy(field: &str, raw: RawPolicy) -> Result<TokenLimitPolicy, SettingsError> {
    let path = |member: &str| match field {
        "" => member.to_owned(),
        field => format!("{field}.{member}"),
    };
    if !(1..=MAX_LIMITS).contains(&raw.limits.len()) {
        let problem = format!("limits: a policy has 1 to {MAX_LIMITS}");
        return Err(SettingsError::invalid(path("limits"), raw.limits.len(), problem));
    }
    let prices = limit::prices(&path("prices"), &raw.prices)?;
    let mut limits: Vec<PolicyLimit> = Vec::with_capacity(raw.limits.len());
    for (at, raw) in raw.limits.into_iter().enumerate() {
        let field = path(&format!("limits[{at}]"));
        let limit = PolicyLimit::compile(&field, raw, &prices)?;
        if limits.iter().any(|other| other.name == limit.name) {
            let field = format!("{field}.name");
            return Err(SettingsError::invalid(field, limit.name, "stands twice"));
        }
        limits.push(limit);
    }
    let saturated = Saturated::compile(&path("saturated"), raw.saturated)?;
    let (open_ai_headers, ietf_headers) = headers(&path("headers"), &raw.headers)?;
    let RawPolicy { show_consumers, max_body_bytes, .. } = raw;
    if max_body_bytes == 0 {
        return Err(SettingsError::invalid(path("max_body_bytes"), 0, "must be at least 1"));
    }
    Ok(TokenLimitPolicy {
        limits,
        saturated,
        show_consumers,
        open_ai_headers,
        ietf_headers,
        max_body_bytes,
        prices,
    })
}

/// Whether OpenAI's headers are written, and the IETF's.
fn headers(field: &str, written: &[String]) -> Result<(bool, bool), SettingsError> {
    let (mut open_ai, mut ietf) = (false, false);
    for (at, family) in written.iter().enumerate() {
        match family.as_str() {
            "openai" => open_ai = true,
            "ietf" => ietf = true,
            _ => {
                let (field, family) = (format!("{field}[{at}]"), format!("{family:?}"));
                return Err(SettingsError::invalid(field, family, "is none of openai, ietf"));
            }
        }
    }
    Ok((open_ai, ietf))
}

/// What makes a limit the same in two policies, by what stands for it in shared data.
type Known = BTreeMap<LimitId, (String, String, Limit, Vec<Dimension>)>;

fn same_everywhere(
    known: &mut Known,
    field: &str,
    limit: &PolicyLimit,
) -> Result<(), SettingsError> {
    let id = limit.limit.id();
    let Some((place, name, other, per)) = known.get(&id) else {
        let definition = (field.to_owned(), limit.name.clone(), limit.limit, limit.per.clone());
        known.insert(id, definition);
        return Ok(());
    };
    let problem = if *name != limit.name {
        format!("has the same hash as {name:?} at {place}; change one of the names")
    } else if *other != limit.limit || *per != limit.per {
        format!(
            "is another limit at {place}; limits of one name are one limit, so `per`, amount, \
             `window` and `burst` must be the same"
        )
    } else {
        return Ok(());
    };
    Err(SettingsError::invalid(format!("{field}.name"), &limit.name, problem))
}

#[cfg(test)]
mod tests;
