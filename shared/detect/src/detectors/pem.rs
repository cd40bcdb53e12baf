//! PEM private keys: the one match that goes over many segments.

use std::ops::Range;

use crate::pass::{Window, floor_char};
use crate::scan::anchor::ASSIGN;
use crate::scan::position;
use crate::scan::segment::Segment;

/// Least length of the first whole line of a key, in bytes.
const LINE: usize = 40;

/// What stands before the checksum at the end of a PuTTY key.
const PUTTY_SUM: &[u8] = b"Private-MAC: ";

/// What a segment that may be a PEM header leads to.
pub(crate) enum Extent {
    /// No header here.
    None,
    /// A key whose end has not arrived.
    Open,
    /// The whole key, or as much of it as may be held back.
    Key {
        /// Bytes of the text.
        span: Range<usize>,
        /// Cut at the hold-back limit.
        overflow: bool,
    },
}

/// Whether an anchor at `at` is the end of the dashes of a header.
pub(crate) fn dashes(text: &[u8], at: usize) -> bool {
    text.get(at..).is_some_and(|rest| rest.starts_with(b"--B"))
}

/// How far the key that the segment opens reaches.
#[inline(never)]
pub(crate) fn extent(segment: &Segment<'_>, window: Window<'_>, hold_back: usize) -> Extent {
    let Some((start, body, footer)) = opening(segment) else { return Extent::None };
    let limit = segment.start().saturating_add(hold_back);
    let reach = floor_char(window.text, limit);
    let known = window.text.get(body..window.to.min(reach)).unwrap_or_default();
    let length = known.iter().position(|b| !is_body(*b)).unwrap_or(known.len());
    let inside = known.get(..length).unwrap_or_default();
    if let Some(end) = footer(inside) {
        return Extent::Key { span: start..body + end, overflow: false };
    }
    let at_limit = window.text.len() >= limit && window.to >= reach;
    if length == known.len() && !at_limit && !window.complete {
        return Extent::Open;
    }
    // A header in a text about keys, without one.
    let lines = inside.split(|b| b.is_ascii_whitespace() || *b == b'\\');
    if !lines.into_iter().any(|line| line.len() >= LINE) {
        return Extent::None;
    }
    let end = floor_char(window.text, body + length);
    Extent::Key { span: start..end, overflow: at_limit && length == known.len() }
}

/// Whether a key that begins in the first segment of `text`, and was found open when so many of its
/// bytes were `known`, is open still. Asked before [`extent`], which reads all of it again.
pub(crate) fn stays_open(text: &[u8], known: usize, hold_back: usize) -> bool {
    let new = text.get(known..).unwrap_or_default();
    let tail = text.get(known.saturating_sub(4)..).unwrap_or_default();
    let has = |text, part: &[u8]| memchr::memmem::find(text, part).is_some();
    let may_end = has(tail, b"-----") && has(text, b"-----END ") || has(text, PUTTY_SUM);
    text.len() < hold_back && !may_end && new.iter().all(|byte| is_body(*byte))
}

/// Finds the end of a key's body.
type Footer = fn(&[u8]) -> Option<usize>;

/// Where the key and its body begin, and what finds the body's end.
fn opening(segment: &Segment<'_>) -> Option<(usize, usize, Footer)> {
    const LABEL: &[u8] = b"PRIVATE KEY";
    let begins = segment.has(ASSIGN).then(|| position(segment.bytes(), b"-----BEGIN "));
    let Some(place) = begins.flatten() else {
        let after = after_putty_count(segment.left_of(segment.start(), 24));
        return after.then_some((segment.start(), segment.start(), putty_footer));
    };
    let start = segment.start() + place;
    let label = position(segment.slice(start..segment.end()), LABEL)?;
    Some((start, start + label + LABEL.len(), footer))
}

/// Whether the private lines of a PuTTY key follow `left`: `Private-Lines: 8`.
fn after_putty_count(left: &[u8]) -> bool {
    let left = left.trim_ascii_end();
    let digits = left.iter().rev().take_while(|b| b.is_ascii_digit()).count();
    digits > 0
        && left.get(..left.len() - digits).is_some_and(|head| head.ends_with(b"Private-Lines: "))
}

/// The end of the checksum behind the private lines.
fn putty_footer(body: &[u8]) -> Option<usize> {
    let start = position(body, PUTTY_SUM)? + PUTTY_SUM.len();
    let length = body.get(start..)?.iter().take_while(|b| b.is_ascii_hexdigit()).count();
    (length >= 40).then_some(start + length)
}

/// Base64, line ends (also escaped ones), and the header lines of encrypted keys and of OpenPGP.
fn is_body(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"+/=\r\n\t \\-:,.()@_".contains(&byte)
}

/// The end of the `-----END … KEY-----` line.
fn footer(body: &[u8]) -> Option<usize> {
    let start = position(body, b"-----END ")? + b"-----END ".len();
    let rest = body.get(start..)?;
    let dashes = position(rest, b"-----")?;
    Some(start + dashes + 5)
}
