//! Chunks of chat completions and completions.

use super::parts::{At, ChannelName, Choices, Ended, EventTexts, has_error, is_empty, number};
use super::pieces::{self, element_index};
use crate::content::field::Form;
use crate::content::functional::Shape;
use crate::content::protocol::is_token;
use crate::content::tape::{Kind, Value};

/// Members of a delta that come whole, in one event.
const WHOLE: [&str; 5] = ["id", "type", "signature", "url", "format"];

/// Members of which clients put the pieces together, but which come whole as far as they are what they
/// should be.
const NAMES: [&str; 2] = ["role", "name"];

/// What servers call the text that is thought before the answer. Clients read the one that is there.
const REASONING: [&str; 3] = ["reasoning", "reasoning_content", "thinking"];

pub(super) fn read(root: Value<'_>, event: &mut EventTexts) {
    event.known = true;
    root.children().for_each(|member| loosen(member, event));
    let mut choices = 0;
    for choice in root.get("choices").into_iter().flat_map(Value::children) {
        choices += 1;
        let at = At::choice(number(choice, "index"));
        event.choices.add(at.choice);
        let delta = choice.get("delta");
        if let Some(text) = choice.get_string("text") {
            // Clients that read either take it for the same text.
            let both = delta.is_some_and(|delta| holds(delta, "content"));
            let name = if both { "text" } else { "content" };
            event.push(text, Form::String, ChannelName::new(at.scope).with(name).channel(), at);
        }
        if let Some(delta) = delta {
            below(delta, at, event);
        }
        let ends = choice.get_string("finish_reason").is_some_and(|reason| says_end(reason));
        if ends {
            event.ended.push(Ended::Scope(at.scope));
        }
        messages(choice, (delta, ends), at, event);
    }
    let has_usage = root.get("usage").is_some_and(|usage| usage.kind() == Kind::Object);
    if choices == 0 && has_usage {
        event.choices = Choices::All;
    }
    if has_error(root) {
        event.ended.push(Ended::All);
        event.choices = Choices::All;
    }
}

/// Whether a reason to finish is one. Some servers write that there is none as a word.
fn says_end(reason: Value<'_>) -> bool {
    !is_empty(reason) && !reason.is("null")
}

/// Texts of servers that send messages in place of deltas (or, as Perplexity, beside them: then each repeats all
/// of its text so far), or deltas within messages, as Azure's OpenAI on your own data.
fn messages(
    choice: Value<'_>,
    (delta, ends): (Option<Value<'_>>, bool),
    at: At,
    event: &mut EventTexts,
) {
    let is_object = |value: &Value<'_>| value.kind() == Kind::Object;
    match (choice.get("message").filter(is_object), delta.filter(is_object)) {
        (Some(message), Some(_)) => {
            event.repeats = true;
            event.grow(message.get_string("content").filter(|_| !ends));
        }
        (Some(message), None) => below(message, at, event),
        _ => {}
    }
    if let Some(messages) = choice.get("messages") {
        pieces::read(messages, ChannelName::new(at.scope).with("messages"), at, event);
    }
}

/// What differs from response to response besides the choices.
fn loosen(member: Value<'_>, event: &mut EventTexts) {
    match (member.key().as_ref(), member.kind()) {
        ("id", Kind::String) if !member.text().is_some_and(|id| Shape::Identifier.fits(&id)) => {}
        ("id", Kind::String) | ("created", Kind::Number) => {
            event.loose.push((member.content_span(), member.kind()));
        }
        // What llama.cpp tells of a chunk when it is asked to tell all.
        ("__verbose", Kind::Object) => {
            let at = At::choice(0);
            pieces::read(member, ChannelName::new(at.scope).with("verbose"), at, event);
        }
        ("usage", Kind::Object) => {
            let end = member.span().end;
            let below = core::iter::successors(member.next(), |value| value.next());
            let numbers = below
                .take_while(|value| value.span().end <= end)
                .filter(|value| value.kind() == Kind::Number);
            event.loose.extend(numbers.map(|number| (number.span(), Kind::Number)));
        }
        _ => {}
    }
}

/// Whether a member has a text, as a string or in a list of parts.
fn holds(delta: Value<'_>, member: &str) -> bool {
    delta.get(member).is_some_and(|value| !is_empty(value))
}

/// A container that the next value may be in.
struct Open<'t> {
    value: Value<'t>,
    name: ChannelName,
    /// How many values it had.
    before: u32,
    /// It is a list of parts, or a part, of a text that may also come as a string: the same text.
    parts: bool,
}

/// Every string below a delta, whatever its name, goes on from chunk to chunk. It is named by the way
/// to it: keys, and the indexes that elements say they have.
fn below(delta: Value<'_>, at: At, event: &mut EventTexts) {
    let end = delta.span().end;
    let mut open =
        vec![Open { value: delta, name: ChannelName::new(at.scope), before: 0, parts: false }];
    let mut next = delta.next();
    while let Some(value) = next.filter(|value| value.span().end <= end && !event.overflows) {
        let parent = value.parent().map(Value::index);
        while open.pop_if(|open| Some(open.value.index()) != parent).is_some() {}
        let depth = open.len();
        let Some(container) = open.last_mut() else { return };
        let key = value.key();
        let (name, parts) = name(container, depth, value, &key, (delta, at));
        container.before += 1;
        let whole = WHOLE.contains(&key.as_ref())
            || NAMES.contains(&key.as_ref()) && value.text().is_some_and(|name| is_token(&name));
        if value.kind() == Kind::String && !whole {
            let arguments = matches!(key.as_ref(), "arguments" | "partial_json");
            let form = if arguments { Form::Arguments } else { Form::String };
            event.push(value, form, name.channel(), at);
        }
        if matches!(value.kind(), Kind::Object | Kind::Array) {
            open.push(Open { value, name, before: 0, parts });
        }
        next = value.next();
    }
}

/// The name of the text in `value`, and whether what is below it is in parts of that text.
fn name(
    container: &Open<'_>,
    depth: usize,
    value: Value<'_>,
    key: &str,
    (delta, at): (Value<'_>, At),
) -> (ChannelName, bool) {
    let Open { name, before, parts, .. } = container;
    let is_list = container.value.kind() == Kind::Array;
    if is_list && *parts {
        return (*name, true);
    }
    if is_list {
        return (name.with_number(element_index(value, *before)), false);
    }
    if *parts && key == "text" {
        return (*name, false);
    }
    let thought = depth == 1 && {
        let first = REASONING.iter().find(|member| holds(delta, member));
        first.is_some_and(|first| *first == key)
    };
    let list = value.kind() == Kind::Array;
    if thought || *parts && REASONING.contains(&key) {
        return (ChannelName::new(at.scope).with("reasoning"), list);
    }
    let content = depth == 1 && key == "content";
    (name.with(key), content && list)
}
