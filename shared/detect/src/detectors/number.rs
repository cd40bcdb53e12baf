//! Numbers printed in groups: finds the groups, lets [`super::number_rules`] judge them.

use super::number_rules;
use super::phone::extension;
use crate::digits::{Group, Number, Separator};
use crate::scan::Candidate;
use crate::scan::context::Topics;
use crate::scan::segment::Segment;
use crate::validate::bank;

/// Fewest digits of any number that is looked for.
pub(crate) const MIN_DIGITS: usize = 7;
/// Most digits of any number that is looked for (a payment card).
const MAX_DIGITS: usize = 19;

/// Fewest digits of a payment card.
const MIN_CARD: usize = 12;

/// Looks at every run of digit groups in the segment; `weak` where numbers count that nothing
/// but their length speaks for.
pub(crate) fn find(
    segment: &Segment<'_>,
    weak: bool,
    groups: &mut Vec<Group>,
    out: &mut Vec<Candidate>,
) {
    let mut at = segment.start();
    while let Some(skip) = segment.slice(at..segment.end()).iter().position(u8::is_ascii_digit) {
        let start = at + skip;
        groups.clear();
        at = read_run(segment, start, groups);
        let digits: usize = groups.iter().map(|g| g.end - g.start).sum();
        let glued =
            |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || (0xC3..0xE0).contains(&byte);
        if digits >= MIN_DIGITS
            && !is_plain(groups)
            && (weak || !is_weak(segment, groups))
            && !glued(segment.before(start))
            && (!glued(segment.byte(at)) || (groups.len() > 1 && extension(segment, at) > at))
        {
            windows(segment, groups, out);
        }
    }
}

/// All of a segment is a short number, a decimal number or an ISO date, as most that have digits
/// in them, or a longer number that nothing speaks for where those do not count: nothing is to be
/// found there.
pub(crate) fn is_ordinary(segment: &Segment<'_>, digits: usize, dots: usize, weak: bool) -> bool {
    let bytes = segment.bytes();
    let (Some(first), Some(last)) = (bytes.first(), bytes.last()) else { return true };
    if !first.is_ascii_digit() || !last.is_ascii_digit() {
        return false;
    }
    match (bytes.len(), bytes.len() - digits) {
        (length, 0) if length < MIN_DIGITS => true,
        (length, 0) => length < MIN_CARD && !weak && is_unsupported(segment, segment.start()),
        (_, 1) if dots == 1 => true,
        (10, 2) => bytes.get(4) == Some(&b'-') && bytes.get(7) == Some(&b'-'),
        _ => false,
    }
}

/// A decimal number or an ISO date: the commonest runs, and never more than that.
fn is_plain(groups: &[Group]) -> bool {
    match groups {
        [_, fraction] => fraction.separator == Separator::Dot,
        [year, month, day] => {
            let lengths = [year, month, day].map(|group| group.end - group.start);
            lengths == [4, 2, 2] && month.separator == Separator::Dash
        }
        _ => false,
    }
}

/// One group shorter than a payment card, without a `+` before it and any telling word near by.
fn is_weak(segment: &Segment<'_>, groups: &[Group]) -> bool {
    let [Group { start, end, .. }] = groups else { return false };
    end - start < MIN_CARD && is_unsupported(segment, *start)
}

fn is_unsupported(segment: &Segment<'_>, start: usize) -> bool {
    segment.before(start) != b'+' && segment.topics(start) == Topics::default()
}

/// Reads groups from `at`; answers where the last one ends.
fn read_run(segment: &Segment<'_>, at: usize, groups: &mut Vec<Group>) -> usize {
    let mut separator = Separator::Space;
    let mut start = at;
    loop {
        let rest = segment.slice(start..segment.end());
        let end = start + rest.iter().take_while(|b| b.is_ascii_digit()).count();
        groups.push(Group { start, end, separator });
        match read_separator(segment.slice(end..segment.end())) {
            Some((next, length)) => (separator, start) = (next, end + length),
            None => return end,
        }
    }
}

/// The separator that `rest` starts with, when a digit follows it.
fn read_separator(rest: &[u8]) -> Option<(Separator, usize)> {
    let length = rest.iter().take(4).position(u8::is_ascii_digit)?;
    let separator = match rest.get(..length)? {
        b" " | b"  " | b"\n" | b"\t" => Separator::Space,
        b"-" => Separator::Dash,
        b"." => Separator::Dot,
        b"/" => Separator::Slash,
        b" - " => Separator::Spaced,
        b")" | b") " | b")-" | b" (" | b"(" | b") (" | b"-(" | b")(" | b")/" => Separator::Paren,
        _ => return None,
    };
    Some((separator, length))
}

/// Every stretch of groups that could be one number.
fn windows(segment: &Segment<'_>, groups: &[Group], out: &mut Vec<Candidate>) {
    let mut done = 0;
    let end = groups.last().map_or(0, |group| group.end);
    for first in 0..groups.len() {
        if groups.get(first).is_some_and(|group| end - group.start < MIN_DIGITS) {
            return;
        }
        if groups.get(first).is_none_or(|g| g.start < done || (first > 0 && !is_edge(g.separator)))
        {
            continue;
        }
        let before = out.len();
        stretch(segment, groups, first, out);
        if let Some(found) = out.get(before..) {
            let sure = found.iter().filter(|c| c.confidence >= 0.5).map(|c| c.span.end);
            done = sure.max().unwrap_or(done);
        }
    }
}

fn is_edge(separator: Separator) -> bool {
    matches!(separator, Separator::Space | Separator::Spaced)
}

/// The numbers that begin with group `first`.
fn stretch(segment: &Segment<'_>, groups: &[Group], first: usize, out: &mut Vec<Candidate>) {
    let mut digits = Digits::default();
    let mut lengths = [0_u8; MAX_DIGITS];
    let mut separators = Separators::default();
    let tail = groups.get(first..).unwrap_or_default();
    let start = tail.first().map_or(0, |group| group.start);
    for (place, group) in tail.iter().enumerate() {
        let text = segment.slice(group.start..group.end);
        if !digits.add(text) {
            return;
        }
        if let Some(length) = lengths.get_mut(place) {
            *length = u8::try_from(text.len()).unwrap_or(u8::MAX);
        }
        if place > 0 {
            separators.add(group.separator);
        }
        let last = place + 1 == tail.len();
        let ends = last || tail.get(place + 1).is_some_and(|next| is_edge(next.separator));
        let whole = last && first == 0;
        // Inside a row of spaced groups only a card, or three groups, can be a number.
        let spaced = first > 0 && separators.uniform() == Some(Separator::Space);
        if spaced && place > 2 && !bank::may_begin_card(digits.all()) {
            return;
        }
        let rest = !spaced || place == 2;
        if ends && digits.count >= MIN_DIGITS && (rest || digits.may_be_card()) {
            let number = Number {
                digits: digits.all(),
                lengths: lengths.get(..=place).unwrap_or_default(),
                separator: separators.uniform(),
                has_paren: separators.has(Separator::Paren),
                has_slash: separators.has(Separator::Slash),
                has_dot: separators.has(Separator::Dot),
                span: start..group.end,
                whole,
            };
            number_rules::judge(segment, &number, out);
        }
    }
}

/// The digits of a stretch so far.
#[derive(Default)]
struct Digits {
    digits: [u8; MAX_DIGITS],
    count: usize,
    /// Sums of the Luhn check, with the digits at even and at odd places doubled.
    sums: [u32; 2],
}

impl Digits {
    /// Adds a group; `false` when there is no room.
    fn add(&mut self, group: &[u8]) -> bool {
        let Self { digits, count, sums: [even, odd] } = self;
        let Some(room) = digits.get_mut(*count..*count + group.len()) else { return false };
        for (slot, byte) in room.iter_mut().zip(group) {
            *slot = *byte;
            let plain = u32::from(byte.wrapping_sub(b'0'));
            let doubled = if plain > 4 { plain * 2 - 9 } else { plain * 2 };
            let is_odd = *count % 2 == 1;
            *even += if is_odd { plain } else { doubled };
            *odd += if is_odd { doubled } else { plain };
            *count += 1;
        }
        true
    }

    fn all(&self) -> &[u8] {
        self.digits.get(..self.count).unwrap_or_default()
    }

    /// As many digits as a card has, and its check digit.
    fn may_be_card(&self) -> bool {
        let [even, odd] = self.sums;
        // The last digit is not doubled.
        let sum = if self.count.is_multiple_of(2) { even } else { odd };
        self.count >= MIN_CARD && sum.is_multiple_of(10)
    }
}

/// The kinds of separators seen, as bits, and the last one.
#[derive(Default)]
struct Separators(u8, Option<Separator>);

impl Separators {
    fn add(&mut self, separator: Separator) {
        self.0 |= 1 << separator as u8;
        self.1 = Some(separator);
    }

    fn has(&self, separator: Separator) -> bool {
        self.0 >> separator as u8 & 1 == 1
    }

    fn uniform(&self) -> Option<Separator> {
        self.1.filter(|_| self.0.is_power_of_two())
    }
}
