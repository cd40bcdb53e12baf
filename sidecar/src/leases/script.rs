//! The scripts that Redis runs, and their answers.

use redis::Value;
use weir_snapshot::limit_commands::LimitCommand;
use weir_snapshot::{FleetLimit, KeyName, KeyReport};
use weir_tokens::limits::Calendar;

use super::account::{Answer, Wish};
use crate::redis::{Call, Redis, Script};

/// When Redis has not heard of a gateway for so long, in ms, what it has not used of its grants drains as if
/// it had. By then it goes by `on_unavailable`.
pub(super) const VANISH_MS: u64 = 30_000;

/// The scripts for one key of a limit begin alike.
const LEASE: &str = concat!(include_str!("account.lua"), include_str!("lease.lua"));
const COMMAND: &str = concat!(include_str!("account.lua"), include_str!("command.lua"));

/// All scripts.
#[derive(Debug)]
pub(super) struct Scripts {
    pub(super) lease: Script,
    pub(super) command: Script,
    pub(super) beat: Script,
}

impl Scripts {
    pub(super) fn new() -> Self {
        Self {
            lease: Script::new(LEASE),
            command: Script::new(COMMAND),
            beat: Script::new(include_str!("beat.lua")),
        }
    }
}

/// What the scripts are told of a limit, at `now_ms` of Redis: burst, amount, window, silence, and the ends of a
/// calendar's windows, from the one before to the one after. So it does not matter how exactly the time is known here.
fn terms(limit: &FleetLimit, now_ms: u64) -> impl Iterator<Item = String> {
    let calendar = Calendar::parse(&limit.calendar);
    let bounds = calendar.map(|calendar| {
        let (begin, end) = calendar.window(now_ms);
        let before = calendar.window(begin.saturating_sub(1)).0;
        [before, begin, end, calendar.window(end).1].map(|bound| bound.to_string()).join(" ")
    });
    let numbers = [limit.burst, limit.amount, limit.window_ms, VANISH_MS];
    numbers.map(|number| number.to_string()).into_iter().chain([bounds.unwrap_or_default()])
}

fn key(redis: &Redis, name: KeyName) -> Vec<String> {
    vec![redis.key(format_args!("lease:{name}"))]
}

/// The run of `lease.lua` for one key, at `now_ms` of Redis.
pub(super) fn lease_call(
    redis: &Redis,
    gateway: &str,
    report: &KeyReport,
    (limit, wish, now_ms): (&FleetLimit, &Wish, u64),
) -> Call {
    let lower = wish.lower.map_or("-1".to_owned(), |lower| lower.to_string());
    let numbers = [
        report.born.into(),
        report.sequence.into(),
        report.used,
        report.reserved,
        report.granted,
        wish.need,
        wish.ask,
    ];
    let numbers = numbers.map(|number: u64| number.to_string());
    let own = [gateway.to_owned()].into_iter().chain(numbers).chain([lower]);
    let all = terms(limit, now_ms).chain(own);
    Call { keys: key(redis, report.key), arguments: all.map(String::into_bytes).collect() }
}

/// The run of `command.lua` for a key, at `now_ms` of Redis. `units` are what a top-up adds; below 0, what it takes back.
pub(super) fn command_call(
    redis: &Redis,
    (name, limit): (KeyName, &FleetLimit),
    (command, units): (&LimitCommand, i64),
    now_ms: u64,
) -> Call {
    let own = [command.action.name().to_owned(), command.id.clone(), units.to_string()];
    let all = terms(limit, now_ms).chain(own);
    Call { keys: key(redis, name), arguments: all.map(String::into_bytes).collect() }
}

/// How a key stands, as `command.lua` says it, in units.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Standing {
    pub(super) known: bool,
    pub(super) carried_out: bool,
    pub(super) spent: u64,
    pub(super) granted: u64,
    pub(super) topped_up: u64,
    pub(super) left: u64,
    pub(super) ends_in_ms: Option<u64>,
    /// What the command has added to the budget, or taken back.
    pub(super) added: i64,
}

/// What `command.lua` says; `None` if that is nothing of it.
pub(super) fn standing(value: &Value) -> Option<Standing> {
    let Value::Array(items) = value else { return None };
    let whole = |at: usize| match items.get(at)? {
        Value::Int(number) => Some(*number),
        _ => None,
    };
    let number = |at: usize| u64::try_from(whole(at)?).ok();
    Some(Standing {
        known: number(0)? > 0,
        carried_out: number(1)? > 0,
        spent: number(2)?,
        granted: number(3)?,
        topped_up: number(4)?,
        left: number(5)?,
        ends_in_ms: u64::try_from(whole(6)?).ok(),
        added: whole(7)?,
    })
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

/// What `beat.lua` says; `None` if that is nothing of it.
pub(super) fn beat_answer(value: &Value) -> Option<Beat> {
    let Value::Array(items) = value else { return None };
    let [Value::BulkString(key), Value::Int(gateways), Value::Int(now_ms)] = items.as_slice()
    else {
        return None;
    };
    let (digest_key, gateways) = (key.as_slice().try_into().ok()?, u32::try_from(*gateways).ok()?);
    Some(Beat { digest_key, gateways, now_ms: u64::try_from(*now_ms).ok()? })
}

/// How the fleet stands.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Beat {
    /// What names of keys are digested with.
    pub(super) digest_key: [u8; 32],
    /// How many there are.
    pub(super) gateways: u32,
    /// The time of Redis, in ms since 1970.
    pub(super) now_ms: u64,
}

impl std::fmt::Debug for Beat {
    /// Without the key.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Beat({} at {})", self.gateways, self.now_ms)
    }
}
