//! Whether a stream has come to its first token, or ended in an error before it.
//!
//! Servers send some events before a token is there: comments, pings, and what says that the request was taken.
//! An error in place of the first token comes with status 200, because the headers had gone by then.

mod failure;

pub use failure::StreamFailure;

use crate::content::{Kind, Tape, Value, is_empty};
use crate::sse::{Event, SseParser};

/// Bytes at the beginning of a stream that are looked at: Responses' first events repeat the request's instructions and
/// tools. What begins with more than that before its first token goes on without one.
pub const MOST_BYTES: usize = 256 * 1024;

/// Types of events that come before a token: those of the Responses API and of Anthropic's Messages.
const BEFORE: [&str; 5] =
    ["response.created", "response.in_progress", "response.queued", "message_start", "ping"];

/// What the beginning of a stream says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FirstToken {
    /// Nothing yet.
    Waiting,
    /// A token, or something else that a client should see as it is: an error that is the request's own fault, too.
    Begun,
    /// More has come without one than is looked at.
    TooLong,
    /// There will be none, and that is the server's fault.
    Failed(StreamFailure),
}

/// Looks at the beginning of a stream, all of it so far; `ended`: no more of it comes.
pub fn first_token(beginning: &[u8], ended: bool) -> FirstToken {
    let text = beginning.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(beginning).trim_ascii_start();
    let found = match text.first() {
        None => None,
        // One document in place of a stream, or Gemini's array of documents.
        Some(b'{') => of_document(text, ended),
        Some(b'[') => of_array(text, ended),
        Some(_) => of_events(text, ended),
    };
    match found {
        Some(found) => found,
        None if ended => FirstToken::Failed(StreamFailure::empty()),
        None if beginning.len() > MOST_BYTES => FirstToken::TooLong,
        None => FirstToken::Waiting,
    }
}

/// `None` while that is undecided.
fn of_document(text: &[u8], ended: bool) -> Option<FirstToken> {
    if !may_be_an_error(text) {
        return Some(FirstToken::Begun);
    }
    match Tape::read(text) {
        Ok(tape) => Some(judge(text, tape.root(text), None)),
        // Not complete, or no JSON: nothing that could be told from an answer.
        Err(_) => ended.then_some(FirstToken::Begun),
    }
}

/// Whether a document begins with a member with which errors begin.
fn may_be_an_error(text: &[u8]) -> bool {
    let object = text.get(1..).unwrap_or_default().trim_ascii_start();
    let begins = |name: &[u8]| object.starts_with(name) || name.starts_with(object);
    begins(b"\"error\"") || begins(b"\"object\"") || begins(b"\"type\"")
}

/// The first element of an array, which ends where the whole would be valid with one more bracket.
fn of_array(text: &[u8], ended: bool) -> Option<FirstToken> {
    let element = text.get(1..).unwrap_or_default().trim_ascii_start();
    match element.first() {
        None => None,
        Some(b'{') if may_be_an_error(element) => {
            let whole = element.strip_suffix(b"]").unwrap_or(element).trim_ascii_end();
            of_document(whole, ended)
        }
        Some(b']') => None,
        Some(_) => Some(FirstToken::Begun),
    }
}

fn of_events(text: &[u8], ended: bool) -> Option<FirstToken> {
    let mut found = None;
    let mut parser = SseParser::new(MOST_BYTES);
    let mut look = |event: Event<'_>| {
        if found.is_none() {
            found = of_event(&event);
        }
    };
    if parser.feed(text, &mut look).is_err() {
        return found.or(Some(FirstToken::TooLong));
    }
    if ended {
        parser.finish(look);
    }
    found
}

/// `None` for one that comes before a token.
fn of_event(event: &Event<'_>) -> Option<FirstToken> {
    let kind = event.kind().and_then(|kind| core::str::from_utf8(kind).ok());
    let Some(data) = event.data() else {
        return (kind == Some("error")).then(|| FirstToken::Failed(StreamFailure::unknown()));
    };
    if kind.is_some_and(|kind| BEFORE.contains(&kind)) {
        return None;
    }
    let Ok(tape) = Tape::read(&data) else {
        // `[DONE]`, or text.
        return Some(match kind {
            Some("error") => FirstToken::Failed(StreamFailure::unknown()),
            _ => FirstToken::Begun,
        });
    };
    let root = tape.root(&data);
    if BEFORE.iter().any(|before| root.get("type").is_some_and(|kind| kind.is(before))) {
        return None;
    }
    match judge(&data, root, kind) {
        FirstToken::Begun if says_nothing(root) => None,
        found => Some(found),
    }
}

/// Whether a chunk says no more than who will speak, or what a filter made of the prompt, as Azure's first.
fn says_nothing(root: Value<'_>) -> bool {
    let Some(choices) = root.get("choices").filter(|list| list.kind() == Kind::Array) else {
        return false;
    };
    let nothing = |choice: Value<'_>| {
        let Some(delta) = choice.get("delta") else { return false };
        choice.get("finish_reason").is_none_or(is_empty)
            && delta.children().all(|member| member.key() == "role" || is_empty(member))
    };
    choices.children().all(nothing)
}

/// Whether a document is an error, and whose fault it is.
fn judge(json: &[u8], root: Value<'_>, kind: Option<&str>) -> FirstToken {
    let is = |name: &str, text: &str| root.get(name).is_some_and(|value| value.is(text));
    let response = root.get("response").filter(|_| is("type", "response.failed"));
    let there = |value: &Value<'_>| value.kind() != Kind::Null;
    let error = root.get("error").filter(there);
    let named = kind == Some("error") || is("type", "error") || is("object", "error");
    if error.is_none() && response.is_none() && !named {
        return FirstToken::Begun;
    }
    let nested = response.and_then(|response| response.get("error")).filter(there);
    match StreamFailure::of(json, error.or(nested).unwrap_or(root), error.is_some()) {
        Some(failure) => FirstToken::Failed(failure),
        None => FirstToken::Begun,
    }
}

#[cfg(test)]
mod tests;
