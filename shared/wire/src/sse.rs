//! Server-sent events at byte level: any chunking, every line ending, nothing lost.
//!
//! [`SseParser`] yields each event with its raw bytes and with the place of every field in them,
//! so that a filter can change the text of one field and pass on all else untouched. Bytes between
//! events (empty lines, a byte order mark, the line feed of a final CR LF) belong to no event and
//! are passed on as they are.

use core::fmt;
use core::ops::Range;
use std::borrow::Cow;

use thiserror::Error;

/// What a line of an event is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Field {
    /// `data:`
    Data,
    /// `event:`
    Event,
    /// `id:`
    Id,
    /// `retry:`
    Retry,
    /// A line that starts with a colon.
    Comment,
    /// Any other name, which clients ignore.
    Other,
}

/// One line of an event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// What it is.
    pub field: Field,
    /// Where its value is in [`Event::raw`], without the space that may come first.
    pub value: Range<usize>,
}

/// One event, or a block of comments.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Event<'a> {
    /// Where its first byte is in the stream.
    pub offset: u64,
    /// Its bytes, up to and including the empty line that ends it. Of a CR LF that ends the empty
    /// line only the CR is part of it: whoever waited for the LF would hold back the event.
    pub raw: &'a [u8],
    /// Its lines in order.
    pub lines: &'a [Line],
    /// False if the stream ended before the empty line. Browsers drop such an event; clients of
    /// inference APIs commonly don't.
    pub complete: bool,
}

impl fmt::Debug for Event<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Event")
            .field("offset", &self.offset)
            .field("len", &self.raw.len())
            .field("lines", &self.lines)
            .field("complete", &self.complete)
            .finish()
    }
}

impl<'a> Event<'a> {
    /// The values of all lines of one field.
    pub fn values(&self, field: Field) -> impl Iterator<Item = &'a [u8]> {
        let raw = self.raw;
        let lines = self.lines.iter().filter(move |line| line.field == field);
        lines.map(move |line| raw.get(line.value.clone()).unwrap_or_default())
    }

    /// The data: its lines joined by line feeds, `None` if there are none.
    pub fn data(&self) -> Option<Cow<'a, [u8]>> {
        let mut values = self.values(Field::Data);
        let first = values.next()?;
        let mut joined = Cow::Borrowed(first);
        for value in values {
            let joined = joined.to_mut();
            joined.push(b'\n');
            joined.extend_from_slice(value);
        }
        Some(joined)
    }

    /// The type of the event (its last `event` line).
    pub fn kind(&self) -> Option<&'a [u8]> {
        self.values(Field::Event).last()
    }
}

/// A stream that cannot be read as events.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum SseError {
    /// An event is longer than allowed.
    #[error("event longer than {limit} bytes at offset {at} of the stream")]
    TooLong {
        /// Where the event starts.
        at: u64,
        /// The most bytes allowed.
        limit: usize,
    },
}

/// Splits a stream into events.
#[derive(Clone)]
pub struct SseParser {
    limit: usize,
    /// Offset in the stream of the event begun.
    offset: u64,
    /// What earlier chunks held of it.
    begun: Vec<u8>,
    /// Where things are, counted from its first byte.
    place: Place,
    lines: Vec<Line>,
    /// A byte order mark may still come.
    at_start: bool,
}

#[derive(Clone, Copy, Debug, Default)]
struct Place {
    /// Start of the line begun.
    line: usize,
    /// Bytes that are known to hold no further line end.
    searched: usize,
    /// The last line ended with CR: an LF right after it belongs to that end.
    after_cr: bool,
}

impl fmt::Debug for SseParser {
    /// Without the text of the event begun.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SseParser")
            .field("limit", &self.limit)
            .field("offset", &self.offset)
            .field("held", &self.begun.len())
            .finish_non_exhaustive()
    }
}

const BYTE_ORDER_MARK: &[u8] = b"\xEF\xBB\xBF";

impl SseParser {
    /// A parser that refuses events longer than `limit` bytes, which bounds its memory.
    pub fn new(limit: usize) -> Self {
        Self {
            limit,
            offset: 0,
            begun: Vec::new(),
            place: Place::default(),
            lines: Vec::new(),
            at_start: true,
        }
    }

    /// Bytes of an unfinished event that are held.
    pub fn held(&self) -> usize {
        self.begun.len()
    }

    /// Reads the next chunk and calls `event` for every event that it completes.
    ///
    /// # Errors
    /// [`SseError`]; what follows in the stream is then not read.
    pub fn feed(&mut self, chunk: &[u8], mut event: impl FnMut(Event<'_>)) -> Result<(), SseError> {
        self.take(chunk, &mut event)
    }

    /// The same for all callers: reading is 3 KB of a module, and a call through a pointer is nothing beside an event.
    fn take(&mut self, chunk: &[u8], event: &mut dyn FnMut(Event<'_>)) -> Result<(), SseError> {
        if self.begun.is_empty() {
            let left = self.read(chunk, event)?;
            self.begun.extend_from_slice(left);
            return Ok(());
        }
        let mut bytes = core::mem::take(&mut self.begun);
        bytes.extend_from_slice(chunk);
        let left = self.read(&bytes, event)?.len();
        bytes.drain(..bytes.len().saturating_sub(left));
        self.begun = bytes;
        Ok(())
    }

    /// Ends the stream: an event that no empty line completed is told as incomplete.
    pub fn finish(mut self, mut event: impl FnMut(Event<'_>)) {
        let raw = core::mem::take(&mut self.begun);
        if self.place.line < raw.len() {
            self.push_line(&raw, raw.len());
        }
        if !self.lines.is_empty() {
            let Self { offset, lines, .. } = &self;
            event(Event { offset: *offset, raw: &raw, lines, complete: false });
        }
    }

    /// Reads `bytes`, which start with the event begun; returns what is left of them.
    fn read<'a>(
        &mut self,
        mut bytes: &'a [u8],
        event: &mut dyn FnMut(Event<'_>),
    ) -> Result<&'a [u8], SseError> {
        if self.at_start {
            match skip_byte_order_mark(bytes) {
                Some(rest) => bytes = self.skip(bytes, bytes.len() - rest.len()),
                None => return Ok(bytes),
            }
            self.at_start = false;
        }
        loop {
            bytes = self.skip_line_feed(bytes);
            let unsearched = bytes.get(self.place.searched..).unwrap_or_default();
            let Some(found) = memchr::memchr2(b'\n', b'\r', unsearched) else {
                self.place.searched = bytes.len();
                return if bytes.len() > self.limit { Err(self.too_long()) } else { Ok(bytes) };
            };
            let end = self.place.searched.saturating_add(found);
            if end > self.limit {
                return Err(self.too_long());
            }
            let empty = end == self.place.line;
            if !empty {
                self.push_line(bytes, end);
            }
            let after = end.saturating_add(1);
            let after_cr = bytes.get(end) == Some(&b'\r');
            self.place = Place { line: after, searched: after, after_cr };
            if empty {
                self.tell(bytes.get(..after).unwrap_or_default(), event);
                bytes = self.skip(bytes, after);
            }
        }
    }

    /// Passes over the second half of a CR LF.
    fn skip_line_feed<'a>(&mut self, bytes: &'a [u8]) -> &'a [u8] {
        let Some(next) = bytes.get(self.place.line).filter(|_| self.place.after_cr) else {
            return bytes;
        };
        self.place.after_cr = false;
        if *next != b'\n' {
            return bytes;
        }
        if self.lines.is_empty() {
            return self.skip(bytes, self.place.line.saturating_add(1));
        }
        self.place.line = self.place.line.saturating_add(1);
        self.place.searched = self.place.searched.max(self.place.line);
        bytes
    }

    /// Drops `len` bytes that belong to no event, or to one that was told.
    fn skip<'a>(&mut self, bytes: &'a [u8], len: usize) -> &'a [u8] {
        self.offset = self.offset.saturating_add(len as u64);
        self.place.line = 0;
        self.place.searched = 0;
        bytes.get(len..).unwrap_or_default()
    }

    fn tell(&mut self, raw: &[u8], event: &mut dyn FnMut(Event<'_>)) {
        if !self.lines.is_empty() {
            event(Event { offset: self.offset, raw, lines: &self.lines, complete: true });
            self.lines.clear();
        }
    }

    fn push_line(&mut self, bytes: &[u8], end: usize) {
        let start = self.place.line;
        let line = bytes.get(start..end).unwrap_or_default();
        let colon = memchr::memchr(b':', line).unwrap_or(line.len());
        let (name, rest) = line.split_at_checked(colon).unwrap_or((line, &[]));
        let space = usize::from(rest.get(1) == Some(&b' '));
        let value = start + (colon + 1 + space).min(line.len());
        let field = match (name, rest.is_empty()) {
            (b"data", _) => Field::Data,
            (b"event", _) => Field::Event,
            (b"id", _) => Field::Id,
            (b"retry", _) => Field::Retry,
            (b"", false) => Field::Comment,
            _ => Field::Other,
        };
        self.lines.push(Line { field, value: value..end });
    }

    fn too_long(&self) -> SseError {
        SseError::TooLong { at: self.offset, limit: self.limit }
    }
}

/// `bytes` without a byte order mark; `None` while that is undecided.
fn skip_byte_order_mark(bytes: &[u8]) -> Option<&[u8]> {
    if let Some(rest) = bytes.strip_prefix(BYTE_ORDER_MARK) {
        return Some(rest);
    }
    if BYTE_ORDER_MARK.starts_with(bytes) { None } else { Some(bytes) }
}

#[cfg(test)]
mod tests;
