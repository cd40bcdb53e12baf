//! What people want of a key: to see it, to top it up, to reset it.

use tokio::time::Instant;
use tracing::info;
use weir_snapshot::limit_commands::{
    KeyStanding, LimitAction, LimitCommand, LimitEntry, LimitList,
};
use weir_snapshot::{FleetLimit, KeyName};
use weir_tokens::limits::{KeyDigester, LimitId, MAX_UNITS, Measure, measure_by_name};

use super::desk::Leases;
use super::script::{Scripts, Standing, command_call, standing};
use crate::redis::{AskError, Redis};

/// Most values that say whose key is meant.
const MAX_VALUES: usize = 16;

/// Why a command is not carried out.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum CommandError {
    /// The command makes no sense.
    #[error("{0}")]
    Invalid(String),
    /// No gateway has said that there is such a limit; there are these.
    #[error("no gateway of this sidecar has a limit of that name with `scope: fleet`; there {0}")]
    Unknown(String),
    /// Redis has not said yet what keys are digested with, or does not answer. It may have been carried out: the same id
    /// may be sent again.
    #[error("Redis does not answer ({0}); send the same command again")]
    Away(String),
}

/// The limits that the gateways tell of.
pub(crate) fn list(leases: &Leases) -> LimitList {
    let entry = |(limit, keys): (FleetLimit, u64)| {
        let per_one = units(&limit) as f64;
        LimitEntry {
            limit: limit.name,
            measure: limit.measure,
            amount: limit.amount as f64 / per_one,
            burst: limit.burst as f64 / per_one,
            window_ms: limit.window_ms,
            calendar: limit.calendar,
            keys,
        }
    };
    LimitList { limits: leases.limits().into_iter().map(entry).collect() }
}

/// Carries out a command, once for each id. Whom it is for is digested here, and told to nobody.
pub(crate) async fn carry_out(
    leases: &Leases,
    redis: &Redis,
    command: &LimitCommand,
) -> Result<KeyStanding, CommandError> {
    let limits: Vec<_> = leases.limits().into_iter().map(|(limit, _)| limit).collect();
    let limit = limits.iter().find(|limit| limit.name == command.limit);
    let limit = limit.ok_or_else(|| unknown(&limits))?;
    let added = check(command, limit)?;
    let away = |error: AskError| CommandError::Away(error.to_string());
    let known = leases.digest_key().zip(leases.redis_ms(Instant::now()));
    let (digest_key, redis_ms) = known.ok_or_else(|| away(AskError::Down))?;
    let per = values(command, limit)?;
    let values = per.iter().map(|value| value.as_deref().map(str::as_bytes));
    let digest = KeyDigester::new(&digest_key).slot_key(LimitId(limit.id), values).0;
    let key = (KeyName { limit: limit.id, digest }, limit);
    let call = command_call(redis, key, (command, added), redis_ms);
    let replies = redis.run(&Scripts::new().command, &[call]).await.map_err(away)?;
    let reply = replies.into_iter().next().unwrap_or(Err(AskError::Undecodable)).map_err(away)?;
    let found = standing(&reply).ok_or_else(|| away(AskError::Undecodable))?;
    leases.count(&limit.name, command.action.name());
    if command.action != LimitAction::Show {
        info!(
            limit = limit.name,
            action = command.action.name(),
            amount = command.amount,
            id = command.id,
            carried_out = found.carried_out,
            "a command for a limit"
        );
    }
    Ok(told(limit, found))
}

fn unknown(limits: &[FleetLimit]) -> CommandError {
    let names: Vec<_> = limits.iter().map(|limit| limit.name.as_str()).collect();
    CommandError::Unknown(match names.as_slice() {
        [] => "is none".to_owned(),
        names => format!("are: {}", names.join(", ")),
    })
}

/// The values that say whose key is meant. One that is missing stands for all of them.
fn values(command: &LimitCommand, limit: &FleetLimit) -> Result<Vec<Option<String>>, CommandError> {
    let given = command.per.len();
    match limit.values {
        Some(values) if command.per == [None] && values > 0 => {
            Ok(vec![None; values.min(MAX_VALUES)])
        }
        Some(values) if values != given => Err(CommandError::Invalid(format!(
            "per: {} goes by {values} of them (its `per`), and {given} came",
            limit.name
        ))),
        _ => Ok(command.per.clone()),
    }
}

/// The units that a top-up adds, or, below 0, takes back; 0 for what is none.
fn check(command: &LimitCommand, limit: &FleetLimit) -> Result<i64, CommandError> {
    let invalid = |problem: &str| Err(CommandError::Invalid(problem.to_owned()));
    if !command.has_id() {
        return invalid("id: must be 16 hex digits");
    }
    if command.per.len() > MAX_VALUES {
        return invalid("per: more values than a limit can go by");
    }
    match (command.action, command.amount) {
        (LimitAction::TopUp, _) if limit.calendar.is_empty() => invalid(
            "only a budget by days, weeks or months can be topped up: what other limits lack comes back by itself",
        ),
        (LimitAction::TopUp, Some(amount)) => {
            let added = amount * units(limit) as f64;
            if (1.0..=MAX_UNITS as f64).contains(&added.abs()) {
                return Ok(added.round() as i64);
            }
            invalid("amount: must not be 0, and not more than any limit may have")
        }
        (LimitAction::TopUp, None) => invalid("amount: is missing"),
        (_, Some(_)) => invalid("amount: is for top-up"),
        (_, None) => Ok(0),
    }
}

fn told(limit: &FleetLimit, found: Standing) -> KeyStanding {
    let per_one = units(limit) as f64;
    let whole = |units: u64| units as f64 / per_one;
    KeyStanding {
        limit: limit.name.clone(),
        measure: limit.measure.clone(),
        amount: whole(limit.burst),
        topped_up: whole(found.topped_up),
        added: found.added as f64 / per_one,
        spent: whole(found.spent),
        granted: whole(found.granted),
        left: whole(found.left),
        ends_in_ms: found.ends_in_ms,
        known: found.known,
        carried_out: found.carried_out,
    }
}

/// Units of one token, one request, one of the currency.
fn units(limit: &FleetLimit) -> u64 {
    measure_by_name(&limit.measure).map_or(1, Measure::units)
}
