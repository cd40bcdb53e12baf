//! What responses say about limits, as header names and values.
//!
//! Of limits on tokens and on requests, OpenAI's headers name one each: the one of which the
//! smallest part is left. The IETF draft (draft-ietf-httpapi-ratelimit-headers-09) lists all.

use crate::limits::{Limit, Measure, Standing, Wait};

/// A header.
pub type Header = (&'static str, String);

/// How a key stands with a limit, and what the limit is called.
#[derive(Clone, Copy, Debug)]
pub struct Named<'n> {
    /// Its name in the policy.
    pub name: &'n str,
    /// How the key stands.
    pub standing: &'n Standing,
}

/// OpenAI's `x-ratelimit-{limit,remaining,reset}-{requests,tokens}`.
pub fn open_ai(all: &[Named<'_>]) -> Vec<Header> {
    let mut headers = Vec::with_capacity(6);
    if let Some(standing) = tightest(all, Measure::Requests) {
        headers.push(("x-ratelimit-limit-requests", whole(standing, standing.limit.capacity())));
        headers.push(("x-ratelimit-remaining-requests", whole(standing, standing.remaining)));
        headers.push(("x-ratelimit-reset-requests", duration(standing.reset_ms)));
    }
    if let Some(standing) = tightest(all, Measure::Tokens) {
        headers.push(("x-ratelimit-limit-tokens", whole(standing, standing.limit.capacity())));
        headers.push(("x-ratelimit-remaining-tokens", whole(standing, standing.remaining)));
        headers.push(("x-ratelimit-reset-tokens", duration(standing.reset_ms)));
    }
    headers
}

/// The IETF draft's `RateLimit-Policy` and `RateLimit`. Limits on what a request costs are left out:
/// their unit is nobody's business but the operator's; and so are those without a window.
pub fn ietf(all: &[Named<'_>]) -> Vec<Header> {
    let counted = || {
        all.iter().filter(|named| {
            matches!(named.standing.limit.measure(), Measure::Tokens | Measure::Requests)
        })
    };
    let policies: Vec<_> = counted()
        .map(|Named { name, standing: Standing { limit, .. } }| {
            // `w` is the time in which the whole quota comes back.
            let (quota, seconds) = (in_whole(limit, limit.capacity()), full_s(limit));
            format!("{};q={quota};w={seconds}", quoted(name))
        })
        .collect();
    if policies.is_empty() {
        return Vec::new();
    }
    let standings: Vec<_> = counted()
        .map(|Named { name, standing }| {
            let left = whole(standing, standing.remaining);
            format!("{};r={left};t={}", quoted(name), standing.reset_ms.div_ceil(1_000))
        })
        .collect();
    vec![("ratelimit-policy", policies.join(", ")), ("ratelimit", standings.join(", "))]
}

/// Longest wait for a fresh budget that clients are to sit out, in ms. Of `retry-after`, openai 3.52 obeys two
/// minutes, and anthropic 2.11 any time; older ones try again after some seconds where it is over a minute.
const PATIENCE_MS: u64 = 60_000;

/// `retry-after-ms` and `retry-after`, the latter rounded up; nothing where trying again is no use.
/// `x-should-retry: false` where a client should not try again by itself.
pub fn retry(wait: Wait) -> Vec<Header> {
    let mut headers = Vec::with_capacity(3);
    if let Some(ms) = wait.ms() {
        headers.push(("retry-after-ms", ms.to_string()));
        headers.push(("retry-after", ms.div_ceil(1_000).max(1).to_string()));
    }
    let futile = match wait {
        Wait::Afresh(ms) => ms > PATIENCE_MS,
        Wait::Never => true,
        Wait::Ms(_) | Wait::Unsettled(_) | Wait::Unreachable(_) => false,
    };
    if futile {
        headers.push(("x-should-retry", "false".to_owned()));
    }
    headers
}

/// A duration as Go and OpenAI write it: `12ms`, `1.5s`, `6m0s`, `24h0m0s`.
pub fn duration(ms: u64) -> String {
    if ms < 1_000 {
        return if ms == 0 { "0s".to_owned() } else { format!("{ms}ms") };
    }
    let (seconds, rest) = (ms / 1_000, ms % 1_000);
    let fraction = match rest {
        0 => String::new(),
        rest => format!(".{rest:03}").trim_end_matches('0').to_owned(),
    };
    let (hours, minutes, seconds) = (seconds / 3_600, seconds / 60 % 60, seconds % 60);
    match (hours, minutes) {
        (0, 0) => format!("{seconds}{fraction}s"),
        (0, _) => format!("{minutes}m{seconds}{fraction}s"),
        _ => format!("{hours}h{minutes}m{seconds}{fraction}s"),
    }
}

/// The standing of which the smallest part is left.
fn tightest<'n>(all: &[Named<'n>], measure: Measure) -> Option<&'n Standing> {
    let of_measure = all.iter().map(|named| named.standing);
    let of_measure = of_measure.filter(|standing| standing.limit.measure() == measure);
    of_measure.min_by(|a, b| {
        // a.remaining / a.capacity < b.remaining / b.capacity, without division.
        let left = |one: &Standing, other: &Standing| {
            u128::from(one.remaining) * u128::from(other.limit.capacity())
        };
        left(a, b).cmp(&left(b, a))
    })
}

fn whole(standing: &Standing, units: u64) -> String {
    in_whole(&standing.limit, units).to_string()
}

fn in_whole(limit: &Limit, units: u64) -> u64 {
    units / limit.measure().units().max(1)
}

/// Seconds in which all of a limit comes back, rounded up.
fn full_s(limit: &Limit) -> u64 {
    let ms = u128::from(limit.capacity()) * u128::from(limit.window_ms());
    let ms = ms.div_ceil(u128::from(limit.amount().max(1)));
    u64::try_from(ms.div_ceil(1_000)).unwrap_or(u64::MAX)
}

/// A string of a structured field (RFC 9651): other characters than printed ASCII cannot stand in it.
fn quoted(name: &str) -> String {
    let printed = name.chars().filter(|c| matches!(c, ' '..='~'));
    let escaped =
        printed.flat_map(|c| matches!(c, '"' | '\\').then_some('\\').into_iter().chain([c]));
    format!("\"{}\"", escaped.collect::<String>())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits::LimitId;
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    fn standing(measure: Measure, amount: u64, remaining: u64, reset_ms: u64) -> Standing {
        let units = measure.units();
        let limit =
            Limit::new(LimitId(1), measure, amount * units, 60_000, 2 * amount * units).unwrap();
        Standing { limit, remaining: remaining * units + units / 2, reset_ms }
    }

    #[test]
    fn open_ais_headers_tell_the_limit_of_which_least_is_left() {
        let minute = standing(Measure::Tokens, 1_000, 900, 33_000);
        let day = standing(Measure::Tokens, 100_000, 2_000, 86_400_000);
        let requests = standing(Measure::Requests, 10, 7, 360_000);
        let calls = standing(Measure::Concurrent, 10, 0, 0);
        let all = [("minute", &minute), ("day", &day), ("requests", &requests), ("calls", &calls)]
            .map(|(name, standing)| Named { name, standing });
        let expected = [
            ("x-ratelimit-limit-requests", "20"),
            ("x-ratelimit-remaining-requests", "7"),
            ("x-ratelimit-reset-requests", "6m0s"),
            ("x-ratelimit-limit-tokens", "200000"),
            ("x-ratelimit-remaining-tokens", "2000"),
            ("x-ratelimit-reset-tokens", "24h0m0s"),
        ];
        assert_eq!(open_ai(&all), expected.map(|(name, value)| (name, value.to_owned())));
        assert!(open_ai(&all[3..]).is_empty());
        let policy = "\"minute\";q=2000;w=120, \"day\";q=200000;w=120, \"requests\";q=20;w=120";
        let left = "\"minute\";r=900;t=33, \"day\";r=2000;t=86400, \"requests\";r=7;t=360";
        let expected = [("ratelimit-policy", policy), ("ratelimit", left)];
        assert_eq!(ietf(&all), expected.map(|(name, value)| (name, value.to_owned())));
        assert!(ietf(&all[3..]).is_empty());
    }

    #[test]
    fn durations_read_as_gos() {
        for (ms, expected) in [
            (0, "0s"),
            (1, "1ms"),
            (999, "999ms"),
            (1_000, "1s"),
            (8_640, "8.64s"),
            (60_000, "1m0s"),
            (72_500, "1m12.5s"),
            (360_000, "6m0s"),
            (3_600_000, "1h0m0s"),
            (86_400_001, "24h0m0.001s"),
        ] {
            assert_eq!(duration(ms), expected);
        }
    }

    #[test]
    fn clients_are_told_when_to_try_again_and_never_too_early() {
        let header = |wait| retry(wait).into_iter().map(|(_, value)| value).collect::<Vec<_>>();
        assert_eq!(header(Wait::Ms(1)), ["1", "1"]);
        assert_eq!(header(Wait::Ms(1_001)), ["1001", "2"]);
        assert_eq!(header(Wait::Unsettled(2_000)), ["2000", "2"]);
        assert_eq!(header(Wait::Unreachable(5_000)), ["5000", "5"]);
        assert_eq!(header(Wait::Afresh(60_000)), ["60000", "60"]);
        assert_eq!(header(Wait::Afresh(60_001)), ["60001", "61", "false"]);
        assert_eq!(retry(Wait::Never), [("x-should-retry", "false".to_owned())]);
    }

    #[test]
    fn a_name_cannot_break_out_of_its_quotes() {
        assert_eq!(quoted("a\"b\\c\r\né"), r#""a\"b\\c""#);
    }
}
