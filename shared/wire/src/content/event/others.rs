//! Gemini's events, Triton's and TGI's, errors, and events that nobody here has heard of.

use super::parts::{At, ChannelName, Choices, Ended, EventTexts, has_error, is_empty, number};
use super::pieces;
use crate::content::field::Form;
use crate::content::tape::{Kind, Value};

/// Members of events that bring no text that goes on, or one in a member that says what it is: Gemini's usage,
/// every server's errors, what Ollama sends.
const KNOWN: [&str; 6] = ["error", "usageMetadata", "promptFeedback", "usage", "message", "done"];

/// What the types of events hold that are a sign of life, which may come at any time.
const SIGNS_OF_LIFE: [&str; 3] = ["ping", "alive", "heartbeat"];

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
    // SGLang tells with its figures all of the text so far.
    let figures = root.get("meta_info").filter(|figures| figures.kind() == Kind::Object);
    if let Some(figures) = figures {
        let reason = figures.get("finish_reason").filter(|reason| !is_empty(*reason));
        event.repeats = true;
        event.grow(root.get_string("text").filter(|_| reason.is_none()));
    } else {
        let name = ChannelName::new(at.scope).with(kind);
        // Nothing but a string: a piece of a text.
        if root.kind() == Kind::String {
            event.push(root, Form::String, name.channel(), at);
        }
        pieces::read(root, (name, false), at, event);
        event.deltas.iter_mut().for_each(|delta| delta.may_repeat = true);
    }
    let lives = is_empty(root) || SIGNS_OF_LIFE.iter().any(|sign| kind.contains(sign));
    event.choices = if lives && event.deltas.is_empty() { Choices::None } else { Choices::One(0) };
    if ends {
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
