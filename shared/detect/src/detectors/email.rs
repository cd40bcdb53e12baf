//! Email addresses (the practical part of RFC 5321).

use crate::rule::BuiltIn;
use crate::scan::Candidate;
use crate::scan::anchor::LINK;
use crate::scan::segment::Segment;

/// Longest local part (RFC 5321, 4.5.3.1.1).
const MAX_LOCAL: usize = 64;
/// Longest domain (RFC 5321, 4.5.3.1.2).
const MAX_DOMAIN: usize = 255;

/// Every `local@domain` in the segment, but for `git@`, which is nobody's: so repositories are
/// addressed.
#[inline(never)]
pub(crate) fn find(segment: &Segment<'_>, out: &mut Vec<Candidate>) {
    for place in memchr::memchr_iter(b'@', segment.bytes()) {
        let at = segment.start() + place;
        let Some(end) = domain_end(segment, at + 1) else { continue };
        let Some(start) = local_start(segment, at, segment.byte(end) == b'\'') else { continue };
        if !in_url_credentials(segment, start) && segment.slice(start..at) != b"git" {
            out.push(Candidate::plain(start..end, BuiltIn::Email));
        }
    }
}

fn is_local(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+/=?^_{}~.-".contains(&byte)
}

/// Characters that belong to a local part but rarely begin one: what stands before is syntax.
fn is_opening(byte: u8) -> bool {
    b"!#$%&'*/=?^{}~.".contains(&byte)
}

/// Where the local part before `at` begins. An apostrophe in it (`o'neil`) is its own unless one
/// follows the address: then it opens a quotation.
fn local_start(segment: &Segment<'_>, at: usize, quoted: bool) -> Option<usize> {
    let left = segment.slice(segment.start()..at);
    let length = left.iter().rev().take(MAX_LOCAL + 1).take_while(|b| is_local(**b)).count();
    let mut start = at - length;
    let separator = |b: &u8| b"=/&?{}".contains(b) || quoted && *b == b'\'';
    if let Some(place) = segment.slice(start..at).iter().rposition(separator) {
        start += place + 1;
    }
    while start < at && is_opening(segment.byte(start)) {
        start += 1;
    }
    let valid = start < at && segment.before(at) != b'.' && at - start <= MAX_LOCAL;
    valid.then_some(start)
}

/// The end of a domain of at least two labels, the last of letters.
fn domain_end(segment: &Segment<'_>, from: usize) -> Option<usize> {
    let rest = segment.slice(from..segment.end());
    let is_domain =
        |b: u8| b.is_ascii_alphanumeric() || b == b'-' || b == b'.' || (0x80..0xE0).contains(&b);
    let mut length = rest.iter().take(MAX_DOMAIN + 1).take_while(|b| is_domain(**b)).count();
    while rest.get(..length)?.last().is_some_and(|b| *b == b'.' || *b == b'-') {
        length -= 1;
    }
    let domain = rest.get(..length)?;
    let (_, top) = split_last_label(domain)?;
    let labels = domain.split(|b| *b == b'.');
    let shaped = labels.into_iter().all(|label| {
        !label.is_empty() && label.len() <= 63 && !label.starts_with(b"-") && !label.ends_with(b"-")
    });
    let letters =
        top.iter().all(|b| b.is_ascii_alphabetic() || *b >= 0x80) || top.starts_with(b"xn--");
    (shaped && letters && top.len() >= 2 && length <= MAX_DOMAIN).then_some(from + length)
}

fn split_last_label(domain: &[u8]) -> Option<(&[u8], &[u8])> {
    let dot = memchr::memrchr(b'.', domain)?;
    Some((domain.get(..dot)?, domain.get(dot + 1..)?))
}

/// `scheme://user:password@host` is not an address; the URL rules judge it.
fn in_url_credentials(segment: &Segment<'_>, start: usize) -> bool {
    if !segment.has(LINK) {
        return false;
    }
    let from = segment.start().max(start.saturating_sub(MAX_DOMAIN));
    let left = segment.slice(from..start);
    let scheme = memchr::memmem::rfind(left, b"://");
    scheme.is_some_and(|place| !left.get(place + 3..).unwrap_or_default().contains(&b'/'))
}
