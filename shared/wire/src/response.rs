//! Token usage from a response, JSON or SSE, at the price of one search per chunk.
//!
//! A stream of thousands of events names its usage once or twice, so nothing is parsed until the
//! key `"usage"` (Gemini: `"usageMetadata"`) turns up outside a string; then only the object after it is read, where it lies
//! if the chunk has all of it. Text that contains the word (`\"usage\"`, escaped as it must be) is
//! not a key.

mod beginning;
mod counts;
mod extra_usage;
mod first_token;
mod meter;

pub use extra_usage::ExtraUsage;
pub use first_token::{
    FirstToken, MOST_BYTES as MOST_BEFORE_FIRST_TOKEN, StreamFailure, first_token,
};
pub use meter::ResponseMeter;

pub use beginning::begins_like_an_answer;

use std::sync::LazyLock;

use memchr::memmem::Finder;

use counts::Counts;

/// How the key begins; a quote or [`LONG_END`] follows.
const KEY: &[u8] = b"\"usage";

/// How Gemini's key goes on.
const LONG_END: &[u8] = b"Metadata\"";

/// The prepared search, made once: making it costs more than searching a small response.
static FINDER: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new(KEY));

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
    /// Tokens of the completion that were reasoning, where it says so.
    pub reasoning_tokens: Option<u32>,
}

/// Finds the usage in a response body, chunk by chunk.
#[derive(Debug)]
pub struct ResponseReader {
    state: State,
    /// The begun object, of which a chunk had only a part.
    object: Vec<u8>,
    usage: Option<Usage>,
}

#[derive(Clone, Copy, Debug)]
enum State {
    /// Looking for the key; whether the last byte escapes the next.
    Text { escaped: bool },
    /// This many bytes of the key's beginning have come.
    Key(usize),
    /// The key's beginning has come, and this many bytes of its longer end.
    End(usize),
    /// After the key: white space, a colon, white space, then an object if it is the usage.
    Value { colon: bool },
    /// Inside the object.
    Object,
}

/// The state at the start, and after everything that turned out not to be the usage.
const TEXT: State = State::Text { escaped: false };

impl Default for ResponseReader {
    fn default() -> Self {
        Self::new()
    }
}

impl ResponseReader {
    /// A reader at the start of a body; the same for JSON and for SSE.
    pub fn new() -> Self {
        Self { state: TEXT, object: Vec::new(), usage: None }
    }

    /// Takes the next bytes of the body.
    pub fn feed(&mut self, mut chunk: &[u8]) {
        while !chunk.is_empty() {
            (self.state, chunk) = match self.state {
                State::Text { escaped } => search(escaped, chunk),
                State::Key(had) => rest_of_key(had, chunk),
                State::End(had) => end_of_key(had, chunk),
                State::Value { colon } => after_key(colon, chunk),
                State::Object => self.read(chunk),
            };
        }
    }

    /// What was found so far: of several usages (a stream may send more than one) the last value
    /// of each count.
    pub fn usage(&self) -> Option<Usage> {
        self.usage
    }

    /// Reads the object, which starts in `chunk` or in what is held of it.
    ///
    /// One that is cut is read again with each chunk: less work than what brings the chunk here.
    fn read<'c>(&mut self, chunk: &'c [u8]) -> (State, &'c [u8]) {
        let held = self.object.len();
        let wanted = (MAX_OBJECT + 1).saturating_sub(held).min(chunk.len());
        let (part, after) = chunk.split_at_checked(wanted).unwrap_or((chunk, &[]));
        let read = match held {
            0 => Counts::of(part),
            _ => {
                self.object.extend_from_slice(part);
                Counts::of(&self.object)
            }
        };
        if let Some((counts, len)) = read {
            self.object.clear();
            self.note(&counts);
            return (TEXT, rest(chunk, len.saturating_sub(held)));
        }
        if held.saturating_add(part.len()) > MAX_OBJECT {
            self.object.clear();
            return (TEXT, after);
        }
        if held == 0 {
            self.object.extend_from_slice(part);
        }
        (State::Object, after)
    }

    fn note(&mut self, counts: &Counts) {
        if *counts == Counts::default() {
            return;
        }
        let usage = self.usage.get_or_insert_default();
        // Anthropic counts cached tokens apart from `input_tokens`, OpenAI within them.
        let apart = counts.cache_read_input.unwrap_or(0);
        let created = counts.cache_creation_input.unwrap_or(0);
        let input = counts.input.map(|n| n.saturating_add(apart).saturating_add(created));
        let gemini =
            counts.gemini_prompt.map(|n| n.saturating_add(counts.tool_prompt.unwrap_or(0)));
        // Gemini counts thoughts apart from candidates, OpenAI reasoning within the completion.
        let thoughts = counts.thoughts.unwrap_or(0);
        let candidates = counts.candidates.map(|n| n.saturating_add(thoughts));
        let output = counts.completion.or(counts.output).or(candidates);
        let prompt = counts.prompt.or(input).or(gemini);
        let prompt = prompt.or(counts.total.filter(|_| output.is_none()));
        let cached = counts.cache_read_input.or(counts.cached).or(counts.cached_content);
        let cached = cached.or(counts.cache_hit);
        // The last one counts: what stands before may be no usage at all, but a member of that name in a tool's schema that the
        // replica repeats. Servers that know no prompt any more at the end of a stream say 0, or nothing.
        match prompt.filter(|prompt| *prompt > 0) {
            Some(prompt) => {
                usage.prompt_tokens = prompt;
                usage.cached_tokens = cached;
            }
            None => usage.cached_tokens = cached.or(usage.cached_tokens),
        }
        usage.completion_tokens = output.unwrap_or(usage.completion_tokens);
        usage.reasoning_tokens = counts.reasoning.or(counts.thoughts).or(usage.reasoning_tokens);
    }
}

fn rest(chunk: &[u8], from: usize) -> &[u8] {
    chunk.get(from..).unwrap_or_default()
}

/// Looks for the key, whose first quote is not escaped.
fn search(escaped: bool, chunk: &[u8]) -> (State, &[u8]) {
    let is_escaped = |quote: usize| match quote.checked_sub(1) {
        Some(before) => chunk.get(before) == Some(&b'\\'),
        None => escaped,
    };
    let mut from = 0;
    while let Some(found) = FINDER.find(rest(chunk, from)) {
        let quote = from.saturating_add(found);
        if !is_escaped(quote) {
            return (State::End(0), rest(chunk, quote.saturating_add(KEY.len())));
        }
        from = quote.saturating_add(1);
    }
    // Its beginning has no further quote, so the last one in its length of bytes is where it may begin.
    let last = chunk.len().saturating_sub(KEY.len() - 1);
    let quote = rest(chunk, last).iter().rposition(|byte| *byte == b'"').map(|at| last + at);
    let state = match quote {
        Some(quote) if KEY.starts_with(rest(chunk, quote)) && !is_escaped(quote) => {
            State::Key(chunk.len() - quote)
        }
        _ => State::Text { escaped: is_escaped(chunk.len()) },
    };
    (state, &[])
}

/// Takes what a chunk has of a key whose start came before.
fn rest_of_key(had: usize, chunk: &[u8]) -> (State, &[u8]) {
    let wanted = rest(KEY, had);
    let same = wanted.iter().zip(chunk).take_while(|(wanted, byte)| wanted == byte).count();
    let state = if same == wanted.len() {
        State::End(0)
    } else if same == chunk.len() {
        State::Key(had.saturating_add(same))
    } else {
        // What came of it can be the start of no other key: only its first byte is a quote.
        return (TEXT, chunk);
    };
    (state, rest(chunk, same))
}

/// Takes the end of a key, in either form.
fn end_of_key(had: usize, chunk: &[u8]) -> (State, &[u8]) {
    let wanted = match chunk.first() {
        Some(b'"') if had == 0 => b"\"",
        _ => rest(LONG_END, had),
    };
    let same = wanted.iter().zip(chunk).take_while(|(wanted, byte)| wanted == byte).count();
    if same == wanted.len() {
        return (State::Value { colon: false }, rest(chunk, same));
    }
    match same == chunk.len() {
        true => (State::End(had.saturating_add(same)), &[]),
        // As above: none of it is a quote.
        false => (TEXT, rest(chunk, same)),
    }
}

fn after_key(mut colon: bool, chunk: &[u8]) -> (State, &[u8]) {
    for (at, &byte) in chunk.iter().enumerate() {
        match byte {
            b' ' | b'\t' | b'\r' | b'\n' => {}
            b':' if !colon => colon = true,
            b'{' if colon => return (State::Object, rest(chunk, at)),
            // A string value, a null, or a number: not the usage.
            _ => return (TEXT, rest(chunk, at)),
        }
    }
    (State::Value { colon }, &[])
}

#[cfg(test)]
mod tests;
