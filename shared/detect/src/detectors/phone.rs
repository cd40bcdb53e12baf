//! Telephone numbers: international, national with separators, bare ones beside a word.

use std::ops::Range;

use crate::digits::{Number, Separator};
use crate::scan::context::Topics;
use crate::scan::segment::Segment;

/// Where the telephone number stands (with `+` and parenthesis) and how sure it is.
pub(crate) fn judge(segment: &Segment<'_>, number: &Number<'_>) -> Option<(Range<usize>, f32)> {
    let digits = number.digits.len();
    if !(6..=15).contains(&digits) || number.lengths.len() > 7 || impossible(segment, number) {
        return None;
    }
    let span = with_prefix(segment, number);
    let plus = segment.byte(span.start) == b'+';
    let plain = plain(number, plus, span.start < number.span.start);
    if plain >= 0.7 && !number.has_slash {
        return Some((span, plain));
    }
    let topics = segment.topics(number.span.start);
    if number.has_slash && !topics.any(Topics::PHONE) {
        return None;
    }
    let named = topics.any(Topics::PHONE) && !named_otherwise(segment, number.span.start);
    let confidence = match (named, topics.any(Topics::NUMBER)) {
        (true, false) => plain.max(0.45) + 0.2,
        (true, true) => plain.max(0.4) + 0.15,
        (false, true) => plain - 0.2,
        (false, false) => plain,
    };
    (confidence > 0.2).then_some((span, confidence.min(1.0)))
}

/// Confidence by the look alone.
fn plain(number: &Number<'_>, plus: bool, prefixed: bool) -> f32 {
    let digits = number.digits.len();
    let first = number.digits.first().copied().unwrap_or(0);
    let grouped = !number.is_bare();
    if plus {
        return if digits >= 8 && first != b'0' { 0.85 } else { 0.3 };
    }
    if grouped && nanp(number) {
        return 0.75;
    }
    let paren = number.has_paren || prefixed;
    match (first, digits) {
        // An international prefix, then a country: `0049 30 …`, `001-202-…`.
        (b'0', 10..=15) if grouped && international(number.digits) => 0.6,
        // Indian mobile numbers as they are printed there.
        (b'6'..=b'9', 10) if number.grouped(&[5, 5]) => 0.5,
        (_, 7..=12) if paren && grouped => 0.55,
        // A US ZIP code with its extension.
        (b'0', 9) if number.grouped(&[5, 4]) => 0.35,
        (b'0', 9..=11) if grouped => 0.5,
        (b'0', 10..=14) if number.digits.starts_with(b"00") => 0.4,
        (b'0', 9..=11) => 0.35,
        (b'1', 11) if number.is_bare() => 0.4,
        (_, 7..=12) if grouped => 0.35,
        (_, 10) => 0.3,
        _ => 0.25,
    }
}

/// Begins with `00` and no third zero.
fn international(digits: &[u8]) -> bool {
    matches!(digits, [b'0', b'0', b'1'..=b'9', ..])
}

/// North American numbering plan: area and exchange codes begin with 2 to 9.
fn nanp(number: &Number<'_>) -> bool {
    let local = match number.lengths {
        [3, 3, 4] => number.digits,
        [1, 3, 3, 4] if number.digits.first() == Some(&b'1') => {
            number.digits.get(1..).unwrap_or_default()
        }
        _ => return false,
    };
    let starts = |at: usize| local.get(at).is_some_and(|b| (b'2'..=b'9').contains(b));
    starts(0) && starts(3)
}

/// Looks like something else: a date, a time span, an address of a machine, an amount.
fn impossible(segment: &Segment<'_>, number: &Number<'_>) -> bool {
    let before = segment.before(number.span.start);
    let after = segment.byte(number.span.end);
    let followed = |test: fn(&u8) -> bool| test(&segment.byte(number.span.end + 1));
    let labelled = b"=:".contains(&before) && labelled(segment, number.span.start - 1);
    (b"$#%=/:.".contains(&before) && !labelled)
        || before >= 0x80
            && segment.slice(number.span.start.saturating_sub(3)..number.span.start)
                == "€".as_bytes()
        || after == b'%'
        || (b":./".contains(&after) && followed(u8::is_ascii_digit))
        || date(number)
        || number.grouped(&[3, 2, 4])
        || number.lengths.iter().filter(|length| **length == 1).count() > 2
        || (number.has_dot && number.lengths.len() == 2)
        || uniform_thousands(number) && before != b'+'
        || number.digits.windows(2).all(|pair| pair.first() == pair.last())
}

/// Whether the name right before the number's `:` or `=` is that of another kind of number: what
/// is called a telephone farther off is another field.
#[inline(never)]
fn named_otherwise(segment: &Segment<'_>, at: usize) -> bool {
    const NAME: usize = 32;
    let trim = |text: &[u8]| {
        let quiet = text.iter().rev().take_while(|b| b" \"'`".contains(b)).count();
        text.len() - quiet
    };
    let left = segment.left_of(at, NAME);
    let Some((b':' | b'=', left)) = left.get(..trim(left)).and_then(<[u8]>::split_last) else {
        return false;
    };
    let left = left.get(..trim(left)).unwrap_or_default();
    let word = left.rsplit(|b| !b.is_ascii_alphanumeric()).next().unwrap_or_default();
    let topics = Topics::of_word(word);
    let other = Topics::NUMBER.or(Topics::IDENTITY).or(Topics::CARD).or(Topics::TAX);
    topics.any(other) && !topics.any(Topics::PHONE)
}

/// Whether a name stands before the `:` or `=` at `at`: `tel:`, not the `10:` of a time.
fn labelled(segment: &Segment<'_>, at: usize) -> bool {
    let before = segment.before(at);
    before.is_ascii_alphabetic() || before >= 0x80 || b"\"'_)".contains(&before)
}

/// `1.234.567` and `1 234 567` are amounts unless the first group is as long as the others.
fn uniform_thousands(number: &Number<'_>) -> bool {
    let Some((first, rest)) = number.lengths.split_first() else { return false };
    number.separated_by(&[Separator::Dot]) && *first <= 3 && rest.iter().all(|length| *length == 3)
}

fn date(number: &Number<'_>) -> bool {
    let value = |from: u8, to: u8| {
        let digits = number.digits.get(usize::from(from)..usize::from(to)).unwrap_or_default();
        digits.iter().fold(0_u32, |n, b| n * 10 + u32::from(b.wrapping_sub(b'0')))
    };
    let year = |y: u32| (1800..2200).contains(&y);
    let last = number.digits.len().saturating_sub(8) as u8;
    match *number.lengths {
        // A version and its date.
        [_, .., 4, 2, 2] if year(value(last, last + 4)) && value(last + 4, last + 6) <= 12 => true,
        [4, 2, 2] | [4, 2, 2, ..] => year(value(0, 4)) && value(4, 6) <= 12 && value(6, 8) <= 31,
        [a @ 1..=2, b @ 1..=2, 4] => year(value(a + b, a + b + 4)) && value(0, a) <= 31,
        [4, 4] => year(value(0, 4)) && year(value(4, 8)),
        [8] => year(value(0, 4)) && value(4, 6) <= 12 && value(6, 8) <= 31,
        _ => false,
    }
}

/// The end of a telephone extension, `x123`, that begins at `at`, or `at`.
pub(crate) fn extension(segment: &Segment<'_>, at: usize) -> usize {
    const MOST: usize = 6;
    let [b'x' | b'X', rest @ ..] = segment.slice(at..segment.end()) else { return at };
    let digits = rest.iter().take_while(|b| b.is_ascii_digit()).count();
    let ends = !rest.get(digits).is_some_and(u8::is_ascii_alphanumeric);
    if ends && (1..=MOST).contains(&digits) { at + 1 + digits } else { at }
}

/// Takes in a `+`, `(` or `+(` right before the number, and an extension after it.
fn with_prefix(segment: &Segment<'_>, number: &Number<'_>) -> Range<usize> {
    let mut start = number.span.start;
    if segment.before(start) == b'(' && number.has_paren && start > segment.start() {
        start -= 1;
    }
    if segment.before(start) == b'+' && start > segment.start() {
        start -= 1;
    }
    start..extension(segment, number.span.end)
}
