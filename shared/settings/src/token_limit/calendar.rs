//! Windows of a calendar.

use weir_tokens::limits::{Calendar, Period};

use super::raw::RawLimit;
use crate::SettingsError;

/// The calendar that a limit goes by, if it does.
pub(super) fn calendar(field: &str, raw: &RawLimit) -> Result<Option<Calendar>, SettingsError> {
    let misfit = |member: &str, problem: &str| {
        Err(SettingsError::misfit(format!("{field}.{member}"), problem))
    };
    let Some(written) = &raw.calendar else {
        return match raw.offset {
            Some(_) => misfit("offset", "needs a `calendar`"),
            None => Ok(None),
        };
    };
    for (member, given) in [("window", raw.window.is_some()), ("burst", raw.burst.is_some())] {
        if given {
            return misfit(
                member,
                "makes no sense beside a `calendar`: its window is all that counts",
            );
        }
    }
    if raw.scope.as_deref() != Some("fleet") {
        let problem =
            "needs `scope: fleet`: elsewhere what is spent is forgotten when Envoy starts anew";
        return misfit("calendar", problem);
    }
    let Some(period) = Period::by_name(written) else {
        let problem = "is none of day, week, month";
        return Err(SettingsError::invalid(format!("{field}.calendar"), written, problem));
    };
    let offset = raw.offset.as_deref().unwrap_or("+00:00");
    match minutes(offset).and_then(|minutes| Calendar::new(period, minutes)) {
        Some(calendar) => Ok(Some(calendar)),
        None => {
            let problem = "is no offset from UTC: -14:00 to +14:00, such as +01:00";
            Err(SettingsError::invalid(format!("{field}.offset"), format!("{offset:?}"), problem))
        }
    }
}

/// The minutes of `+05:30`.
fn minutes(offset: &str) -> Option<i16> {
    let (sign, digits) = offset.split_at_checked(1)?;
    let (hours, minutes) = digits.split_once(':')?;
    let number = |text: &str| {
        let digits = text.len() == 2 && text.bytes().all(|digit| digit.is_ascii_digit());
        text.parse::<i16>().ok().filter(|_| digits)
    };
    let minutes = number(minutes).filter(|minutes| *minutes < 60)?;
    let all = number(hours)? * 60 + minutes;
    match sign {
        "+" => Some(all),
        "-" => Some(-all),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::super::read;
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;
    use weir_tokens::limits::Limit;

    fn limit(members: &str) -> Result<Limit, String> {
        let json = format!(r#"{{"limits":[{{"name":"a",{members}}}]}}"#);
        let policy = read("p", serde_json::from_str(&json).unwrap());
        policy.map(|policy| policy.limits[0].limit).map_err(|error| error.to_string())
    }

    #[test]
    fn a_quota_has_the_windows_of_its_zone_and_all_of_it_may_be_spent_at_once() {
        for (offset, expected) in [
            ("", "month+0"),
            (r#","offset":"+01:00""#, "month+60"),
            (r#","offset":"-03:30""#, "month-210"),
            (r#","offset":"-14:00""#, "month-840"),
        ] {
            let members = format!(r#""tokens":1000,"calendar":"month","scope":"fleet"{offset}"#);
            let limit = limit(&members).unwrap();
            assert_eq!(limit.calendar().unwrap().to_string(), expected);
            assert_eq!((limit.capacity(), limit.amount()), (1_000_000, 1_000_000));
            assert_eq!(limit.fleet().unwrap().first, 50_000);
            assert_eq!(limit.with_burst_permille(100), limit);
        }
    }

    #[test]
    fn what_makes_no_sense_with_a_calendar_is_refused_with_its_place_and_the_reason() {
        let fleet = r#""requests":5,"scope":"fleet""#;
        for (members, expected) in [
            (
                r#""requests":5,"calendar":"day""#.to_owned(),
                "calendar: needs `scope: fleet`: elsewhere what",
            ),
            (
                r#""requests":5,"calendar":"day","scope":"envoy""#.to_owned(),
                "calendar: needs `scope: fleet`: elsewhere what",
            ),
            (
                r#""concurrent":5,"calendar":"day""#.to_owned(),
                "calendar: makes no sense for requests",
            ),
            (format!(r#"{fleet},"calendar":"year""#), "calendar: year is none of"),
            (format!(r#"{fleet},"calendar":"day","window":"1d""#), "window: makes no sense beside"),
            (format!(r#"{fleet},"calendar":"day","burst":9"#), "burst: makes no sense beside"),
            (format!(r#"{fleet},"window":"1d","offset":"+01:00""#), "offset: needs a `calendar`"),
            (fleet.to_owned(), "window: is missing"),
        ] {
            let error = limit(&members).unwrap_err();
            assert!(error.starts_with(&format!("p.limits[0].{expected}")), "{members}: {error}");
        }
        for offset in
            ["", "+", "01:00", "+1:00", "+01", "+14:01", "-15:00", "+01:60", "+01:+5", "Z", "+é:00"]
        {
            let members = format!(r#"{fleet},"calendar":"day","offset":"{offset}""#);
            let error = limit(&members).unwrap_err();
            assert!(error.starts_with("p.limits[0].offset: "), "{offset}: {error}");
        }
    }
}
