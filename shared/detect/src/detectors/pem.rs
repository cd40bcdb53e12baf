//! PEM private keys: the one match that goes over many segments.

use std::ops::Range;

use crate::scan::segment::Segment;
use crate::scan::window::{Window, floor_char};

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
pub(crate) fn extent(segment: &Segment<'_>, window: Window<'_>, hold_back: usize) -> Extent {
    let Some(place) = memchr::memmem::find(segment.bytes(), b"-----BEGIN ") else {
        return Extent::None;
    };
    let start = segment.start() + place;
    let header = segment.slice(start..segment.end());
    let Some(label) = memchr::memmem::find(header, b"PRIVATE KEY") else { return Extent::None };
    let body = start + label + b"PRIVATE KEY".len();
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
    if length < 40 {
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
    let may_end = has(tail, b"-----") && has(text, b"-----END ");
    text.len() < hold_back && !may_end && new.iter().all(|byte| is_body(*byte))
}

/// Base64, line ends (also escaped ones), and the header lines of encrypted keys.
fn is_body(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"+/=\r\n\t \\-:,".contains(&byte)
}

/// The end of the `-----END … KEY-----` line.
fn footer(body: &[u8]) -> Option<usize> {
    let start = memchr::memmem::find(body, b"-----END ")? + b"-----END ".len();
    let rest = body.get(start..)?;
    let dashes = memchr::memmem::find(rest, b"-----")?;
    Some(start + dashes + 5)
}
