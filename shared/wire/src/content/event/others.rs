//! Gemini's events, Triton's and TGI's, errors, and events that nobody here has heard of.

use super::parts::{At, ChannelName, Choices, Ended, EventTexts, has_error, number};
use crate::content::field::Form;
use crate::content::tape::{Kind, Value};

/// What servers call a text that comes in pieces. In an event that is not known, strings of these names
/// are taken to go on in the next; all others are whole.
const TEXTS: [&str; 10] = [
    "content",
    "text",
    "delta",
    "response",
    "completion",
    "output_text",
    "generated_text",
    "thinking",
    "reasoning",
    "partial_json",
];

pub(super) fn read(root: Value<'_>, event: &mut EventTexts) {
    if let Some(candidates) = root.get("candidates") {
        event.known = true;
        candidates.children().for_each(|candidate| self::candidate(candidate, event));
        return;
    }
    let piece = root.get_string("text_output").or_else(|| root.get("token")?.get_string("text"));
    let at = At::choice(0);
    if let Some(text) = piece {
        event.known = true;
        event.choices = Choices::One(0);
        event.push(
            text,
            Form::String,
            ChannelName::new(at.scope).with("text_output").channel(),
            at,
        );
        if root.get_string("generated_text").is_some() {
            event.ended.push(Ended::All);
        }
        return;
    }
    // Gemini reports usage, and every server its errors, without any text that goes on.
    let plain = ["error", "usageMetadata", "promptFeedback", "usage", "message"];
    event.known = plain.iter().any(|name| root.get(name).is_some());
    if event.known {
        event.choices = Choices::All;
    } else {
        unknown(root, "", event);
    }
    if has_error(root) {
        event.ended.push(Ended::All);
    }
}

/// An event of any form: what looks like a piece of a text goes on, under the event's type.
pub(super) fn unknown(root: Value<'_>, kind: &str, event: &mut EventTexts) {
    let at = At::choice(0);
    let name = ChannelName::new(at.scope).with(kind);
    let inner = root.get("delta").filter(|delta| delta.kind() == Kind::Object);
    let strings = |object: Option<Value<'_>>, name: ChannelName, event: &mut EventTexts| {
        for value in object.into_iter().flat_map(Value::children) {
            let key = value.key();
            if value.kind() == Kind::String && TEXTS.contains(&key.as_ref()) {
                event.push(value, Form::String, name.with(&key).channel(), at);
            }
        }
    };
    strings(Some(root).filter(|root| root.kind() == Kind::Object), name, event);
    strings(inner, name.with("delta"), event);
    // What brings no piece of a text is a sign of life, or is about nobody knows what.
    event.choices = if event.deltas.is_empty() { Choices::None } else { Choices::One(0) };
    if root.get("stop").is_some_and(|stop| stop.kind() == Kind::Boolean && stop.is_true()) {
        event.ended.push(Ended::All);
    }
}

fn candidate(candidate: Value<'_>, event: &mut EventTexts) {
    let at = At::choice(number(candidate, "index"));
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
            }
        }
    }
    if candidate.get_string("finishReason").is_some() {
        event.ended.push(Ended::Scope(at.scope));
    }
}
