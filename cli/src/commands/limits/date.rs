//! Dates.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

const DAY_S: u64 = 86_400;

/// The minute that is so many milliseconds after now, in UTC: `2027-01-01 at 00:00 UTC`.
pub(super) fn after(ms: u64) -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    minute(now.saturating_add(Duration::from_millis(ms)).as_secs())
}

/// The minute that is closest to a time in s since 1970: what it was reckoned from came over a network.
fn minute(seconds: u64) -> String {
    let seconds = seconds.saturating_add(30);
    let (year, month, day) = civil(seconds / DAY_S);
    let (hours, minutes) = (seconds / 3_600 % 24, seconds / 60 % 60);
    format!("{year}-{month:02}-{day:02} at {hours:02}:{minutes:02} UTC")
}

/// Year, month and day of a day since 1970. After Howard Hinnant, "chrono-compatible low-level date algorithms",
/// `civil_from_days`: years begin with March, so that the day that only leap years have is the last.
fn civil(day: u64) -> (u64, u64, u64) {
    let day = day.saturating_add(719_468);
    let (era, of_era) = (day / 146_097, day % 146_097);
    let of_400 = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * of_400 + of_400 / 4 - of_400 / 100);
    let from_march = (5 * of_year + 2) / 153;
    let of_month = of_year - (153 * from_march + 2) / 5 + 1;
    let month = if from_march < 10 { from_march + 3 } else { from_march - 9 };
    (era * 400 + of_400 + u64::from(month <= 2), month, of_month)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_told_as_a_date_of_utc() {
        for (seconds, expected) in [
            (0, "1970-01-01 at 00:00 UTC"),
            (951_782_400, "2000-02-29 at 00:00 UTC"),
            (951_868_799, "2000-03-01 at 00:00 UTC"),
            (1_798_757_940, "2026-12-31 at 22:59 UTC"),
            (4_107_542_400, "2100-03-01 at 00:00 UTC"),
        ] {
            assert_eq!(minute(seconds), expected);
        }
    }
}
