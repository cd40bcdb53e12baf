//! Chunks of chat completions and completions.

use super::{ChannelName, Ended, EventTexts, Scope, Value, number};
use crate::content::field::Form;
use crate::content::tape::Kind;

/// Members of a delta that come whole, in one event.
const WHOLE: [&str; 7] = ["role", "id", "type", "name", "signature", "url", "format"];

pub(super) fn read(root: Value<'_>, event: &mut EventTexts) {
    event.known = true;
    let mut choices = 0;
    for choice in root.get("choices").into_iter().flat_map(Value::children) {
        choices += 1;
        let scope = Scope(number(choice, "index"));
        if let Some(text) = choice.get_string("text") {
            event.push(text, Form::String, ChannelName::new(scope).with("text").channel(), scope);
        }
        if let Some(delta) = choice.get("delta") {
            below(delta, scope, event);
        }
        if choice.get_string("finish_reason").is_some() {
            event.ended.push(Ended::Scope(scope));
        }
    }
    if choices == 0 && root.get("usage").is_some_and(|usage| usage.kind() == Kind::Object) {
        event.ended.push(Ended::All);
    }
}

/// Every string below a delta, whatever its name, goes on from chunk to chunk.
fn below(delta: Value<'_>, scope: Scope, event: &mut EventTexts) {
    let end = delta.span().end;
    let mut next = delta.next();
    while let Some(value) = next.filter(|value| value.span().end <= end && event.known) {
        let key = value.key();
        if value.kind() == Kind::String && !WHOLE.contains(&key.as_ref()) {
            let arguments = matches!(key.as_ref(), "arguments" | "partial_json");
            let form = if arguments { Form::Arguments } else { Form::String };
            event.push(value, form, name(value, delta, scope).channel(), scope);
        }
        next = value.next();
    }
}

/// The way from the delta to a value: keys, and the indexes that elements say they have.
fn name(value: Value<'_>, delta: Value<'_>, scope: Scope) -> ChannelName {
    let mut name = ChannelName::new(scope);
    let mut at = Some(value);
    while let Some(value) = at.filter(|value| value.index() > delta.index()) {
        let parent = value.parent();
        name = match parent.filter(|parent| parent.kind() == Kind::Array) {
            Some(array) => name.with_number(element_index(value, array)),
            None => name.with(&value.key()),
        };
        at = parent;
    }
    name
}

fn element_index(element: Value<'_>, array: Value<'_>) -> u32 {
    element.get("index").and_then(Value::number).unwrap_or_else(|| {
        let before = array.children().take_while(|other| other.index() < element.index());
        u32::try_from(before.count()).unwrap_or(u32::MAX)
    })
}
