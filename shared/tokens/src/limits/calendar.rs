//! Windows of a calendar: days, weeks and months, in a time zone of a fixed offset.

use core::fmt;

const DAY_MS: u64 = 86_400_000;
const MINUTE_MS: i64 = 60_000;

/// Farthest offset from UTC, in minutes: 14 hours, as in Kiribati.
pub const MAX_OFFSET_MIN: i16 = 14 * 60;

/// How long a window of a calendar lasts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Period {
    /// From midnight to midnight.
    Day,
    /// From Monday (ISO 8601) to Monday.
    Week,
    /// From the first of a month to the first of the next.
    Month,
}

const PERIODS: [(Period, &str, u64); 3] = [
    (Period::Day, "day", DAY_MS),
    (Period::Week, "week", 7 * DAY_MS),
    (Period::Month, "month", 31 * DAY_MS),
];

impl Period {
    /// The period of a name, as in settings.
    pub fn by_name(name: &str) -> Option<Self> {
        PERIODS.iter().find(|(_, known, _)| *known == name).map(|(period, ..)| *period)
    }

    /// Its name.
    pub fn name(self) -> &'static str {
        self.entry().1
    }

    /// How long it lasts at most, in ms.
    pub fn longest_ms(self) -> u64 {
        self.entry().2
    }

    fn entry(self) -> (Self, &'static str, u64) {
        PERIODS.into_iter().find(|(known, ..)| *known == self).unwrap_or((self, "", DAY_MS))
    }
}

/// The days, weeks or months of a time zone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Calendar {
    period: Period,
    offset_min: i16,
    /// The same as it is written.
    offset: [u8; 6],
}

/// The offset of UTC itself.
const UTC: [u8; 6] = *b"+00:00";

impl Calendar {
    /// From its text: `day`, `week` or `month`, and how far the zone is ahead of UTC, such as `month+01:00`; at
    /// most [`MAX_OFFSET_MIN`] either way, and not at all if that is missing. `None` if it is none.
    #[inline(never)]
    pub fn parse(text: &str) -> Option<Self> {
        let utc = || Some((Period::by_name(text)?, UTC));
        let (period, offset) = utc().or_else(|| {
            let (period, offset) = text.as_bytes().split_last_chunk()?;
            Some((Period::by_name(core::str::from_utf8(period).ok()?)?, *offset))
        })?;
        let [sign, h1, h0, b':', m1, m0] = offset else { return None };
        let digits = [h1, h0, m1, m0].map(|digit| i16::from(digit.wrapping_sub(b'0')));
        let [h1, h0, m1, m0] = digits;
        if digits.iter().any(|digit| *digit > 9) || m1 > 5 {
            return None;
        }
        let minutes = (h1 * 10 + h0) * 60 + m1 * 10 + m0;
        let offset_min = match sign {
            b'+' => minutes,
            b'-' => -minutes,
            _ => return None,
        };
        (minutes <= MAX_OFFSET_MIN).then_some(Self { period, offset_min, offset })
    }

    /// How long its windows last.
    pub fn period(&self) -> Period {
        self.period
    }

    /// How far its zone is ahead of UTC, as it is written: `+01:00`.
    pub fn offset(&self) -> &str {
        core::str::from_utf8(&self.offset).unwrap_or_default()
    }

    /// When the window begins and ends that contains `now_ms`, in ms since 1970. The end is the beginning
    /// of the next.
    pub fn window(&self, now_ms: u64) -> (u64, u64) {
        let ahead = i64::from(self.offset_min) * MINUTE_MS;
        let local = now_ms.min(i64::MAX as u64 / 2) as i64 + ahead;
        let day = local.div_euclid(DAY_MS as i64);
        let (first, days) = match self.period {
            Period::Day => (day, 1),
            // 1970 began with a Thursday.
            Period::Week => (day - (day + 3).rem_euclid(7), 7),
            Period::Month => month(day),
        };
        // What began before 1970 began with it.
        let at = |day: i64| (day * DAY_MS as i64 - ahead).max(0) as u64;
        (at(first), at(first + days))
    }

    /// Milliseconds until the window ends that contains `now_ms`.
    pub fn ends_in_ms(&self, now_ms: u64) -> u64 {
        self.window(now_ms).1.saturating_sub(now_ms)
    }
}

impl fmt::Display for Calendar {
    /// As it is written, the offset always with it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.period.name())?;
        f.write_str(self.offset())
    }
}

/// The first day of the month that contains `day`, and how many days the month has. Days are counted from
/// 1970.
///
/// Years begin with March here, so that the day that only leap years have is the last of all. After Howard
/// Hinnant, "chrono-compatible low-level date algorithms", `civil_from_days`.
fn month(day: i64) -> (i64, i64) {
    // 400 years are 146,097 days; 719,468 lie between the March of year 0 and 1970.
    let of_era = (day + 719_468).rem_euclid(146_097);
    let year = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let number = (5 * of_year + 2) / 153;
    let begin = |number: i64| (153 * number + 2) / 5;
    // February ends with a year that the next one names: it is the next that is a leap year or not.
    let next = year + 1;
    let leap = next % 4 == 0 && (next % 100 != 0 || next % 400 == 0);
    let end = if number == 11 { 365 + i64::from(leap) } else { begin(number + 1) };
    (day - of_year + begin(number), end - begin(number))
}

#[cfg(test)]
mod tests;
