//! Amounts and windows, from what is written to units.

use weir_tokens::limits::{MAX_UNITS, MAX_WINDOW_MS, MIN_WINDOW_MS};

use crate::SettingsError;

/// A number in units, at least one of them.
pub(super) fn units(field: &str, written: f64, per_one: u64) -> Result<u64, SettingsError> {
    let units = written * per_one as f64;
    if !(units >= 1.0 && units <= MAX_UNITS as f64) {
        let most = MAX_UNITS / per_one;
        return Err(SettingsError::invalid(
            field,
            written,
            format!("must be above 0 and at most {most}"),
        ));
    }
    // Of a product of two numbers, the last bit is rounding.
    Ok(units.round() as u64)
}

/// A weight or price in units per token; none at all is allowed.
pub(super) fn per_token(field: &str, written: f64, per_one: f64) -> Result<u64, SettingsError> {
    const MOST: f64 = 1_000_000.0;
    if !(0.0..=MOST).contains(&written) {
        return Err(SettingsError::invalid(field, written, "must be 0 to 1000000"));
    }
    Ok((written * per_one).round() as u64)
}

/// A window in milliseconds.
pub(super) fn window(field: &str, written: &str) -> Result<u64, SettingsError> {
    let invalid = |problem: &str| SettingsError::invalid(field, format!("{written:?}"), problem);
    let ms = milliseconds(written)
        .ok_or_else(|| invalid("is no window: a whole number and s, m, h or d, such as 1m; or day, week, month, and an offset from -14:00 to +14:00, such as month+01:00"))?;
    if !(MIN_WINDOW_MS..=MAX_WINDOW_MS).contains(&ms) {
        return Err(invalid(
            "must be 1s to 1d: what is spent is forgotten when Envoy starts anew, so longer windows \
             would promise what they cannot keep; with `scope: fleet` there are week and month",
        ));
    }
    Ok(ms)
}

fn milliseconds(text: &str) -> Option<u64> {
    let unit_at = text.find(|letter: char| !letter.is_ascii_digit())?;
    let (number, unit) = text.split_at_checked(unit_at)?;
    let of_unit = match unit {
        "ms" => 1,
        "s" => 1_000,
        "m" => 60_000,
        "h" => 3_600_000,
        "d" => 86_400_000,
        _ => return None,
    };
    number.parse::<u64>().ok()?.checked_mul(of_unit)
}
