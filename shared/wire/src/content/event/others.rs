//! Gemini's events, Triton's and TGI's, errors, and events that nobody here has heard of.

use super::parts::{
    At, ChannelName, Choices, Ended, EventTexts, Repeats, has_error, index_or, is_empty,
};
use super::pieces;
use crate::content::field::Form;
use crate::content::tape::{Kind, Value};

/// Members of events that bring no text that goes on, or one in a member that says what it is: Gemini's usage,
/// every server's errors, what Ollama and llama.cpp send.
const KNOWN: [&str; 7] =
    ["error", "usageMetadata", "promptFeedback", "usage", "message", "done", "stop"];

/// What the types of events hold that are a sign of life, which may come at any time.
const SIGNS_OF_LIFE: [&str; 3] = ["ping", "alive", "heartbeat"];

pub(super) fn read(root: Value<'_>, event: &mut EventTexts) {
    if let Some(candidates) = root.get("candidates") {
        event.known = true;
        for (place, candidate) in (0..).zip(candidates.children()) {
            self::candidate(candidate, place, event);
        }
        return;
    }
    let at = At::choice(0);
    if root.get("text_output").is_some()
        || root.get("token").is_some_and(|token| token.get("text").is_some())
    {
        event.known = true;
        event.choices = Choices::One(0);
        pieces::read(root, (ChannelName::new(at.scope), false), at, event);
        if root.get_string("generated_text").is_some() {
            event.ended.push(Ended::All);
        }
        return;
    }
    event.known = KNOWN.iter().any(|name| root.get(name).is_some());
    if has_error(root) {
        event.choices = Choices::All;
        event.ended.push(Ended::All);
    } else {
        unknown(root, "", event);
    }
    if event.known && event.deltas.is_empty() {
        event.choices = Choices::All;
    }
}

/// An event of any form: what looks like a piece of a text goes on, under the event's type.
pub(super) fn unknown(root: Value<'_>, kind: &str, event: &mut EventTexts) {
    let at = At::choice(0);
    let is_true = |name: &str| root.get(name).is_some_and(Value::is_true);
    let ends = ["stop", "done", "is_finished"].into_iter().any(is_true);
    let name = source(root, ChannelName::new(at.scope).with(kind));
    // Nothing but a string: a piece of a text.
    if root.kind() == Kind::String {
        event.push(root, Form::String, name.channel(), at);
    }
    pieces::read(root, (name, false), at, event);
    // SGLang tells with its figures all of the text so far, unless it was told to send pieces.
    let figures = root.get("meta_info").is_some_and(|figures| figures.kind() == Kind::Object);
    let may_repeat = if figures { Repeats::Grows } else { Repeats::Perhaps };
    event.deltas.iter_mut().for_each(|delta| delta.repeats = may_repeat);
    let lives = is_empty(root) || SIGNS_OF_LIFE.iter().any(|sign| kind.contains(sign));
    event.choices = if lives && event.deltas.is_empty() { Choices::None } else { Choices::One(0) };
    if ends {
        event.ended.push(Ended::All);
    }
}

/// The name of the texts of an event: what several that come at a time are told apart by. Only an event of deltas is about a part
/// of that index; others may count themselves.
fn source(root: Value<'_>, name: ChannelName) -> ChannelName {
    let is_delta = root.children().any(|member| {
        member.is_named("delta")
            || member.is_named("type") && member.text().is_some_and(|kind| kind.ends_with("delta"))
    });
    let tells = |member: &Value<'_>| match member.key().as_ref() {
        "item_id" | "toolCallId" | "tool_call_id" => true,
        "index" | "output_index" | "content_index" => is_delta,
        _ => false,
    };
    root.children().filter(tells).fold(name, |name, part| match part.number() {
        Some(number) => name.with_number(number),
        None => name.with(&part.text().unwrap_or_default()),
    })
}

fn candidate(candidate: Value<'_>, place: u32, event: &mut EventTexts) {
    let at = At::choice(index_or(candidate, place));
    event.choices.add(at.choice);
    let parts = candidate.get("content").and_then(|content| content.get("parts"));
    for part in parts.into_iter().flat_map(Value::children) {
        let thought = part.get("thought").is_some_and(Value::is_true);
        let name = ChannelName::new(at.scope).with(if thought { "thought" } else { "text" });
        if let Some(text) = part.get_string("text") {
            event.push(text, Form::String, name.channel(), at);
        }
        let call = part.get("functionCall");
        let pieces = call.and_then(|call| call.get("partialArgs"));
        for piece in pieces.into_iter().flat_map(Value::children) {
            let path = piece.get_string("jsonPath").and_then(Value::text).unwrap_or_default();
            if let Some(text) = piece.get_string("stringValue") {
                let name = ChannelName::new(at.scope).with("partialArgs").with(&path);
                event.push(text, Form::String, name.channel(), at);
                // The next call may have an argument of the same path.
                if !piece.get("willContinue").is_some_and(Value::is_true) {
                    event.ended.push(Ended::Channel(name.channel()));
                }
            }
        }
    }
    if candidate.get_string("finishReason").is_some() {
        event.ended.push(Ended::Scope(at.scope));
    }
}
