//! Chunks of chat completions and completions.

use super::parts::{
    At, ChannelName, Choices, Ended, EventTexts, Repeats, has_error, index_or, is_empty,
};
use super::pieces;
use crate::content::field::Form;
use crate::content::functional::Shape;
use crate::content::tape::{Kind, Value};

pub(super) fn read(root: Value<'_>, event: &mut EventTexts) {
    event.known = true;
    root.children().for_each(|member| loosen(member, event));
    let is_whole = root.get_string("object").is_some_and(|object| object.is("chat.completion"));
    let mut choices = 0;
    for choice in root.get("choices").into_iter().flat_map(Value::children) {
        let at = At::choice(index_or(choice, choices));
        choices += 1;
        event.choices.add(at.choice);
        let delta = choice.get("delta");
        if let Some(text) = choice.get_string("text") {
            // Clients that read either take it for the same text.
            let both = delta.is_some_and(|delta| pieces::holds(delta, "content"));
            let name = if both { "text" } else { "content" };
            event.push(text, Form::String, ChannelName::new(at.scope).with(name).channel(), at);
        }
        if let Some(delta) = delta {
            pieces::read(delta, (ChannelName::new(at.scope), true), at, event);
        }
        let ends = choice.get_string("finish_reason").is_some_and(|reason| says_end(reason));
        if ends {
            event.ended.push(Ended::Scope(at.scope));
        }
        messages(choice, (delta, ends, is_whole), at, event);
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
    (delta, ends, is_whole): (Option<Value<'_>>, bool, bool),
    at: At,
    event: &mut EventTexts,
) {
    let is_object = |value: &Value<'_>| value.kind() == Kind::Object;
    match (choice.get("message").filter(is_object), delta.filter(is_object)) {
        (Some(message), Some(_)) => {
            event.repeats = true;
            let name = ChannelName::new(at.scope).with("message");
            let before = event.deltas.len();
            if let Some(text) = message.get_string("content") {
                event.push(text, Form::String, name.channel(), at);
            }
            let new = event.deltas.get_mut(before..).into_iter().flatten();
            new.for_each(|delta| delta.repeats = Repeats::Grows);
        }
        // All of the answer once more, as MiniMax ends a stream.
        (Some(_), None) if ends && is_whole => {
            event.repeats = true;
            event.ended.push(Ended::Scope(at.scope));
        }
        (Some(message), None) => {
            pieces::read(message, (ChannelName::new(at.scope), true), at, event)
        }
        _ => {}
    }
    if let Some(messages) = choice.get("messages") {
        let name = ChannelName::new(at.scope).with("messages");
        pieces::read(messages, (name, false), at, event);
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
            pieces::read(member, (ChannelName::new(at.scope).with("verbose"), false), at, event);
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
