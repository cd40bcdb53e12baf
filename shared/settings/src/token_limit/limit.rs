//! One limit of a policy.

use weir_tokens::charge::{Reserve, Share, Weights};
use weir_tokens::limits::{Calendar, Limit, LimitError, LimitId, Measure};

use super::dimension::{Dimension, dimensions};
use super::fleet;
use super::model_pattern::ModelPattern;
use super::number::{per_token, units, window};
use super::raw::{RawLimit, RawPrice, RawReserve, RawWeights, Unidentified};
use crate::SettingsError;

/// Longest name of a limit.
const MAX_NAME: usize = 64;

/// One compiled limit.
#[derive(Debug)]
pub struct PolicyLimit {
    /// Its name.
    pub name: String,
    /// What tells those apart who each have it for themselves.
    pub per: Vec<Dimension>,
    /// The models that it is for; empty for all.
    pub models: Vec<ModelPattern>,
    /// How much in which time.
    pub limit: Limit,
    /// What is reserved for completions.
    pub reserve: Reserve,
    /// What happens to a request that does not fit.
    pub on_exceed: OnExceed,
    /// What happens to a request that lacks a value of `per`.
    pub unidentified: Unidentified,
    /// By model, the closest first; the last is for all.
    weights: Vec<(ModelPattern, Weights)>,
}

/// What happens to a request that does not fit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OnExceed {
    /// It is answered with 429.
    Reject,
    /// It is counted, and goes on.
    Shadow,
    /// It goes on behind all others.
    Deprioritise,
    /// It goes on with another model, once.
    Downgrade(String),
}

impl PolicyLimit {
    /// Whether it is for a model.
    pub fn applies_to(&self, model: &str) -> bool {
        self.models.is_empty() || self.models.iter().any(|pattern| pattern.matches(model))
    }

    /// What tokens of a model are charged, in units.
    pub fn weights(&self, model: &str) -> Weights {
        of_model(&self.weights, model)
    }

    pub(super) fn compile(
        field: &str,
        raw: RawLimit,
        prices: &[(ModelPattern, Weights)],
    ) -> Result<Self, SettingsError> {
        check_name(&format!("{field}.name"), &raw.name)?;
        let (measure, amount, unit) = measured(field, &raw)?;
        let limit = limit(field, &raw, measure, amount, unit)?;
        let limit = fleet::terms(field, &raw, limit)?;
        let mut models = Vec::with_capacity(raw.models.len());
        for (at, model) in raw.models.iter().enumerate() {
            models.push(ModelPattern::read(&format!("{field}.models[{at}]"), model)?);
        }
        let policy = Self {
            per: dimensions(&format!("{field}.per"), &raw.per)?,
            models,
            limit,
            reserve: reserve(field, &raw, measure)?,
            on_exceed: on_exceed(&format!("{field}.on_exceed"), raw.on_exceed.as_deref())?,
            unidentified: raw.unidentified,
            weights: weights(field, raw.weights, measure, prices)?,
            name: raw.name,
        };
        Ok(policy)
    }
}

/// The weights of a model; none where no pattern matches it.
pub(super) fn of_model(weights: &[(ModelPattern, Weights)], model: &str) -> Weights {
    let found = weights.iter().find(|(pattern, _)| pattern.matches(model));
    found.map_or(Weights::all(0), |(_, weights)| *weights)
}

fn check_name(field: &str, name: &str) -> Result<(), SettingsError> {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    if name.is_empty() || name.len() > MAX_NAME || !name.bytes().all(allowed) {
        let problem = "must be 1 to 64 letters, digits, `-`, `_` or `.`";
        return Err(SettingsError::invalid(field, format!("{name:?}"), problem));
    }
    Ok(())
}

/// What is counted, how much of it, and the member that says so.
fn measured(field: &str, raw: &RawLimit) -> Result<(Measure, f64, &'static str), SettingsError> {
    let whole = |number: Option<u64>| number.map(|number| number as f64);
    let written = [
        (Measure::Tokens, whole(raw.tokens), "tokens"),
        (Measure::Cost, raw.cost, "cost"),
        (Measure::Requests, whole(raw.requests), "requests"),
        (Measure::Concurrent, whole(raw.concurrent), "concurrent"),
    ];
    let mut given =
        written.into_iter().filter_map(|(measure, amount, name)| Some((measure, amount?, name)));
    match (given.next(), given.next()) {
        (Some(one), None) => Ok(one),
        (None, _) => Err(SettingsError::misfit(
            field,
            "needs one of `tokens`, `cost`, `requests`, `concurrent`",
        )),
        (Some((.., one)), Some((.., other))) => {
            let problem = format!("has both `{one}` and `{other}`; make it two limits");
            Err(SettingsError::misfit(field, problem))
        }
    }
}

fn limit(
    field: &str,
    raw: &RawLimit,
    measure: Measure,
    amount: f64,
    member: &str,
) -> Result<Limit, SettingsError> {
    let amount = units(&format!("{field}.{member}"), amount, measure.units())?;
    let id = limit_id(&raw.name, member);
    let invalid = |error: LimitError| SettingsError::misfit(field, error.to_string());
    if measure == Measure::Concurrent {
        for (member, given) in [("window", raw.window.is_some()), ("burst", raw.burst.is_some())] {
            if given {
                let problem = "makes no sense for requests under way";
                return Err(SettingsError::misfit(format!("{field}.{member}"), problem));
            }
        }
        return Limit::new(id, measure, 0, 0, amount).map_err(invalid);
    }
    let Some(written) = &raw.window else {
        let problem = "is missing: in which time that comes back, such as 1m";
        return Err(SettingsError::misfit(format!("{field}.window"), problem));
    };
    if let Some(calendar) = Calendar::parse(written) {
        check_calendar(field, raw)?;
        return Limit::of_calendar(id, measure, amount, calendar).map_err(invalid);
    }
    let window_ms = window(&format!("{field}.window"), written)?;
    let burst = match raw.burst {
        Some(burst) => units(&format!("{field}.burst"), burst, measure.units())?,
        None => amount,
    };
    Limit::new(id, measure, amount, window_ms, burst).map_err(invalid)
}

/// Whether a limit may go by the calendar.
fn check_calendar(field: &str, raw: &RawLimit) -> Result<(), SettingsError> {
    let (member, problem) = match (&raw.burst, raw.scope.as_deref()) {
        (Some(_), _) => {
            ("burst", "makes no sense for days, weeks and months: all of it may be spent at once")
        }
        // What is none of both is told with its own place.
        (None, Some(scope)) if scope != "envoy" => return Ok(()),
        (None, _) => (
            "window",
            "needs `scope: fleet`: elsewhere what is spent is forgotten when Envoy starts anew",
        ),
    };
    Err(SettingsError::misfit(format!("{field}.{member}"), problem))
}

/// FNV-1a, 32 bits (draft-eastlake-fnv), of what is counted and of the name.
fn limit_id(name: &str, member: &str) -> LimitId {
    let bytes = member.bytes().chain([0]).chain(name.bytes());
    LimitId(
        bytes.fold(0x811C_9DC5, |hash, byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193)),
    )
}

fn reserve(field: &str, raw: &RawLimit, measure: Measure) -> Result<Reserve, SettingsError> {
    let given = [
        ("reserve", raw.reserve.is_some()),
        ("fraction", raw.fraction.is_some()),
        ("guess", raw.guess.is_some()),
    ];
    if let Some((member, _)) = given.iter().find(|(_, given)| *given && !measure.by_tokens()) {
        let problem = "makes no sense where requests are counted";
        return Err(SettingsError::misfit(format!("{field}.{member}"), problem));
    }
    let share = match (raw.reserve.unwrap_or_default(), raw.fraction) {
        (RawReserve::Fraction, Some(part)) if part > 0.0 && part < 1.0 => {
            Share::Permille((part * 1_000.0).round() as u32)
        }
        (RawReserve::Fraction, Some(part)) => {
            let problem = "must be above 0 and below 1";
            return Err(SettingsError::invalid(format!("{field}.fraction"), part, problem));
        }
        (RawReserve::Fraction, None) => {
            let problem = "is missing: the part of `max_tokens` to reserve, such as 0.25";
            return Err(SettingsError::misfit(format!("{field}.fraction"), problem));
        }
        (_, Some(_)) => {
            let problem = "needs `reserve: fraction`";
            return Err(SettingsError::misfit(format!("{field}.fraction"), problem));
        }
        (RawReserve::None, None) => Share::None,
        (RawReserve::Full, None) => Share::Full,
        (RawReserve::Learned, None) => Share::Learned,
    };
    Ok(Reserve { share, guess: raw.guess.unwrap_or(Reserve::DEFAULT_GUESS) })
}

fn on_exceed(field: &str, written: Option<&str>) -> Result<OnExceed, SettingsError> {
    Ok(match written {
        None | Some("reject") => OnExceed::Reject,
        Some("shadow") => OnExceed::Shadow,
        Some("deprioritise") => OnExceed::Deprioritise,
        Some(other) => {
            let model = other.strip_prefix("downgrade(").and_then(|rest| rest.strip_suffix(')'));
            match model.map(str::trim).filter(|model| !model.is_empty() && !model.contains('*')) {
                Some(model) => OnExceed::Downgrade(model.to_owned()),
                None => {
                    let problem = "is none of reject, shadow, deprioritise, downgrade(MODEL)";
                    return Err(SettingsError::invalid(field, format!("{other:?}"), problem));
                }
            }
        }
    })
}

fn weights(
    field: &str,
    raw: Option<RawWeights>,
    measure: Measure,
    prices: &[(ModelPattern, Weights)],
) -> Result<Vec<(ModelPattern, Weights)>, SettingsError> {
    let field = format!("{field}.weights");
    match (measure, raw) {
        (Measure::Tokens, raw) => {
            let weights = token_weights(&field, raw.unwrap_or_default())?;
            Ok(vec![(ModelPattern::read(&field, "*")?, weights)])
        }
        (_, Some(_)) => {
            let problem = "are for tokens; what tokens cost is in the policy's `prices`";
            Err(SettingsError::misfit(field, problem))
        }
        (Measure::Cost, None) if !prices.iter().any(|(pattern, _)| pattern.is_any()) => {
            let place = field.split(".limits[").next().filter(|place| *place != field);
            let place = place.map_or("prices".to_owned(), |place| format!("{place}.prices"));
            let problem =
                "a limit on cost needs the prices of all models: write one for the model \"*\"";
            Err(SettingsError::misfit(place, problem))
        }
        (Measure::Cost, None) => Ok(prices.to_vec()),
        _ => Ok(Vec::new()),
    }
}

fn token_weights(field: &str, raw: RawWeights) -> Result<Weights, SettingsError> {
    let unit = Measure::Tokens.units() as f64;
    let weight = |member: &str, written: Option<f64>, otherwise: f64| {
        per_token(&format!("{field}.{member}"), written.unwrap_or(otherwise), unit)
    };
    let (prompt, completion) = (raw.prompt.unwrap_or(1.0), raw.completion.unwrap_or(1.0));
    let weights = Weights {
        prompt: weight("prompt", raw.prompt, 1.0)?,
        cached: weight("cached", raw.cached, prompt)?,
        completion: weight("completion", raw.completion, 1.0)?,
        reasoning: weight("reasoning", raw.reasoning, completion)?,
    };
    if weights == Weights::all(0) {
        return Err(SettingsError::misfit(field, "are all 0, so nothing would be limited"));
    }
    Ok(weights)
}

/// The prices of a policy, the closest first.
pub(super) fn prices(
    field: &str,
    raw: &[RawPrice],
) -> Result<Vec<(ModelPattern, Weights)>, SettingsError> {
    // Per million tokens.
    let unit = Measure::Cost.units() as f64 / 1e6;
    let mut prices: Vec<(ModelPattern, Weights)> = Vec::with_capacity(raw.len());
    for (at, raw) in raw.iter().enumerate() {
        let field = format!("{field}[{at}]");
        let pattern = ModelPattern::read(&format!("{field}.model"), &raw.model)?;
        if prices.iter().any(|(other, _)| *other == pattern) {
            return Err(SettingsError::invalid(
                format!("{field}.model"),
                &raw.model,
                "stands twice",
            ));
        }
        let price =
            |member: &str, written: f64| per_token(&format!("{field}.{member}"), written, unit);
        let weights = Weights {
            prompt: price("prompt", raw.prompt)?,
            cached: price("cached", raw.cached.unwrap_or(raw.prompt))?,
            completion: price("completion", raw.completion)?,
            reasoning: price("reasoning", raw.reasoning.unwrap_or(raw.completion))?,
        };
        // A list of a few: put where it belongs, so that no code for sorting is needed.
        let closer =
            |(other, _): &(ModelPattern, Weights)| other.closeness() >= pattern.closeness();
        let place = prices.iter().take_while(|price| closer(price)).count();
        prices.insert(place, (pattern, weights));
    }
    Ok(prices)
}
