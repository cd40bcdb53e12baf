//! Boundaries of days, weeks and months.

use super::*;
#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

const HOUR_MS: u64 = 3_600_000;

fn calendar(text: &str) -> Calendar {
    Calendar::parse(text).unwrap()
}

/// Seconds since 1970, as `date --date TIME +%s` says.
fn ms(seconds: u64) -> u64 {
    seconds * 1_000
}

#[test]
fn windows_begin_and_end_at_midnight_of_their_zone() {
    // By `date`: time, window's begin and end, in s since 1970.
    for (written, now, begin, end) in [
        // 2026-11-30T21:23:35Z, a Monday.
        ("day+00:00", 1_796_073_815, 1_795_996_800, 1_796_083_200),
        // It is the 1st of December already, and still the 30th of November.
        ("day+05:30", 1_796_073_815, 1_796_063_400, 1_796_149_800),
        ("day-08:00", 1_796_073_815, 1_796_025_600, 1_796_112_000),
        ("week+00:00", 1_796_073_815, 1_795_996_800, 1_796_601_600),
        ("week-00:01", 1_795_996_800, 1_795_392_060, 1_795_996_860),
        ("month+00:00", 1_796_073_815, 1_793_491_200, 1_796_083_200),
        ("month+05:30", 1_796_073_815, 1_796_063_400, 1_798_741_800),
        ("month-08:00", 1_796_083_200, 1_793_520_000, 1_796_112_000),
        // The last ms of a month, and the first of the next.
        ("month+01:00", 1_796_079_599, 1_793_487_600, 1_796_079_600),
        ("month+01:00", 1_796_079_600, 1_796_079_600, 1_798_758_000),
        // 1970 began with a Thursday, and nothing was before it.
        ("week+00:00", 0, 0, 345_600),
        ("month-01:00", 1, 0, 3_600),
    ] {
        let window = calendar(written).window(ms(now));
        assert_eq!(window, (ms(begin), ms(end)), "{written} at {now}");
    }
}

#[test]
fn a_february_has_its_days_in_every_century() {
    // The 15th of February at noon, UTC, and the days that the month has.
    for (noon, days, year) in [
        (950_616_000, 29, 2000),
        (1_707_998_400, 29, 2024),
        (1_739_620_800, 28, 2025),
        (1_865_851_200, 28, 2029),
        (4_106_376_000, 28, 2100),
        (13_573_396_800, 29, 2400),
    ] {
        let (begin, end) = calendar("month+00:00").window(ms(noon));
        assert_eq!((end - begin) / DAY_MS, days, "{year}");
    }
}

#[test]
fn twelve_months_are_a_year_from_1970_to_2500() {
    let months = [31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
    let (calendar, mut at) = (calendar("month+00:00"), 0);
    for year in 1970..2500_u64 {
        for (number, days) in months.into_iter().enumerate() {
            let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
            let days = days + u64::from(number == 1 && leap);
            let last = at + days * DAY_MS - 1;
            assert_eq!(calendar.window(at), (at, last + 1), "{year} {number}");
            assert_eq!(calendar.window(last), (at, last + 1), "{year} {number}");
            at = last + 1;
        }
    }
}

#[test]
fn a_calendar_is_read_as_it_was_written_and_nothing_else_is_one() {
    for text in ["day+00:00", "week-14:00", "month+14:00", "month+05:45"] {
        assert_eq!(calendar(text).to_string(), text);
    }
    assert_eq!(calendar("month").to_string(), "month+00:00");
    for odd in [
        "",
        "1d",
        "days",
        "day+",
        "day+1",
        "day+1:00",
        "day+01",
        "day+0100",
        "day+14:01",
        "day-15:00",
        "day+01:60",
        "day+01:0:",
        "day 01:00",
        "+01:00",
        "year+00:00",
        "day+é:00",
        "day+01:00 ",
        "day--1:00",
        "day+99:99",
        "Month",
    ] {
        assert_eq!(Calendar::parse(odd), None, "{odd}");
    }
}

#[cfg(not(target_arch = "wasm32"))]
mod properties {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn every_time_is_in_one_window_that_ends_where_the_next_begins(
            name in prop_oneof![Just("day"), Just("week"), Just("month")],
            offset in -MAX_OFFSET_MIN..=MAX_OFFSET_MIN,
            now in 2 * 31 * DAY_MS..400 * 366 * DAY_MS,
        ) {
            let (sign, minutes) = (if offset < 0 { '-' } else { '+' }, offset.unsigned_abs());
            let text = format!("{name}{sign}{:02}:{:02}", minutes / 60, minutes % 60);
            let calendar = calendar(&text);
            let period = calendar.period();
            prop_assert_eq!((calendar.offset_min, period.name()), (offset, name));
            let (begin, end) = calendar.window(now);
            prop_assert!(begin <= now && now < end);
            let days = (end - begin) / DAY_MS;
            let expected = match period {
                Period::Day => 1..=1,
                Period::Week => 7..=7,
                Period::Month => 28..=31,
            };
            prop_assert!(expected.contains(&days) && days * DAY_MS == end - begin);
            prop_assert!(end - begin <= period.longest_ms());
            prop_assert_eq!(calendar.window(begin), (begin, end));
            prop_assert_eq!(calendar.window(end - 1), (begin, end));
            prop_assert_eq!(calendar.window(end).0, end);
            prop_assert_eq!(calendar.window(begin - 1).1, begin);
            prop_assert_eq!(calendar.ends_in_ms(now), end - now);
            // Boundaries are midnights of the zone.
            let local = begin as i64 + i64::from(offset) * MINUTE_MS;
            prop_assert_eq!(local.rem_euclid(24 * HOUR_MS as i64), 0);
        }

        #[test]
        fn no_time_and_no_text_is_too_much(now: u64, text in ".*") {
            let (begin, end) = calendar("month-00:05").window(now);
            prop_assert!(begin < end);
            let _ = Calendar::parse(&text);
        }
    }
}
