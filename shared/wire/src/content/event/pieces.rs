//! Pieces of texts below a delta, or in an event of any form.

use super::parts::{At, ChannelName, EventTexts, index_or, is_empty};
use crate::content::field::Form;
use crate::content::protocol::is_token;
use crate::content::tape::{Kind, Value};

/// What servers call a text that comes in pieces. Outside of deltas strings of these names are taken to go on in
/// the next event; all others are whole.
const TEXTS: [&str; 29] = [
    "content",
    "text",
    "response",
    "completion",
    "output_text",
    "outputText",
    "text_output",
    "generated_text",
    "generation",
    "thinking",
    "reasoning",
    "partial_json",
    "arguments",
    "answer",
    "reply",
    "output",
    "outputs",
    "result",
    "token",
    "tokens",
    "chunk",
    "data",
    "value",
    "stringVal",
    "partial",
    "sentence",
    "summary",
    "translation",
    "parts",
];

/// Members of a delta that come whole, in one event.
const WHOLE: [&str; 5] = ["id", "type", "signature", "url", "format"];

/// Members of which clients put the pieces together, but which come whole as far as they are what they
/// should be.
const NAMES: [&str; 3] = ["role", "name", "finish_reason"];

/// Members in which nothing goes on: what an answer cites, each time another, and what repeats the text token by token.
const APART: [&str; 6] =
    ["annotations", "citation", "citations", "logprobs", "completion_probabilities", "top_tokens"];

/// What servers call the text that is thought before the answer. Clients read the one that is there.
const REASONING: [&str; 3] = ["reasoning", "reasoning_content", "thinking"];

/// A container that the next value may be in.
struct Open<'t> {
    value: Value<'t>,
    name: ChannelName,
    /// How many values it had.
    before: u32,
    /// It is a list of parts, or a part, of a text that may also come as a string: the same text.
    parts: bool,
    /// It is a delta, or in one.
    delta: bool,
    /// Nothing in it goes on.
    whole: bool,
}

/// Takes the pieces of texts in `root`, however deep: every string of a delta, whatever its name, and elsewhere what
/// is named like a text or like a delta. A piece is named by the way to it, after a name: keys, and the indexes
/// that elements say they have. The flag says that `root` is a delta itself.
pub(super) fn read(
    root: Value<'_>,
    (name, delta): (ChannelName, bool),
    at: At,
    event: &mut EventTexts,
) {
    let end = root.span().end;
    let mut open = vec![Open { value: root, name, before: 0, parts: false, delta, whole: false }];
    let mut next = root.next();
    while let Some(value) = next.filter(|value| value.span().end <= end && !event.overflows) {
        let parent = value.parent().map(Value::index);
        while open.pop_if(|open| Some(open.value.index()) != parent).is_some() {}
        let depth = open.len();
        let Some(container) = open.last_mut() else { return };
        let key = value.key();
        let (name, parts) = self::name(container, depth, value, &key, (root, name));
        container.before += 1;
        let delta = container.delta || key.ends_with("delta") || key.ends_with("Delta");
        match value.kind() {
            Kind::Object | Kind::Array => {
                let whole = container.whole || is_one(&key, &APART);
                open.push(Open { value, name, before: 0, parts, delta, whole });
            }
            // An element of a list of texts is one.
            Kind::String
                if !container.whole
                    && (goes_on(value, &key, delta)
                        || key.is_empty() && goes_on(value, &container.value.key(), delta)) =>
            {
                let arguments = matches!(key.as_ref(), "arguments" | "partial_json");
                let form = if arguments { Form::Arguments } else { Form::String };
                event.push(value, form, name.channel(), at);
            }
            _ => {}
        }
        next = value.next();
    }
}

/// Whether a name is one of those in a list, however it is capitalised.
#[inline(never)]
fn is_one(name: &str, names: &[&str]) -> bool {
    names.iter().any(|one| one.eq_ignore_ascii_case(name))
}

/// Whether a string goes on in the next event.
fn goes_on(value: Value<'_>, key: &str, delta: bool) -> bool {
    if !delta {
        return is_one(key, &TEXTS);
    }
    let is_name = || value.text().is_some_and(|name| is_token(&name));
    !(WHOLE.contains(&key) || NAMES.contains(&key) && is_name())
}

/// The name of the text in `value`, and whether what is below it is in parts of that text.
fn name(
    container: &Open<'_>,
    depth: usize,
    value: Value<'_>,
    key: &str,
    (root, before_all): (Value<'_>, ChannelName),
) -> (ChannelName, bool) {
    let Open { name, before, parts, .. } = container;
    let is_list = container.value.kind() == Kind::Array;
    if is_list && *parts {
        return (*name, true);
    }
    if is_list {
        return (name.with_number(index_or(value, *before)), false);
    }
    if *parts && key == "text" {
        return (*name, false);
    }
    let thought = depth == 1 && {
        let first = REASONING.iter().find(|member| holds(root, member));
        first.is_some_and(|first| *first == key)
    };
    let list = value.kind() == Kind::Array;
    if thought || *parts && REASONING.contains(&key) {
        return (before_all.with("reasoning"), list);
    }
    let content = depth == 1 && key == "content";
    (name.with(key), content && list)
}

/// Whether a member has a text, as a string or in a list of parts.
pub(super) fn holds(delta: Value<'_>, member: &str) -> bool {
    delta.get(member).is_some_and(|value| !is_empty(value))
}
