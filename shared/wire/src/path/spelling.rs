//! Other spellings of a path, which a server may take for the same.
//!
//! uvicorn, under which vLLM and SGLang run, decodes `%XX` before it looks for the route; Go's and
//! other routers, and proxies on the way, drop empty segments, dot segments or the slash at the end,
//! or send the client to the path without them. A server that does not answers 404 itself.

use core::ops::Range;

/// Whether `path` has anything that can be spelled otherwise.
pub(super) fn is_odd(path: &[u8]) -> bool {
    let in_pairs = |pair: &[u8]| matches!(pair, b"//" | b"/.");
    path.ends_with(b"/") || memchr::memchr(b'%', path).is_some() || path.windows(2).any(in_pairs)
}

/// Which escaped bytes are decoded, from the reading that changes least: without the second, a model
/// name may have an escaped slash or colon.
pub(super) const READINGS: [fn(u8) -> bool; 2] =
    [is_unreserved, |byte| is_unreserved(byte) || matches!(byte, b'/' | b':')];

/// RFC 3986, 2.3: escaped or not, they are the same.
fn is_unreserved(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~')
}

/// Bytes of an escaped byte, `%XX`.
const ESCAPED: usize = 3;

/// A path in its plain spelling.
pub(super) struct Reading {
    plain: Vec<u8>,
    /// Where each byte of it was sent.
    sent: Vec<usize>,
}

impl Reading {
    /// Reads `path`, of whose escaped bytes those are decoded that `decodes` says.
    pub(super) fn new(path: &[u8], decodes: fn(u8) -> bool) -> Self {
        let mut reading = Self { plain: Vec::new(), sent: Vec::new() };
        let mut at = 0;
        while let Some(&byte) = path.get(at) {
            let decoded = escaped(path.get(at..).unwrap_or_default()).filter(|&byte| decodes(byte));
            let byte_sent = at;
            at += if decoded.is_some() { ESCAPED } else { 1 };
            let byte = decoded.unwrap_or(byte);
            if byte == b'/' {
                reading.end_segment();
            }
            reading.plain.push(byte);
            reading.sent.push(byte_sent);
        }
        reading.end_segment();
        reading
    }

    /// The plain spelling.
    pub(super) fn plain(&self) -> &[u8] {
        &self.plain
    }

    /// Where a part of the plain spelling of `path` was sent.
    pub(super) fn sent(&self, path: &[u8], part: Range<usize>) -> Range<usize> {
        let sent = |at: usize| self.sent.get(at).copied().unwrap_or(path.len());
        let last = part.end.saturating_sub(1);
        // No byte that is decoded is a `%` itself.
        let was_escaped = path.get(sent(last)) != self.plain.get(last);
        sent(part.start)..sent(last) + if was_escaped { ESCAPED } else { 1 }
    }

    /// Takes back a segment that is empty or `.`, and `..` with the one before it (RFC 3986, 5.2.4).
    fn end_segment(&mut self) {
        let Some(slash) = memchr::memrchr(b'/', &self.plain) else { return };
        match self.plain.get(slash + 1..) {
            Some(b"" | b".") => self.truncate(slash),
            Some(b"..") => {
                self.truncate(slash);
                self.truncate(memchr::memrchr(b'/', &self.plain).unwrap_or_default());
            }
            _ => {}
        }
    }

    fn truncate(&mut self, len: usize) {
        self.plain.truncate(len);
        self.sent.truncate(len);
    }
}

/// The byte that `text` starts with, if it is escaped.
fn escaped(text: &[u8]) -> Option<u8> {
    let digit = |byte: u8| char::from(byte).to_digit(16);
    match text {
        [b'%', high, low, ..] => u8::try_from(digit(*high)? * 16 + digit(*low)?).ok(),
        _ => None,
    }
}
