//! Taking out the event with the usage that a client did not ask for.
//!
//! With `stream_options.include_usage` a stream of OpenAI's API has one event more, before
//! `[DONE]`: its `choices` are empty and its `usage` is an object. All other bytes pass as they came, and
//! what comes out does not depend on where chunks end.

use std::sync::LazyLock;

use memchr::memchr2;
use memchr::memmem::Finder;

use crate::content::{Kind, Tape};

/// Longest event that may be the extra one, in bytes: known servers send a few hundred. A longer event
/// passes, as it comes.
const MOST: usize = 8 * 1024;

static USAGE: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new(b"\"usage\""));

/// The stream without the extra event.
#[derive(Debug, Default)]
pub struct ExtraUsage {
    /// The event begun, if it may still be the extra one.
    held: Vec<u8>,
    place: Place,
    removed: bool,
}

/// Where the stream is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Place {
    /// Bytes of the line begun.
    line: usize,
    /// Whether the last byte was a CR, which a LF may follow.
    after_cr: bool,
    /// Whether an event has begun that is too long to be judged.
    passing: bool,
    /// The last event ended with a CR, whose LF may follow: whether the event went on.
    tail: Option<bool>,
}

impl ExtraUsage {
    /// Takes the next bytes, and writes what may go on.
    pub fn push(&mut self, mut chunk: &[u8], out: &mut Vec<u8>) {
        while !chunk.is_empty() {
            if let (Some(went_on), Some(rest)) = (self.place.tail.take(), chunk.strip_prefix(b"\n"))
            {
                if went_on {
                    out.push(b'\n');
                }
                chunk = rest;
                continue;
            }
            let (part, rest, ended) = self.next_part(chunk);
            chunk = rest;
            self.take(part, ended, out);
        }
    }

    /// The stream has ended: an event that is not complete goes on.
    pub fn finish(&mut self, out: &mut Vec<u8>) {
        out.append(&mut self.held);
    }

    /// Whether `chunk` would go on as it is; then it counts as taken.
    pub fn passes(&mut self, chunk: &[u8]) -> bool {
        let whole = self.held.is_empty() && self.place == Place::default();
        whole && chunk.ends_with(b"\n\n") && USAGE.find(chunk).is_none()
    }

    /// Whether the event has been taken out.
    pub fn removed(&self) -> bool {
        self.removed
    }

    /// The bytes up to the end of the event begun, or all; then what follows, and whether it has ended.
    fn next_part<'c>(&mut self, chunk: &'c [u8]) -> (&'c [u8], &'c [u8], bool) {
        let mut at = 0;
        while let Some(rest) = chunk.get(at..).filter(|rest| !rest.is_empty()) {
            let after_cr = std::mem::take(&mut self.place.after_cr);
            if after_cr && rest.first() == Some(&b'\n') {
                // The second half of a line's end.
                at = at.saturating_add(1);
                continue;
            }
            let Some(length) = memchr2(b'\n', b'\r', rest) else {
                self.place.line = self.place.line.saturating_add(rest.len());
                break;
            };
            self.place.after_cr = rest.get(length) == Some(&b'\r');
            at = at.saturating_add(length).saturating_add(1);
            let empty = self.place.line == 0 && length == 0;
            self.place.line = 0;
            if empty {
                // An LF that belongs to this end comes as its tail.
                self.place.after_cr = false;
                let (part, rest) = chunk.split_at_checked(at).unwrap_or((chunk, &[]));
                return (part, rest, true);
            }
        }
        (chunk, &[], false)
    }

    fn take(&mut self, part: &[u8], ended: bool, out: &mut Vec<u8>) {
        if self.place.passing {
            out.extend_from_slice(part);
            self.place.passing = !ended;
            self.end(part, ended, true);
            return;
        }
        self.held.extend_from_slice(part);
        if ended {
            let goes_on = self.judge(out);
            self.end(part, ended, goes_on);
        } else if self.held.len() > MOST {
            out.append(&mut self.held);
            self.place.passing = true;
        }
    }

    /// Notes how an event ended.
    fn end(&mut self, part: &[u8], ended: bool, went_on: bool) {
        if ended && part.ends_with(b"\r") {
            self.place.tail = Some(went_on);
        }
    }

    /// Lets the event that is held go on, or not; answers with which.
    fn judge(&mut self, out: &mut Vec<u8>) -> bool {
        if self.held.len() <= MOST && is_extra(&self.held) {
            self.removed = true;
            self.held.clear();
            return false;
        }
        out.append(&mut self.held);
        true
    }
}

/// Whether it is the event that `include_usage` adds.
fn is_extra(event: &[u8]) -> bool {
    if USAGE.find(event).is_none() {
        return false;
    }
    let lines = event.split(|byte| matches!(byte, b'\n' | b'\r'));
    let mut data = lines.filter_map(|line| line.strip_prefix(b"data:"));
    let (Some(json), None) = (data.next(), data.next()) else { return false };
    let Ok(tape) = Tape::read(json) else { return false };
    let root = tape.root(json);
    let choices = root.get("choices").filter(|choices| choices.kind() == Kind::Array);
    let empty = choices.is_some_and(|choices| choices.children().next().is_none());
    empty && root.get("usage").is_some_and(|usage| usage.kind() == Kind::Object)
}

#[cfg(test)]
mod tests {
    use super::*;
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    const EXTRA: &str =
        r#"data: {"id":"x","choices":[],"usage":{"prompt_tokens":7,"completion_tokens":3}}"#;

    /// Events and whether each stays.
    fn events() -> Vec<(String, bool)> {
        let long = format!("data: {{\"choices\":[],\"usage\":{{\"x\":\"{}\"}}}}", "y".repeat(MOST));
        [
            (r#"data: {"choices":[{"delta":{"content":"h\u00e9é"}}],"usage":null}"#, true),
            (r#"data: {"choices":[{"delta":{}}],"usage":{"prompt_tokens":7}}"#, true),
            (": a comment with \"usage\"", true),
            (r#"data: {"choices":[],"prompt_filter_results":[{}],"usage":null}"#, true),
            (EXTRA, false),
            (r#"data: {"choices":[],"usage":{"cut":1}"#, true),
            ("event: usage\ndata: {\"usage\":{\"a\":1}}", true),
            (&long, true),
            ("data: [DONE]", true),
        ]
        .map(|(event, stays)| (event.to_owned(), stays))
        .to_vec()
    }

    fn filtered(chunks: &[&[u8]]) -> Vec<u8> {
        let (mut filter, mut out) = (ExtraUsage::default(), Vec::new());
        for chunk in chunks {
            if filter.passes(chunk) {
                out.extend_from_slice(chunk);
            } else {
                filter.push(chunk, &mut out);
            }
        }
        filter.finish(&mut out);
        out
    }

    #[test]
    fn only_the_extra_event_goes_with_every_line_ending() {
        for end in ["\n", "\r\n", "\r"] {
            let write = |all: bool| {
                let events = events().into_iter().filter(|(_, stays)| all || *stays);
                events.map(|(event, _)| event.replace('\n', end) + end + end).collect::<String>()
            };
            let (sent, wanted) = (write(true), write(false));
            assert_eq!(String::from_utf8(filtered(&[sent.as_bytes()])).unwrap(), wanted, "{end:?}");
            for size in [1, 2, 3, 7, 64, 1_000, 9_000] {
                let chunks: Vec<&[u8]> = sent.as_bytes().chunks(size).collect();
                assert_eq!(filtered(&chunks), wanted.as_bytes(), "{end:?} in chunks of {size}");
            }
        }
    }

    #[test]
    fn every_cut_gives_the_same_bytes() {
        for end in ["\n", "\r\n", "\r"] {
            let first = r#"data: {"choices":[{"delta":{"content":"é"}}]}"#;
            let wanted = format!("{first}{end}{end}data: [DONE]{end}{end}");
            let sent = format!("{first}{end}{end}{EXTRA}{end}{end}data: [DONE]{end}{end}");
            for cut in 0..=sent.len() {
                let (a, b) = sent.as_bytes().split_at(cut);
                assert_eq!(filtered(&[a, b]), wanted.as_bytes(), "{end:?} cut at {cut}");
            }
        }
    }

    #[test]
    fn an_event_that_is_cut_goes_on_and_one_that_passes_waits_for_nothing() {
        assert_eq!(filtered(&[EXTRA.as_bytes()]), EXTRA.as_bytes());
        let (mut filter, mut out) = (ExtraUsage::default(), Vec::new());
        filter.push(b"data: {}\r\n\r", &mut out);
        assert_eq!(out, b"data: {}\r\n\r", "a LF that may come is not waited for");
        filter.push(b"\ndata: 1\n\n", &mut out);
        assert_eq!(out, b"data: {}\r\n\r\ndata: 1\n\n");
        assert!(!filter.removed());
    }
}
