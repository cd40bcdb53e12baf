//! Limits that all gateways of a fleet have together.

use weir_tokens::limits::{Away, FleetTerms, Limit, Measure};

use super::number::units;
use super::raw::RawLimit;
use crate::SettingsError;

/// Of a burst, the part that a gateway may spend before its first grant: a twentieth. So ten gateways
/// together are beyond a limit by half of it at most, once per key.
const FIRST_PART: u64 = 20;

/// The limit with what `raw` says of a fleet.
pub(super) fn terms(field: &str, raw: &RawLimit, limit: Limit) -> Result<Limit, SettingsError> {
    let misfit = |member: &str, problem: &str| {
        Err(SettingsError::misfit(format!("{field}.{member}"), problem))
    };
    let fleet = match raw.scope.as_deref() {
        None | Some("envoy") => false,
        Some("fleet") => true,
        Some(_) => return misfit("scope", "is none of envoy, fleet"),
    };
    if !fleet {
        let given = raw.on_unavailable.is_some() || raw.first.is_some() || raw.share.is_some();
        if given {
            let problem = "`on_unavailable`, `first` and `share` need `scope: fleet`";
            return Err(SettingsError::misfit(field, problem));
        }
        return Ok(limit);
    }
    let measure = limit.measure();
    if measure == Measure::Concurrent {
        return misfit(
            "scope",
            "`fleet` is for tokens, cost and requests: requests under way are counted by each Envoy",
        );
    }
    let first = match raw.first {
        Some(0.0) => 0,
        Some(first) => units(&format!("{field}.first"), first, measure.units())?,
        None => (limit.capacity() / FIRST_PART).max(1),
    };
    let share_permille = share(field, raw.share)?;
    let away = match raw.on_unavailable.as_deref() {
        None | Some("local") => Away::Local,
        Some("deny") => Away::Deny,
        Some("allow") => Away::Allow,
        Some(_) => return misfit("on_unavailable", "is none of local, deny, allow"),
    };
    Ok(limit.of_fleet(FleetTerms { first, away, share_permille, reachable: false, named: false }))
}

/// Thousandths of the limit; 0 where nothing is written.
fn share(field: &str, written: Option<f64>) -> Result<u32, SettingsError> {
    match written {
        None => Ok(0),
        Some(part) if part > 0.0 && part <= 1.0 => Ok(((part * 1_000.0).round() as u32).max(1)),
        Some(part) => {
            let problem = "must be above 0 and at most 1";
            Err(SettingsError::invalid(format!("{field}.share"), part, problem))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::read;
    use super::*;
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    fn limit(members: &str) -> Result<Limit, String> {
        let json = format!(r#"{{"limits":[{{"name":"a",{members}}}]}}"#);
        let policy = read("p", serde_json::from_str(&json).unwrap());
        policy.map(|policy| policy.limits[0].limit).map_err(|error| error.to_string())
    }

    #[test]
    fn a_fleets_limit_has_terms_and_one_of_an_envoy_has_none() {
        let terms = |rest: &str| {
            let members = format!(r#""tokens":1000,"window":"1m","scope":"fleet"{rest}"#);
            limit(&members).map(|limit| *limit.fleet().unwrap())
        };
        let away = Away::Local;
        let plain =
            FleetTerms { first: 50_000, away, share_permille: 0, reachable: false, named: false };
        assert_eq!(terms(""), Ok(plain));
        let written = FleetTerms { first: 7_000, away: Away::Deny, share_permille: 250, ..plain };
        assert_eq!(terms(r#","first":7,"on_unavailable":"deny","share":"0.25""#), Ok(written));
        assert_eq!(terms(r#","burst":5"#).map(|terms| terms.first), Ok(250));
        assert_eq!(terms(r#","first":0"#).map(|terms| terms.first), Ok(0));
        assert_eq!(limit(r#""requests":5,"window":"1m","scope":"envoy""#).unwrap().fleet(), None);
        let few = limit(r#""requests":5,"window":"1m","scope":"fleet""#).unwrap();
        assert_eq!(few.fleet().map(|terms| terms.first), Some(1));
        assert_eq!(few.as_fleet_stands(true, 3).fleet().unwrap().share_permille, 333);
    }

    #[test]
    fn what_makes_no_sense_for_a_scope_is_refused_with_its_place() {
        let requests = r#""requests":5,"window":"1m""#;
        for (members, expected) in [
            (r#""concurrent":5,"scope":"fleet""#.to_owned(), "p.limits[0].scope: `fleet` is for"),
            (format!(r#"{requests},"first":1"#), "p.limits[0]: `on_unavailable`, `first` and"),
            (format!(r#"{requests},"on_unavailable":"deny""#), "p.limits[0]: `on_unavailable`, "),
            (format!(r#"{requests},"share":1"#), "p.limits[0]: `on_unavailable`, `first` and"),
            (format!(r#"{requests},"scope":"fleet","share":0"#), "p.limits[0].share: 0 must be"),
            (format!(r#"{requests},"scope":"world""#), "p.limits[0].scope: is none of"),
            (
                r#""requests":5,"window":"day","scope":"flet""#.to_owned(),
                "p.limits[0].scope: is none of envoy, fleet",
            ),
            (
                format!(r#"{requests},"scope":"fleet","on_unavailable":"no""#),
                "p.limits[0].on_unavailable: is none of",
            ),
        ] {
            let error = limit(&members).unwrap_err();
            assert!(error.starts_with(expected), "{members}: {error}");
        }
    }

    #[test]
    fn a_budget_by_the_calendar_may_be_spent_at_once() {
        for window in ["day", "week-03:30", "month+01:00"] {
            let limit =
                limit(&format!(r#""tokens":1000,"window":"{window}","scope":"fleet""#)).unwrap();
            assert!(limit.calendar().unwrap().to_string().starts_with(window));
            assert_eq!((limit.capacity(), limit.amount()), (1_000_000, 1_000_000));
            assert_eq!(limit.fleet().unwrap().first, 50_000);
            assert_eq!(limit.with_burst_permille(100), limit);
        }
    }

    #[test]
    fn what_makes_no_sense_for_a_calendar_is_refused_with_its_place_and_the_reason() {
        let fleet = r#""requests":5,"scope":"fleet""#;
        let alone = "window: needs `scope: fleet`: elsewhere what is spent is forgotten";
        for (members, expected) in [
            (r#""requests":5,"window":"day""#.to_owned(), alone),
            (r#""requests":5,"window":"month+01:00","scope":"envoy""#.to_owned(), alone),
            (r#""concurrent":5,"window":"day""#.to_owned(), "window: makes no sense for requests"),
            (
                format!(r#"{fleet},"window":"day","burst":9"#),
                "burst: makes no sense for days, weeks and",
            ),
            (
                format!(r#"{fleet},"window":"year""#),
                "window: \"year\" is no window: a whole number",
            ),
            (
                format!(r#"{fleet},"window":"day+15:00""#),
                "window: \"day+15:00\" is no window: a whole number and s, m, h or d, such as 1m; or day, week, month, \
                 and an offset from -14:00 to +14:00, such as",
            ),
            (
                format!(r#"{fleet},"window":"7d""#),
                "window: \"7d\" must be 1s to 1d: what is spent is",
            ),
        ] {
            let error = limit(&members).unwrap_err();
            assert!(error.starts_with(&format!("p.limits[0].{expected}")), "{members}: {error}");
        }
    }
}
