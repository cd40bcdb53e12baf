//! Events of Anthropic's Messages API, the `error` of every API that names its events, and events with
//! a type that nobody here has heard of.

use super::others;
use super::parts::{At, ChannelName, Choices, Ended, EventTexts, number};
use crate::content::field::Form;
use crate::content::tape::{Kind, Value};

/// The events of the Messages API.
pub(super) const NAMES: [&str; 8] = [
    "message_start",
    "content_block_start",
    "content_block_delta",
    "content_block_stop",
    "message_delta",
    "message_stop",
    "ping",
    "error",
];

pub(super) fn read(root: Value<'_>, kind: &str, event: &mut EventTexts) {
    let at = At::part(number(root, "index"));
    event.known = NAMES.contains(&kind);
    event.choices = Choices::One(at.choice);
    match kind {
        "message_start" => {
            let blocks = root.get("message").and_then(|message| message.get("content"));
            for (index, block) in (0..).zip(blocks.into_iter().flat_map(Value::children)) {
                self::block(block, At::part(index), event);
            }
        }
        "content_block_start" => {
            if let Some(block) = root.get("content_block") {
                self::block(block, at, event);
                let thinks = block.get("thinking").is_some() && block.get("signature").is_none();
                event.signature = thinks.then_some((at.scope, false));
            }
        }
        "content_block_delta" => delta(root, at, event),
        "content_block_stop" => event.ended.push(Ended::Scope(at.scope)),
        "message_delta" | "message_stop" | "error" => event.ended.push(Ended::All),
        "ping" => event.choices = Choices::None,
        _ => others::unknown(root, kind, event),
    }
}

/// What a block begins with; the first delta goes on after it.
fn block(block: Value<'_>, at: At, event: &mut EventTexts) {
    for member in ["text", "thinking", "content"] {
        if let Some(text) = block.get_string(member) {
            text_of(text, member, at, event);
        }
    }
}

/// Every string of a delta goes on, whatever its name, but for what is no text.
fn delta(root: Value<'_>, at: At, event: &mut EventTexts) {
    let Some(delta) = root.get("delta") else { return };
    let comes =
        delta.get("signature").is_some_and(|signature| !signature.content_span().is_empty());
    event.signature = comes.then_some((at.scope, true));
    for value in delta.children().filter(|value| value.kind() == Kind::String) {
        let member = value.key();
        if !matches!(member.as_ref(), "type" | "signature" | "data" | "encrypted_content") {
            text_of(value, &member, at, event);
        }
    }
}

fn text_of(text: Value<'_>, member: &str, at: At, event: &mut EventTexts) {
    let form = if member == "partial_json" { Form::Arguments } else { Form::String };
    let before = event.deltas.len();
    event.push(text, form, ChannelName::new(at.scope).with(member).channel(), at);
    if let Some(delta) = event.deltas.get_mut(before..).and_then(|new| new.first_mut()) {
        delta.signed = member == "thinking";
    }
}
