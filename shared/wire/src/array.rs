//! A stream that is a JSON array, element by element, as Gemini answers `:streamGenerateContent` without
//! `alt=sse`.
//!
//! Each element is told as an [`Event`] that is all data. Bytes between elements (the brackets,
//! commas, white space) belong to none and are passed on as they are.

use core::fmt;

use crate::sse::{Event, Field, Line, SseError};

/// Where the next byte is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum At {
    /// Between elements.
    Between,
    /// In an element, so many containers deep.
    Element {
        depth: u32,
        /// Between the quotes of a string, and there after a backslash.
        string: bool,
        escape: bool,
    },
    /// In what is no array of objects.
    Broken,
}

/// Splits a JSON array into its elements; an object alone is one. What is neither is told at the end, as an
/// incomplete event.
#[derive(Clone)]
pub struct ArrayParser {
    limit: usize,
    /// Offset in the stream of the element begun.
    offset: u64,
    /// What earlier chunks held of it.
    begun: Vec<u8>,
    at: At,
    opened: bool,
}

impl fmt::Debug for ArrayParser {
    /// Without the text of the element begun.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ArrayParser")
            .field("limit", &self.limit)
            .field("offset", &self.offset)
            .field("held", &self.begun.len())
            .finish_non_exhaustive()
    }
}

impl ArrayParser {
    /// A parser that refuses elements longer than `limit` bytes, which bounds its memory.
    pub fn new(limit: usize) -> Self {
        Self { limit, offset: 0, begun: Vec::new(), at: At::Between, opened: false }
    }

    /// Bytes of an unfinished element that are held.
    pub fn held(&self) -> usize {
        self.begun.len()
    }

    /// Reads the next chunk and calls `event` for every element that it completes.
    ///
    /// # Errors
    /// [`SseError`]; what follows in the stream is then not read.
    pub fn feed(&mut self, chunk: &[u8], mut event: impl FnMut(Event<'_>)) -> Result<(), SseError> {
        let mut bytes = core::mem::take(&mut self.begun);
        let mut next = bytes.len();
        bytes.extend_from_slice(chunk);
        let mut start = 0;
        while let Some(byte) = bytes.get(next).copied() {
            let before = self.at;
            self.step(byte);
            if before == At::Between && self.at != At::Between {
                start = next;
            }
            next += 1;
            if let (At::Element { string: true, escape: false, .. }, true) =
                (self.at, before == self.at)
            {
                let rest = bytes.get(next..).unwrap_or_default();
                next += memchr::memchr2(b'"', b'\\', rest).unwrap_or(rest.len());
            }
            if self.at == At::Between {
                if before != At::Between {
                    self.tell(bytes.get(start..next).unwrap_or_default(), start, &mut event)?;
                }
                start = next;
            }
        }
        self.offset = self.offset.saturating_add(start as u64);
        bytes.drain(..start);
        self.begun = bytes;
        if self.begun.len() > self.limit {
            return Err(SseError::TooLong { at: self.offset, limit: self.limit });
        }
        Ok(())
    }

    /// Ends the stream: what was not completed is told as incomplete.
    pub fn finish(self, mut event: impl FnMut(Event<'_>)) {
        let lines = [Line { field: Field::Data, value: 0..self.begun.len() }];
        if !self.begun.is_empty() {
            event(Event { offset: self.offset, raw: &self.begun, lines: &lines, complete: false });
        }
    }

    fn tell(
        &self,
        raw: &[u8],
        start: usize,
        event: &mut impl FnMut(Event<'_>),
    ) -> Result<(), SseError> {
        let offset = self.offset.saturating_add(start as u64);
        if raw.len() > self.limit {
            return Err(SseError::TooLong { at: offset, limit: self.limit });
        }
        let lines = [Line { field: Field::Data, value: 0..raw.len() }];
        event(Event { offset, raw, lines: &lines, complete: true });
        Ok(())
    }

    fn step(&mut self, byte: u8) {
        let begun = At::Element { depth: 1, string: false, escape: false };
        self.at = match self.at {
            At::Between => match byte {
                b'[' if !self.opened => {
                    self.opened = true;
                    At::Between
                }
                b'{' | b'[' => begun,
                b',' | b']' | b' ' | b'\t' | b'\r' | b'\n' => At::Between,
                _ => At::Broken,
            },
            At::Element { depth, string: true, escape } => At::Element {
                depth,
                string: escape || byte != b'"',
                escape: !escape && byte == b'\\',
            },
            At::Element { depth: 1, string: false, .. } if matches!(byte, b'}' | b']') => {
                At::Between
            }
            At::Element { depth, string: false, escape } => At::Element {
                depth: match byte {
                    b'{' | b'[' => depth.saturating_add(1),
                    b'}' | b']' => depth.saturating_sub(1),
                    _ => depth,
                },
                string: byte == b'"',
                escape,
            },
            At::Broken => At::Broken,
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    fn elements(stream: &str, len: usize) -> Vec<(u64, String, bool)> {
        let mut parser = ArrayParser::new(100);
        let mut told = Vec::new();
        let mut tell = |event: Event<'_>| {
            let raw = String::from_utf8(event.raw.to_vec()).unwrap();
            told.push((event.offset, raw, event.complete));
        };
        for chunk in stream.as_bytes().chunks(len) {
            parser.feed(chunk, &mut tell).unwrap();
        }
        parser.finish(tell);
        told
    }

    #[test]
    fn elements_are_told_with_their_place_however_the_bytes_are_cut() {
        let stream = "[{\"a\":\"}\\\"]\"}\r\n,\n{\"b\":[{},[1]]}\n,[2] ]\n";
        let expected = [(1, "{\"a\":\"}\\\"]\"}"), (17, "{\"b\":[{},[1]]}"), (33, "[2]")];
        for len in 1..stream.len() + 1 {
            let told = elements(stream, len);
            assert_eq!(told.len(), 3, "{told:?}");
            for ((offset, raw, complete), (at, element)) in told.iter().zip(expected) {
                assert_eq!(
                    (*offset, raw.as_str(), *complete),
                    (at, element, true),
                    "pieces of {len}"
                );
            }
        }
    }

    #[test]
    fn an_object_alone_is_an_element_and_what_is_neither_is_incomplete() {
        for (stream, element, complete) in [
            ("{\"error\":{}}", "{\"error\":{}}", true),
            ("upstream error", "upstream error", false),
            ("[{\"a\":", "{\"a\":", false),
            ("[\"text\"]", "\"text\"]", false),
        ] {
            for len in [1, 3, 100] {
                let [(_, raw, whole)] = &elements(stream, len)[..] else { panic!("{stream}") };
                assert_eq!((raw.as_str(), *whole), (element, complete));
            }
        }
    }

    #[test]
    fn an_element_that_is_too_long_is_refused_before_it_ends() {
        let long = format!("[{{\"a\":\"{}\"}}]", "x".repeat(200));
        for len in [1, 50, 1000] {
            let mut parser = ArrayParser::new(100);
            let fed = long.as_bytes().chunks(len).try_for_each(|chunk| parser.feed(chunk, |_| {}));
            assert_eq!(fed, Err(SseError::TooLong { at: 1, limit: 100 }));
        }
    }
}
