//! Network addresses.

use std::net::Ipv6Addr;
use std::ops::Range;

use crate::rule::BuiltIn;
use crate::scan::Candidate;
use crate::scan::context::Topics;
use crate::scan::segment::Segment;

/// IPv4 in dotted form, each part 0 to 255 without leading zeros.
pub(crate) fn find_v4(segment: &Segment<'_>, out: &mut Vec<Candidate>) {
    for span in runs(segment, |b| b.is_ascii_digit() || b == b'.') {
        let span = trim_dots(segment, span);
        let glued = |b: u8| {
            b.is_ascii_alphanumeric() || b == b'_' || b == b'-' || (0xC3..0xE0).contains(&b)
        };
        if !(7..=15).contains(&span.len()) || !is_v4(segment.slice(span.clone())) {
            continue;
        }
        if glued(segment.before(span.start)) || glued(segment.byte(span.end)) {
            continue;
        }
        let topics = segment.topics(span.start);
        let confidence = match (topics.any(Topics::NETWORK), topics.any(Topics::VERSION)) {
            (true, _) => 0.9,
            (false, true) => 0.35,
            (false, false) => BuiltIn::Ipv4.confidence(),
        };
        out.push(Candidate::new(span, BuiltIn::Ipv4, confidence));
    }
}

fn trim_dots(segment: &Segment<'_>, span: Range<usize>) -> Range<usize> {
    let text = segment.slice(span.clone());
    let trailing = text.iter().rev().take_while(|b| **b == b'.').count();
    span.start..span.end.saturating_sub(trailing).max(span.start)
}

fn is_v4(text: &[u8]) -> bool {
    let mut parts = 0;
    let valid = text.split(|b| *b == b'.').all(|part| {
        parts += 1;
        let digit = |b: &u8| u32::from(b.wrapping_sub(b'0'));
        let value = part.iter().fold(0_u32, |n, b| n.saturating_mul(10).saturating_add(digit(b)));
        (1..=3).contains(&part.len()) && value < 256 && (part.len() == 1 || !part.starts_with(b"0"))
    });
    valid && parts == 4 && !is_nobody(text)
}

/// The loopback, "this host" and broadcast addresses (RFC 1122, 3.2.1.3) say nothing of anyone.
fn is_nobody(text: &[u8]) -> bool {
    text.starts_with(b"127.") || text.starts_with(b"0.") || text == b"255.255.255.255"
}

/// IPv6 in any of the forms of RFC 4291, without the loopback and unspecified addresses.
pub(crate) fn find_v6(segment: &Segment<'_>, out: &mut Vec<Candidate>) {
    for span in runs(segment, |b| b.is_ascii_hexdigit() || b == b':' || b == b'.') {
        let text = segment.slice(span.clone());
        let trailing = text.iter().rev().take_while(|b| **b == b'.').count();
        let mut span = span.start..span.end - trailing;
        let text = segment.slice(span.clone());
        let lone_colon = text.ends_with(b":") && !text.ends_with(b"::");
        span.end -= usize::from(lone_colon);
        let colons = text.iter().filter(|b| **b == b':').count();
        let word = |b: u8| b.is_ascii_alphanumeric() || b == b'_';
        if colons < 2
            || span.len() > 45
            || word(segment.before(span.start))
            || word(segment.byte(span.end))
        {
            continue;
        }
        let parsed = std::str::from_utf8(segment.slice(span.clone()))
            .ok()
            .and_then(|t| t.parse::<Ipv6Addr>().ok());
        if parsed.is_some_and(|address| !address.is_loopback() && !address.is_unspecified()) {
            let full = colons >= 4;
            let named = || segment.topics(span.start).any(Topics::NETWORK);
            // `a::b` is a path in code; an address has a group of some length.
            let long_group =
                || segment.slice(span.clone()).split(|b| *b == b':').any(|g| g.len() > 2);
            let confidence = match (full || named(), full || long_group()) {
                (true, true) => 0.9,
                (false, true) => 0.55,
                (_, false) => 0.3,
            };
            out.push(Candidate::new(span, BuiltIn::Ipv6, confidence));
        }
    }
}

/// Characters of a MAC address.
pub(crate) const MAC_LENGTH: usize = 17;

/// Six pairs of hexadecimal digits, separated by colons or by dashes.
pub(crate) fn find_mac(segment: &Segment<'_>, out: &mut Vec<Candidate>) {
    for span in runs(segment, |b| b.is_ascii_hexdigit() || b == b':' || b == b'-') {
        let text = segment.slice(span.clone());
        let Ok(text) = <&[u8; MAC_LENGTH]>::try_from(text) else { continue };
        let separator = text.get(2).copied().unwrap_or(0);
        let shaped = text.iter().enumerate().all(|(place, byte)| {
            if place % 3 == 2 { *byte == separator } else { byte.is_ascii_hexdigit() }
        });
        let varied = text
            .iter()
            .any(|b| b.is_ascii_hexdigit() && *b != b'0' && !b.eq_ignore_ascii_case(&b'f'));
        if shaped && varied && !segment.before(span.start).is_ascii_alphanumeric() {
            out.push(Candidate::plain(span, BuiltIn::Mac));
        }
    }
}

/// The maximal runs of bytes that satisfy `test`.
pub(crate) fn runs(
    segment: &Segment<'_>,
    test: impl Fn(u8) -> bool + Copy,
) -> impl Iterator<Item = Range<usize>> {
    let bytes = segment.bytes();
    let offset = segment.start();
    let mut at = 0;
    std::iter::from_fn(move || {
        let start = at + bytes.get(at..)?.iter().position(|b| test(*b))?;
        let length = bytes.get(start..)?.iter().take_while(|b| test(**b)).count();
        at = start + length;
        Some(offset + start..offset + at)
    })
}
