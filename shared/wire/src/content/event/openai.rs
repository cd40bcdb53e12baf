//! Chunks of chat completions and completions.

use super::{ChannelName, Ended, EventTexts, Scope, Value, number};
use crate::content::field::Form;
use crate::content::tape::Kind;

/// Members of a delta that come whole, in one event.
const WHOLE: [&str; 7] = ["role", "id", "type", "name", "signature", "url", "format"];

pub(super) fn read(root: Value<'_>, event: &mut EventTexts) {
    event.known = true;
    root.children().for_each(|member| loosen(member, event));
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

/// What differs from response to response besides the choices.
fn loosen(member: Value<'_>, event: &mut EventTexts) {
    match (member.key().as_ref(), member.kind()) {
        ("id", Kind::String) | ("created", Kind::Number) => {
            event.loose.push((member.content_span(), member.kind()));
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

/// Every string below a delta, whatever its name, goes on from chunk to chunk. It is named by the way
/// to it: keys, and the indexes that elements say they have.
fn below(delta: Value<'_>, scope: Scope, event: &mut EventTexts) {
    let end = delta.span().end;
    // The containers that the next value may be in, their names, and how many values they had.
    let mut open = vec![(delta, ChannelName::new(scope), 0)];
    let mut next = delta.next();
    while let Some(value) = next.filter(|value| value.span().end <= end && event.known) {
        let parent = value.parent().map(Value::index);
        while open.pop_if(|(container, ..)| Some(container.index()) != parent).is_some() {}
        let Some((container, name, before)) = open.last_mut() else { return };
        let key = value.key();
        let name = match container.kind() {
            Kind::Array => name.with_number(element_index(value, *before)),
            _ => name.with(&key),
        };
        *before += 1;
        if value.kind() == Kind::String && !WHOLE.contains(&key.as_ref()) {
            let arguments = matches!(key.as_ref(), "arguments" | "partial_json");
            let form = if arguments { Form::Arguments } else { Form::String };
            event.push(value, form, name.channel(), scope);
        }
        if matches!(value.kind(), Kind::Object | Kind::Array) {
            open.push((value, name, 0));
        }
        next = value.next();
    }
}

/// The index that an element says it has, or else its place.
fn element_index(element: Value<'_>, before: u32) -> u32 {
    element.get("index").and_then(Value::number).unwrap_or(before)
}
