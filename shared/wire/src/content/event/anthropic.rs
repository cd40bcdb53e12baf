//! Events of Anthropic's Messages API, and the `error` of every API that names its events.

use super::{ChannelName, Ended, EventTexts, Scope, Value, number};
use crate::content::field::Form;

pub(super) fn read(root: Value<'_>, kind: &str, event: &mut EventTexts) {
    let scope = Scope(number(root, "index"));
    event.known = true;
    match kind {
        "message_start" | "content_block_start" | "ping" => {}
        "content_block_delta" => delta(root, scope, event),
        "content_block_stop" => event.ended.push(Ended::Scope(scope)),
        "message_delta" | "message_stop" | "error" => event.ended.push(Ended::All),
        _ => event.known = false,
    }
}

fn delta(root: Value<'_>, scope: Scope, event: &mut EventTexts) {
    let Some(delta) = root.get("delta") else { return };
    let kind = delta.get_string("type").and_then(Value::text).unwrap_or_default();
    let (member, form) = match kind.as_ref() {
        "text_delta" => ("text", Form::String),
        "input_json_delta" => ("partial_json", Form::Arguments),
        "thinking_delta" => ("thinking", Form::String),
        "signature_delta" | "citations_delta" => return,
        _ => {
            event.known = false;
            return;
        }
    };
    if let Some(text) = delta.get_string(member) {
        let channel = ChannelName::new(scope).with(member).channel();
        let span = text.content_span();
        let signed = member == "thinking";
        event.deltas.push(super::Delta { span, form, channel, scope, signed });
    }
}
