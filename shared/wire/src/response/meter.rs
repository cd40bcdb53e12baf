//! What a response used, as far as it has come.

use memchr::memchr2_iter;

use super::{ResponseReader, Usage};

/// How a line begins that carries data of an event.
const DATA: &[u8] = b"data:";

/// Bytes of a body that stand for a token where nobody says more: English has 4 to 5 characters to a
/// token, and a body has some of its own.
const BYTES_PER_TOKEN: u64 = 5;

/// Reads the usage of a response, and counts what came in case there is none.
#[derive(Debug, Default)]
pub struct ResponseMeter {
    reader: ResponseReader,
    bytes: u64,
    /// Lines that carry data.
    data_lines: u64,
    /// Bytes of [`DATA`] that the line begun matches, `None` if it does not.
    matched: Line,
}

/// The line that has begun.
#[derive(Clone, Copy, Debug)]
struct Line(Option<usize>);

impl Default for Line {
    fn default() -> Self {
        Self(Some(0))
    }
}

impl ResponseMeter {
    /// Takes the next bytes of the body.
    pub fn feed(&mut self, chunk: &[u8]) {
        self.reader.feed(chunk);
        self.bytes = self.bytes.saturating_add(chunk.len() as u64);
        let mut from = 0;
        for end in memchr2_iter(b'\n', b'\r', chunk) {
            self.line(chunk.get(from..end).unwrap_or_default());
            self.matched = Line::default();
            from = end.saturating_add(1);
        }
        self.line(chunk.get(from..).unwrap_or_default());
    }

    /// Takes more of the line begun.
    fn line(&mut self, part: &[u8]) {
        let Line(Some(had)) = self.matched else { return };
        let wanted = DATA.get(had..).unwrap_or_default();
        let same = wanted.iter().zip(part).take_while(|(wanted, byte)| wanted == byte).count();
        if same == wanted.len() {
            self.data_lines = self.data_lines.saturating_add(1);
            self.matched = Line(None);
        } else {
            self.matched = Line((same == part.len()).then(|| had.saturating_add(same)));
        }
    }

    /// What the replica reports, if it has.
    pub fn usage(&self) -> Option<Usage> {
        self.reader.usage()
    }

    /// Whether anything of the body has come.
    pub fn has_begun(&self) -> bool {
        self.bytes > 0
    }

    /// Tokens of the completion that have come by their look: an event of a stream counts as one,
    /// other bodies as one for [`BYTES_PER_TOKEN`] bytes.
    pub fn seen(&self) -> u64 {
        match self.data_lines {
            0 => self.bytes / BYTES_PER_TOKEN,
            lines => lines,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    #[test]
    fn events_are_counted_wherever_chunks_end() {
        let stream = "event: x\r\ndata: {\"a\":1}\r\n\r\n: data: no\ndata:{}\n\nxdata: no\n\rdata: [DONE]\n\n"
            .as_bytes();
        for first in 0..=stream.len() {
            for second in first..=stream.len() {
                let mut meter = ResponseMeter::default();
                meter.feed(&stream[..first]);
                meter.feed(&stream[first..second]);
                meter.feed(&stream[second..]);
                assert_eq!(meter.seen(), 3, "cut at {first} and {second}");
            }
        }
    }

    #[test]
    fn a_body_without_events_counts_by_its_length() {
        let mut meter = ResponseMeter::default();
        assert!(!meter.has_begun());
        meter.feed(b"{\"choices\":[{\"text\":\"data: is no event\"}]}");
        assert_eq!((meter.has_begun(), meter.seen(), meter.usage()), (true, 8, None));
    }
}
