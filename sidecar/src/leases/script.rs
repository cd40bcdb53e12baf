//! The scripts that Redis runs, and their answers.

use redis::Value;
use weir_snapshot::{FleetLimit, KeyReport};

use super::account::{Answer, Wish};
use crate::redis::{Call, Redis, Script};

/// When Redis has not heard of a gateway for so long, in ms, what it has not used of its grants drains as if
/// it had. By then it goes by `on_unavailable`.
pub(super) const VANISH_MS: u64 = 30_000;

/// Both scripts.
#[derive(Debug)]
pub(super) struct Scripts {
    pub(super) lease: Script,
    pub(super) beat: Script,
}

impl Scripts {
    pub(super) fn new() -> Self {
        Self {
            lease: Script::new(include_str!("lease.lua")),
            beat: Script::new(include_str!("beat.lua")),
        }
    }
}

/// The run of `lease.lua` for one key.
pub(super) fn lease_call(
    redis: &Redis,
    gateway: &str,
    report: &KeyReport,
    (limit, wish): (&FleetLimit, &Wish),
) -> Call {
    let lower = wish.lower.map_or("-1".to_owned(), |lower| lower.to_string());
    let numbers = [
        report.born.into(),
        report.sequence.into(),
        report.used,
        report.granted,
        wish.need,
        wish.ask,
    ];
    let terms = [limit.burst, limit.amount, limit.window_ms, VANISH_MS];
    let numbers = numbers.map(|number: u64| number.to_string());
    let terms = terms.map(|number| number.to_string());
    let all = [gateway.to_owned()].into_iter().chain(numbers).chain([lower]).chain(terms);
    Call {
        keys: vec![redis.key(format_args!("lease:{}", report.key))],
        arguments: all.map(String::into_bytes).collect(),
    }
}

/// What `lease.lua` says; `None` if that is nothing of it.
pub(super) fn answer(value: &Value) -> Option<Answer> {
    let Value::Array(items) = value else { return None };
    let number = |at: usize| match items.get(at)? {
        Value::Int(number) => u64::try_from(*number).ok(),
        _ => None,
    };
    Some(Answer {
        sequence: u32::try_from(number(0)?).ok()?,
        total: number(1)?,
        charged: number(2)?,
        left: number(3)?,
        retry_ms: number(4)?,
        overdrawn: number(5)?,
    })
}

/// The run of `beat.lua`. `key` is taken if there is none.
pub(super) fn beat_call(redis: &Redis, key: &[u8; 32], gateways: Vec<String>) -> Call {
    let arguments = [key.to_vec(), VANISH_MS.to_string().into_bytes()].into_iter();
    Call {
        // One slot of a cluster.
        keys: vec![redis.key("{fleet}:digest-key"), redis.key("{fleet}:gateways")],
        arguments: arguments.chain(gateways.into_iter().map(String::into_bytes)).collect(),
    }
}

/// The digest key and how many gateways there are; `None` if that is nothing of it.
pub(super) fn beat_answer(value: &Value) -> Option<([u8; 32], u32)> {
    let Value::Array(items) = value else { return None };
    let (Value::BulkString(key), Value::Int(gateways)) = (items.first()?, items.get(1)?) else {
        return None;
    };
    Some((key.as_slice().try_into().ok()?, u32::try_from(*gateways).ok()?))
}
