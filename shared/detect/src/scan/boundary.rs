//! Where text may be cut: the local rule behind the chunk-invariance law.
//!
//! A *segment* is the text between two neighbouring boundaries. Whether a position is a boundary
//! depends only on a few bytes around it, never on how the text arrived, and no detector looks
//! past the end of its segment. So every way to cut a text gives the same segments, and a
//! finished segment can be released at once.

use wide::i8x16;

/// How far the rule looks back (eighteen single digits with two spaces
/// between them are the longest).
pub(crate) const LOOK_BACK: usize = 64;

/// Whether a segment ends at `at`; `None` while bytes that decide are still to come.
pub(crate) fn boundary(text: &[u8], at: usize, complete: bool) -> Option<bool> {
    let Some(left) = at.checked_sub(1).and_then(|i| text.get(i)).copied() else {
        return Some(true);
    };
    let right = text.get(at).copied();
    if right.is_none() && complete {
        return Some(true);
    }
    match left {
        b' ' | b'\n' | b'\t' => joined(text, at - 1, complete).map(|joined| !joined),
        _ if always_cuts(left) => Some(true),
        b'<' | b'>' => angle(text, at - 1, complete).map(|inside| !inside),
        _ => match right? {
            b' ' | b'\n' | b'\t' => joined(text, at, complete).map(|joined| !joined),
            right if always_cuts(right) => Some(true),
            b'<' | b'>' => angle(text, at, complete).map(|inside| !inside),
            IDEOGRAPHIC if text.get(at + 1) == Some(&0x80) => wide_space(text, at, complete),
            first if is_caseless_lead(first) => Some(true),
            _ if text.get(..at).is_some_and(|before| before.ends_with(WIDE_SPACE)) => {
                wide_space(text, at - WIDE_SPACE.len(), complete)
            }
            _ => Some(ends_caseless(text, at)),
        },
    }
}

/// Whether a segment ends before and after `byte` whatever stands beside it.
fn always_cuts(byte: u8) -> bool {
    matches!(byte, b'\r' | b'"' | b'`' | b'|' | b',')
}

/// The control and punctuation characters below 64 that a segment can end beside, as bits.
const LOW_CUTS: u64 = 1 << b' '
    | 1 << b'\n'
    | 1 << b'\r'
    | 1 << b'\t'
    | 1 << b'"'
    | 1 << b','
    | 1 << b'<'
    | 1 << b'>';

/// Whether a segment can end before or after `byte`.
fn cuts(byte: u8) -> bool {
    if byte < 64 { LOW_CUTS >> byte & 1 == 1 } else { byte >= 0x80 || byte == b'`' || byte == b'|' }
}

/// The first boundary in `from..to`, or `to`. What is not known yet is no boundary.
pub(crate) fn next_boundary(text: &[u8], from: usize, to: usize, complete: bool) -> usize {
    let mut at = from;
    while at < to {
        if !text.get(at - 1).is_some_and(|byte| cuts(*byte)) {
            match next_cut(text, at, to) {
                Some(place) => at = place,
                None => return to,
            }
            if text.get(at).is_some_and(|byte| always_cuts(*byte)) {
                return at;
            }
        }
        if boundary(text, at, complete) == Some(true) {
            return at;
        }
        at += 1;
    }
    to
}

/// The first byte in `from..to` that a segment may end beside; a control character may be none.
fn next_cut(text: &[u8], from: usize, to: usize) -> Option<usize> {
    let mut at = from;
    while at < to {
        let Some(block) = text.get(at..).and_then(|rest| rest.first_chunk::<16>()) else {
            let rest = text.get(at..to)?;
            return rest.iter().position(|byte| cuts(*byte)).map(|skip| at + skip);
        };
        let bytes = i8x16::new(block.map(|byte| byte as i8));
        let is = |byte: u8| bytes.simd_eq(i8x16::splat(byte as i8));
        // Signed: what is not ASCII is below everything, up to the double quote.
        let low = bytes.simd_lt(i8x16::splat(b'"' as i8 + 1));
        let angle = (bytes | i8x16::splat(2)).simd_eq(i8x16::splat(b'>' as i8));
        let found = (low | angle | is(b',') | is(b'`') | is(b'|')).to_bitmask();
        if found != 0 {
            return Some(at + found.trailing_zeros() as usize).filter(|place| *place < to);
        }
        at += 16;
    }
    None
}

/// The last boundary in `cursor..=at`, or `cursor`.
pub(crate) fn last_boundary(text: &[u8], at: usize, cursor: usize, complete: bool) -> usize {
    let mut at = at;
    while at > cursor {
        if !text.get(at).is_some_and(|byte| cuts(*byte)) {
            let before = text.get(cursor..at).unwrap_or_default();
            match before.iter().rposition(|byte| cuts(*byte)) {
                Some(place) => at = cursor + place + 1,
                None => return cursor,
            }
            if text.get(at - 1).is_some_and(|byte| always_cuts(*byte)) {
                return at;
            }
        }
        if boundary(text, at, complete) == Some(true) {
            return at;
        }
        at -= 1;
    }
    cursor
}

/// The space of a CJK keyboard, and its first byte.
const WIDE_SPACE: &[u8] = "\u{3000}".as_bytes();
const IDEOGRAPHIC: u8 = 0xE3;

/// Whether a segment ends beside what may be a wide space at `at`: not between full-width digits.
#[inline(never)]
fn wide_space(text: &[u8], at: usize, complete: bool) -> Option<bool> {
    if !text.get(..at).is_some_and(ends_in_wide_digit) {
        return Some(true);
    }
    let Some(right) = text.get(at + WIDE_SPACE.len()..) else {
        return complete.then_some(true);
    };
    match text.get(at..at + WIDE_SPACE.len()) {
        Some(WIDE_SPACE) => begins_with_wide_digit(right, complete).map(|digit| !digit),
        _ => Some(true),
    }
}

fn ends_in_wide_digit(before: &[u8]) -> bool {
    matches!(before, [.., 0xEF, 0xBC, 0x90..=0x99])
}

/// Whether `right` begins with a full-width digit; `None` while more has to come.
#[inline(never)]
fn begins_with_wide_digit(right: &[u8], complete: bool) -> Option<bool> {
    match right {
        [0xEF, 0xBC, last, ..] => Some((0x90..=0x99).contains(last)),
        [] | [0xEF] | [0xEF, 0xBC] if !complete => None,
        _ => Some(false),
    }
}

/// Scripts written without spaces (kana, Han, Hangul) break between characters.
fn is_caseless_lead(byte: u8) -> bool {
    matches!(byte, 0xE3..=0xED)
}

fn ends_caseless(text: &[u8], at: usize) -> bool {
    let last_is_tail = at.checked_sub(1).and_then(|i| text.get(i)).is_some_and(|b| *b >= 0x80);
    last_is_tail
        && at.checked_sub(3).and_then(|i| text.get(i)).copied().is_some_and(is_caseless_lead)
}

/// A `<` between capitals, digits or more `<` is the filler of a machine-readable passport line.
fn angle(text: &[u8], at: usize, complete: bool) -> Option<bool> {
    if text.get(at) != Some(&b'<') {
        return Some(false);
    }
    let filler = |b: u8| b.is_ascii_uppercase() || b.is_ascii_digit() || b == b'<';
    if !at.checked_sub(1).and_then(|i| text.get(i)).copied().is_some_and(filler) {
        return Some(false);
    }
    match text.get(at + 1) {
        Some(next) => Some(filler(*next)),
        None if complete => Some(false),
        None => None,
    }
}

/// Whether the space, tab or line end at `at` stands inside something that detectors read as one.
fn joined(text: &[u8], at: usize, complete: bool) -> Option<bool> {
    let before = text.get(..at)?;
    let Some(left) = before.last().copied() else { return Some(false) };
    if left == b' ' {
        return wide(text, before.get(..at - 1)?, at, complete);
    }
    if text.get(at) != Some(&b' ') {
        return wide(text, before, at, complete);
    }
    if ends_in_wide_digit(before) {
        return begins_with_wide_digit(text.get(at + 1..)?, complete);
    }
    if !may_continue(before, left) {
        return Some(false);
    }
    match text.get(at + 1).copied() {
        Some(b' ') => wide(text, before, at + 1, complete),
        Some(right) => Some(continues(before, left, right)),
        None if complete => Some(false),
        None => None,
    }
}

/// Whether a number goes on behind two spaces, a tab or a line end of which `last` is the last
/// byte. Numbers in columns are common, so only groups as cards are printed in, or single digits,
/// join, and only as many as a card has.
fn wide(text: &[u8], before: &[u8], last: usize, complete: bool) -> Option<bool> {
    if !before.last().is_some_and(u8::is_ascii_digit) || !is_part_of_card(before) {
        return Some(false);
    }
    match text.get(last + 1) {
        Some(right) => Some(right.is_ascii_digit()),
        None if complete => Some(false),
        None => None,
    }
}

/// Ends in one to three groups of four digits, or in one to eighteen single digits, with white
/// space between them.
fn is_part_of_card(before: &[u8]) -> bool {
    let length = before.iter().rev().take(5).take_while(|b| b.is_ascii_digit()).count();
    let most = match length {
        1 => 18,
        4 => 3,
        _ => return false,
    };
    let mut groups = 1;
    let mut rest = before.get(..before.len() - length).unwrap_or_default();
    while groups <= most {
        let gap = rest.iter().rev().take(2).take_while(|b| b" \n\t".contains(b)).count();
        let head = rest.get(..rest.len() - gap).unwrap_or_default();
        let group = head.iter().rev().take(5).take_while(|b| b.is_ascii_digit()).count();
        if gap == 0 || group != length {
            return rest.last().is_none_or(|b| !b.is_ascii_alphanumeric());
        }
        groups += 1;
        rest = head.get(..head.len() - length).unwrap_or_default();
    }
    false
}

/// The part of the rule that needs only the left side: prose fails it, so that a finished word
/// is released without waiting for the next.
fn may_continue(before: &[u8], left: u8) -> bool {
    match left {
        b'0'..=b'9' => true,
        b')' | b'-' | b'+' => near_digit(before),
        b'A'..=b'Z' => group_of_four(before) || two_capitals(before) || in_pem_header(before),
        b'a'..=b'z' => group_of_four(before),
        _ => false,
    }
}

fn continues(before: &[u8], left: u8, right: u8) -> bool {
    match (left, right) {
        (b'0'..=b'9', b'0'..=b'9' | b'(' | b'+' | b'-' | b'A'..=b'Z') => true,
        (b'0'..=b'9', b'a'..=b'z') => group_of_four(before),
        (b')' | b'-' | b'+', b'0'..=b'9' | b'(' | b'-') => true,
        (b'A'..=b'Z', b'0'..=b'9') => true,
        (b'A'..=b'Z', b'A'..=b'Z') => group_of_four(before) || in_pem_header(before),
        (b'a'..=b'z', b'0'..=b'9' | b'a'..=b'z') => true,
        _ => false,
    }
}

/// `)`, `-` and `+` join numbers only beside a digit: `(88) 684`, `555 - 1234`.
fn near_digit(before: &[u8]) -> bool {
    let mut rest = before.iter().rev().skip(1);
    match rest.next() {
        Some(b' ') => rest.next().is_some_and(u8::is_ascii_digit),
        Some(byte) => byte.is_ascii_digit(),
        None => false,
    }
}

/// Ends in a group of exactly four characters of a printed IBAN: upper case and digits, or one
/// with a digit in it, or lower case right after such a group.
fn group_of_four(before: &[u8]) -> bool {
    let Some((rest, group)) = before.split_last_chunk::<4>() else { return false };
    if !group.iter().all(u8::is_ascii_alphanumeric)
        || rest.last().is_some_and(u8::is_ascii_alphanumeric)
    {
        return false;
    }
    if group.iter().any(u8::is_ascii_digit) || !group.iter().any(u8::is_ascii_lowercase) {
        return true;
    }
    let Some((_, [previous @ .., space])) = rest.split_last_chunk::<5>() else { return false };
    *space == b' ' && previous.iter().all(u8::is_ascii_alphanumeric) && has_digit(previous)
}

fn has_digit(bytes: &[u8]) -> bool {
    bytes.iter().any(u8::is_ascii_digit)
}

/// Ends in a word of exactly two capitals, as a spaced NINO begins.
fn two_capitals(before: &[u8]) -> bool {
    let Some((rest, pair)) = before.split_last_chunk::<2>() else { return false };
    pair.iter().all(u8::is_ascii_uppercase) && !rest.last().is_some_and(u8::is_ascii_alphanumeric)
}

/// Inside `-----BEGIN … KEY-----`, whose words belong together.
fn in_pem_header(before: &[u8]) -> bool {
    let window = before.get(before.len().saturating_sub(LOOK_BACK)..).unwrap_or_default();
    let label = window.iter().rev().take_while(|b| b.is_ascii_uppercase() || **b == b' ');
    let start = window.len().saturating_sub(label.count());
    window.get(..start).is_some_and(|head| head.ends_with(b"-----"))
        && window.get(start..).is_some_and(|l| l.starts_with(b"BEGIN") || l.starts_with(b"END"))
}
