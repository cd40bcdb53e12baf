//! Pieces of texts in events of any form.

use super::parts::{At, ChannelName, EventTexts};
use crate::content::field::Form;
use crate::content::protocol::is_token;
use crate::content::tape::{Kind, Value};

/// What servers call a text that comes in pieces. In an event that is not known, strings of these names
/// are taken to go on in the next, and so are those in and under what is called a delta; all others are whole.
const TEXTS: [&str; 13] = [
    "content",
    "text",
    "response",
    "completion",
    "output_text",
    "outputText",
    "generated_text",
    "thinking",
    "reasoning",
    "partial_json",
    "arguments",
    "answer",
    "output",
];

/// Members of a delta that come whole.
const WHOLE: [&str; 6] = ["id", "type", "role", "name", "finish_reason", "signature"];

/// A container that the next value may be in.
struct Open<'t> {
    value: Value<'t>,
    name: ChannelName,
    /// How many values it had.
    before: u32,
    /// It is a delta, or in one.
    delta: bool,
}

/// Takes what looks like a piece of a text in `root`, however deep, named by the way to it: keys, and the indexes
/// that elements say they have.
pub(super) fn read(root: Value<'_>, name: ChannelName, at: At, event: &mut EventTexts) {
    let end = root.span().end;
    let mut open = vec![Open { value: root, name, before: 0, delta: false }];
    let mut next = root.next();
    while let Some(value) = next.filter(|value| value.span().end <= end && !event.overflows) {
        let parent = value.parent().map(Value::index);
        while open.pop_if(|open| Some(open.value.index()) != parent).is_some() {}
        let Some(container) = open.last_mut() else { return };
        let key = value.key();
        let is_list = container.value.kind() == Kind::Array;
        let name = match is_list {
            true => container.name.with_number(element_index(value, container.before)),
            false => container.name.with(&key),
        };
        container.before += 1;
        let delta = container.delta || key.ends_with("delta") || key.ends_with("Delta");
        match value.kind() {
            Kind::Object | Kind::Array => open.push(Open { value, name, before: 0, delta }),
            Kind::String if delta && !is_whole(value, &key) || TEXTS.contains(&key.as_ref()) => {
                let arguments = matches!(key.as_ref(), "arguments" | "partial_json");
                let form = if arguments { Form::Arguments } else { Form::String };
                event.push(value, form, name.channel(), at);
            }
            _ => {}
        }
        next = value.next();
    }
}

fn is_whole(value: Value<'_>, key: &str) -> bool {
    WHOLE.contains(&key) && value.text().is_some_and(|text| is_token(&text))
}

/// The index that an element says it has, or else its place.
pub(super) fn element_index(element: Value<'_>, before: u32) -> u32 {
    element.get("index").and_then(Value::number).unwrap_or(before)
}
