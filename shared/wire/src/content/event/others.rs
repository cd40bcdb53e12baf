//! Gemini's events, Triton's and TGI's, and errors.

use super::{ChannelName, Ended, EventTexts, Scope, Value, number};
use crate::content::field::Form;
use crate::content::tape::Kind;

pub(super) fn read(root: Value<'_>, event: &mut EventTexts) {
    if let Some(candidates) = root.get("candidates") {
        event.known = true;
        candidates.children().for_each(|candidate| self::candidate(candidate, event));
        return;
    }
    let piece = root.get_string("text_output").or_else(|| root.get("token")?.get_string("text"));
    if let Some(text) = piece {
        event.known = true;
        let channel = ChannelName::new(Scope(0)).with("text_output").channel();
        event.push(text, Form::String, channel, Scope(0));
        if root.get_string("generated_text").is_some() {
            event.ended.push(Ended::All);
        }
        return;
    }
    // Gemini reports usage, and every server its errors, without any text that goes on.
    let plain = ["error", "usageMetadata", "promptFeedback", "usage", "message"];
    event.known = plain.iter().any(|name| root.get(name).is_some());
}

fn candidate(candidate: Value<'_>, event: &mut EventTexts) {
    let scope = Scope(number(candidate, "index"));
    let parts = candidate.get("content").and_then(|content| content.get("parts"));
    for part in parts.into_iter().flat_map(Value::children) {
        let thought = part.get("thought").is_some_and(|thought| thought.kind() == Kind::Boolean);
        let name = if thought { "thought" } else { "text" };
        if let Some(text) = part.get_string("text") {
            event.push(text, Form::String, ChannelName::new(scope).with(name).channel(), scope);
        }
    }
    if candidate.get_string("finishReason").is_some() {
        event.ended.push(Ended::Scope(scope));
    }
}
