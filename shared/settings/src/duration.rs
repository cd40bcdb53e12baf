//! Durations as people write them: `100ms`, `1s`, `2m`.

use std::time::Duration;

use crate::SettingsError;

/// Default and limits of a duration.
pub(crate) struct Bounds {
    pub(crate) default: Duration,
    pub(crate) min: Duration,
    pub(crate) max: Duration,
}

/// The duration in `written`, or the default.
pub(crate) fn bounded(
    field: &str,
    written: Option<&str>,
    bounds: &Bounds,
) -> Result<Duration, SettingsError> {
    let Some(text) = written else { return Ok(bounds.default) };
    let invalid = |problem| SettingsError::invalid(field, shown(text), problem);
    let found = parse(text)
        .ok_or_else(|| invalid("is no duration: a whole number and ms, s or m".to_owned()))?;
    if (bounds.min..=bounds.max).contains(&found) {
        return Ok(found);
    }
    Err(invalid(format!("must be {:?} to {:?}", bounds.min, bounds.max)))
}

/// A value as an error shows it: in quotes, cut to what a line can hold.
fn shown(text: &str) -> String {
    format!("{:?}", text.chars().take(80).collect::<String>())
}

fn parse(text: &str) -> Option<Duration> {
    let unit_at = text.find(|letter: char| !letter.is_ascii_digit())?;
    let (number, unit) = text.split_at_checked(unit_at)?;
    let number: u32 = number.parse().ok()?;
    match unit {
        "ms" => Some(Duration::from_millis(number.into())),
        "s" => Some(Duration::from_secs(number.into())),
        "m" => Duration::from_secs(60).checked_mul(number),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    #[test]
    fn a_number_needs_a_unit() {
        for (text, expected_ms) in [
            ("100ms", Some(100)),
            ("1s", Some(1000)),
            ("2m", Some(120_000)),
            ("0s", Some(0)),
            ("100", None),
            ("ms", None),
            ("", None),
            ("-1s", None),
            ("1.5s", None),
            ("1 s", None),
            ("1h", None),
            ("99999999999s", None),
        ] {
            assert_eq!(parse(text), expected_ms.map(Duration::from_millis), "{text}");
        }
    }

    #[test]
    fn the_longest_number_of_minutes_is_no_overflow() {
        assert!(parse("4294967295m").is_some());
    }
}
