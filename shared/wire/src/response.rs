//! Token usage from a response, JSON or SSE, at the price of one search per chunk.
//!
//! A stream of thousands of events names its usage once or twice, so nothing is parsed until the
//! key `"usage"` turns up outside a string; then only the object after it is collected, bounded,
//! and read. Text that contains the word (`\"usage\"`, escaped as it must be) is not a key.

mod counts;

use std::sync::LazyLock;

use memchr::memmem::Finder;

use counts::Counts;

/// The key, with its quotes.
const KEY: &[u8] = b"\"usage\"";

/// The prepared search, made once: making it costs more than searching a small response.
static FINDER: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new(KEY));

/// Bytes that a key split over two chunks can leave in the first, and the one before it that tells
/// whether its quote is escaped.
const CARRY: usize = KEY.len();

/// Longest usage object that is read, in bytes. Known servers send a few hundred.
const MAX_OBJECT: usize = 8 * 1024;

/// Tokens that a replica says a request took.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// Tokens of the prompt, cached ones included.
    pub prompt_tokens: u32,
    /// Tokens of the completion.
    pub completion_tokens: u32,
    /// Tokens of the prompt that were in the replica's prefix cache, where it says so.
    pub cached_tokens: Option<u32>,
}

/// Finds the usage in a response body, chunk by chunk.
#[derive(Debug)]
pub struct ResponseReader {
    state: State,
    usage: Option<Usage>,
}

#[derive(Debug)]
enum State {
    /// Looking for the key; holds the end of the previous chunk.
    Searching(Carry),
    /// After the key: white space, a colon, white space, then an object if it is the usage.
    Key { colon: bool },
    /// Inside the object.
    Object(Object),
}

#[derive(Clone, Copy, Debug, Default)]
struct Carry {
    bytes: [u8; CARRY],
    len: usize,
}

#[derive(Debug, Default)]
struct Object {
    bytes: Vec<u8>,
    depth: u32,
    in_string: bool,
    escaped: bool,
}

impl Default for ResponseReader {
    fn default() -> Self {
        Self::new()
    }
}

impl ResponseReader {
    /// A reader at the start of a body; the same for JSON and for SSE.
    pub fn new() -> Self {
        Self { state: State::Searching(Carry::default()), usage: None }
    }

    /// Takes the next bytes of the body.
    pub fn feed(&mut self, mut chunk: &[u8]) {
        while !chunk.is_empty() {
            let state = std::mem::replace(&mut self.state, State::Searching(Carry::default()));
            (self.state, chunk) = match state {
                State::Searching(carry) => search(&FINDER, carry, chunk),
                State::Key { colon } => after_key(colon, chunk),
                State::Object(object) => self.collect(object, chunk),
            };
        }
    }

    /// What was found so far: of several usages (a stream may send more than one) the last value
    /// of each count.
    pub fn usage(&self) -> Option<Usage> {
        self.usage
    }

    fn collect<'c>(&mut self, mut object: Object, chunk: &'c [u8]) -> (State, &'c [u8]) {
        for (at, &byte) in chunk.iter().enumerate() {
            object.bytes.push(byte);
            if object.ends_with(byte) {
                self.read(&object.bytes);
                return (State::Searching(Carry::default()), rest(chunk, at + 1));
            }
            if object.bytes.len() > MAX_OBJECT {
                return (State::Searching(Carry::default()), rest(chunk, at + 1));
            }
        }
        (State::Object(object), &[])
    }

    fn read(&mut self, object: &[u8]) {
        let counts = Counts::of(object);
        if counts == Counts::default() {
            return;
        }
        let usage = self.usage.get_or_insert_default();
        // Anthropic counts cached tokens apart from `input_tokens`, OpenAI within them.
        let apart = counts.cache_read_input.unwrap_or(0);
        let created = counts.cache_creation_input.unwrap_or(0);
        let input = counts.input.map(|n| n.saturating_add(apart).saturating_add(created));
        usage.prompt_tokens = counts.prompt.or(input).unwrap_or(usage.prompt_tokens);
        let output = counts.completion.or(counts.output);
        usage.completion_tokens = output.unwrap_or(usage.completion_tokens);
        usage.cached_tokens = counts.cache_read_input.or(counts.cached).or(usage.cached_tokens);
    }
}

impl Object {
    /// Takes note of the next byte; true if the object ends with it.
    fn ends_with(&mut self, byte: u8) -> bool {
        if self.in_string {
            match byte {
                _ if self.escaped => self.escaped = false,
                b'\\' => self.escaped = true,
                b'"' => self.in_string = false,
                _ => {}
            }
            return false;
        }
        match byte {
            b'"' => self.in_string = true,
            b'{' => self.depth = self.depth.saturating_add(1),
            b'}' => self.depth = self.depth.saturating_sub(1),
            _ => {}
        }
        self.depth == 0
    }
}

fn rest(chunk: &[u8], from: usize) -> &[u8] {
    chunk.get(from..).unwrap_or_default()
}

/// Looks for the key, first where the previous chunk and this one meet.
fn search<'c>(finder: &Finder<'_>, carry: Carry, chunk: &'c [u8]) -> (State, &'c [u8]) {
    if carry.len > 0 {
        let mut seam = [0u8; CARRY * 2];
        let head = chunk.get(..CARRY.min(chunk.len())).unwrap_or_default();
        let joined = carry.before(head, &mut seam);
        if let Some(end) = find_key(finder, joined, 0) {
            // The key ends in this chunk, since it is not complete in the carry.
            return (State::Key { colon: false }, rest(chunk, end.saturating_sub(carry.len)));
        }
    }
    let first_is_escaped = carry.last() == Some(b'\\');
    let from = usize::from(first_is_escaped && chunk.first() == Some(&b'"'));
    match find_key(finder, chunk, from) {
        Some(end) => (State::Key { colon: false }, rest(chunk, end)),
        None => (State::Searching(carry.after(chunk)), &[]),
    }
}

/// End of the first unescaped key at or after `from`.
fn find_key(finder: &Finder<'_>, bytes: &[u8], mut from: usize) -> Option<usize> {
    loop {
        let start = from.checked_add(finder.find(bytes.get(from..)?)?)?;
        let escaped = start.checked_sub(1).and_then(|before| bytes.get(before)) == Some(&b'\\');
        if !escaped {
            return start.checked_add(KEY.len());
        }
        from = start.checked_add(1)?;
    }
}

impl Carry {
    fn as_slice(&self) -> &[u8] {
        self.bytes.get(..self.len).unwrap_or_default()
    }

    fn last(&self) -> Option<u8> {
        self.as_slice().last().copied()
    }

    /// The carry followed by the head of the next chunk, in `seam`.
    fn before<'s>(&self, head: &[u8], seam: &'s mut [u8]) -> &'s [u8] {
        let total = self.len.saturating_add(head.len()).min(seam.len());
        let bytes = self.as_slice().iter().chain(head);
        for (slot, byte) in seam.iter_mut().zip(bytes) {
            *slot = *byte;
        }
        seam.get(..total).unwrap_or_default()
    }

    /// The last bytes of what came so far.
    fn after(&self, chunk: &[u8]) -> Self {
        let mut next = Self::default();
        let kept = CARRY.min(self.len.saturating_add(chunk.len()));
        let all = self.as_slice().iter().chain(chunk);
        let skip = self.len.saturating_add(chunk.len()).saturating_sub(kept);
        // Only the tails matter, so long chunks are not walked.
        let from_chunk = chunk.len().saturating_sub(CARRY);
        if chunk.len() >= CARRY {
            copy(&mut next.bytes, rest(chunk, from_chunk).iter());
        } else {
            copy(&mut next.bytes, all.skip(skip));
        }
        next.len = kept;
        next
    }
}

fn copy<'b>(slots: &mut [u8], bytes: impl Iterator<Item = &'b u8>) {
    for (slot, byte) in slots.iter_mut().zip(bytes) {
        *slot = *byte;
    }
}

fn after_key(mut colon: bool, chunk: &[u8]) -> (State, &[u8]) {
    for (at, &byte) in chunk.iter().enumerate() {
        match byte {
            b' ' | b'\t' | b'\r' | b'\n' => {}
            b':' if !colon => colon = true,
            b'{' if colon => return (State::Object(Object::default()), rest(chunk, at)),
            // A string value, a null, or a number: not the usage.
            _ => return (State::Searching(Carry::default()), rest(chunk, at)),
        }
    }
    (State::Key { colon }, &[])
}

#[cfg(test)]
mod tests {
    use super::*;
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    fn usage(prompt_tokens: u32, completion_tokens: u32, cached: Option<u32>) -> Option<Usage> {
        Some(Usage { prompt_tokens, completion_tokens, cached_tokens: cached })
    }

    /// Bodies, and the usage in them.
    fn cases() -> Vec<(&'static str, Option<Usage>)> {
        vec![
            ("{}", None),
            ("", None),
            (
                r#"{"choices":[],"usage":{"prompt_tokens":7,"completion_tokens":3,"total_tokens":10,
                   "prompt_tokens_details":{"cached_tokens":4}}}"#,
                usage(7, 3, Some(4)),
            ),
            (r#"{"usage":{"prompt_tokens":7,"prompt_tokens_details":null}}"#, usage(7, 0, None)),
            ("{\"usage\" :\n {\"prompt_tokens\":1,\"completion_tokens\":2}}", usage(1, 2, None)),
            (r#"{"content":"say \"usage\":{\"prompt_tokens\":9}"}"#, None),
            (r#"{"content":"usage","n":{"prompt_tokens":9}}"#, None),
            (r#"{"usage":null,"x":{"prompt_tokens":9}}"#, None),
            (r#"{"usage":{"note":"}\"}","prompt_tokens":5}}"#, usage(5, 0, None)),
            (
                r#"{"usage":{"input_tokens":5,"output_tokens":6,"input_tokens_details":{"cached_tokens":2}}}"#,
                usage(5, 6, Some(2)),
            ),
            (
                "event: message_start\ndata: {\"message\":{\"usage\":{\"input_tokens\":5,\
                 \"cache_read_input_tokens\":20,\"output_tokens\":1}}}\n\n\
                 event: message_delta\ndata: {\"usage\":{\"output_tokens\":9}}\n\n",
                usage(25, 9, Some(20)),
            ),
            (
                "data: {\"choices\":[{\"delta\":{\"content\":\"a\"}}],\"usage\":null}\n\n\
                 data: {\"choices\":[],\"usage\":{\"prompt_tokens\":3,\"completion_tokens\":1}}\n\n\
                 data: [DONE]\n\n",
                usage(3, 1, None),
            ),
            (r#"{"usage":{"prompt_tokens":-1}}"#, None),
            (r#"{"usage":{"prompt_tokens":1.5,"completion_tokens":2e3}}"#, None),
            (r#"{"usage":{"prompt_tokens":4294967296}}"#, None),
            (r#"{"usage":{"note":"prompt_tokens","prompt_tokens" : 8 }}"#, usage(8, 0, None)),
            (r#"{"usage":{"x":{"prompt_tokens":9},"y":[{"cached_tokens":1}]}}"#, None),
            (r#"{"usage":{"x":{"cached_tokens":9},"prompt_tokens":3}}"#, usage(3, 0, None)),
            (r#"{"usage":{"prompt_tokens":1"#, None),
        ]
    }

    #[test]
    fn the_usage_is_found_in_every_form() {
        for (body, expected) in cases() {
            let mut reader = ResponseReader::new();
            reader.feed(body.as_bytes());
            assert_eq!(reader.usage(), expected, "{body}");
        }
    }

    #[test]
    fn every_way_to_cut_a_body_in_three_gives_the_same_usage() {
        for (body, expected) in cases() {
            let bytes = body.as_bytes();
            for first in 0..=bytes.len() {
                for second in first..=bytes.len() {
                    let mut reader = ResponseReader::new();
                    reader.feed(&bytes[..first]);
                    reader.feed(&bytes[first..second]);
                    reader.feed(&bytes[second..]);
                    assert_eq!(reader.usage(), expected, "{body} cut at {first} and {second}");
                }
            }
        }
    }

    #[test]
    fn single_bytes_give_the_same_usage() {
        for (body, expected) in cases() {
            let mut reader = ResponseReader::new();
            body.as_bytes().iter().for_each(|byte| reader.feed(&[*byte]));
            assert_eq!(reader.usage(), expected, "{body}");
        }
    }

    #[test]
    fn an_object_without_an_end_is_given_up() {
        let mut reader = ResponseReader::new();
        reader.feed(b"{\"usage\":{");
        for _ in 0..10_000 {
            reader.feed(b"\"a\":1,");
        }
        reader.feed(b"\"usage\":{\"prompt_tokens\":3}");
        assert_eq!(reader.usage(), usage(3, 0, None));
    }
}
