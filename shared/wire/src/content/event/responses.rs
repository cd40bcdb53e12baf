//! Events of the Responses API.

use super::parts::{At, ChannelName, Choices, Ended, EventTexts, number};
use crate::content::field::Form;
use crate::content::tape::{Kind, Value};

/// Events about the response as a whole.
const STAGES: [&str; 6] = ["created", "queued", "in_progress", "completed", "incomplete", "failed"];

/// Most parts of an item that are looked at when it is added: servers add it empty.
const MAX_PARTS: u32 = 64;

pub(super) fn read(root: Value<'_>, kind: &str, event: &mut EventTexts) {
    let about = kind.strip_prefix("response.").unwrap_or(kind);
    let at = At::part(number(root, "output_index"));
    event.known = true;
    event.choices = Choices::One(at.choice);
    if STAGES.contains(&about) {
        if matches!(about, "completed" | "incomplete" | "failed") {
            event.repeats = true;
            event.ended.push(Ended::All);
        }
        return;
    }
    // The part of the type between `response.` and the last dot says what the event is about.
    let Some((subject, step)) = about.rsplit_once('.') else { return };
    event.repeats = step == "done";
    match step {
        "delta" => delta(root, subject, at, event),
        "added" => added(root, subject, at, event),
        "done" if matches!(subject, "output_item" | "content_part") => {
            event.ended.push(Ended::Scope(at.scope));
        }
        "done" => event.ended.push(Ended::Channel(name(root, subject, at).channel())),
        _ => {}
    }
}

fn name(root: Value<'_>, subject: &str, at: At) -> ChannelName {
    named(subject, at, number(root, "content_index"), number(root, "summary_index"))
}

fn named(subject: &str, at: At, content: u32, summary: u32) -> ChannelName {
    ChannelName::new(at.scope).with(subject).with_number(content).with_number(summary)
}

fn form(subject: &str) -> Form {
    if subject.ends_with("arguments") { Form::Arguments } else { Form::String }
}

/// A piece of a text; where it is no string, each string in it.
fn delta(root: Value<'_>, subject: &str, at: At, event: &mut EventTexts) {
    let Some(delta) = root.get("delta") else { return };
    // Sound in pieces, of which only the first has a head if any has.
    if matches!(subject, "audio" | "output_audio") {
        return event.whole.opaque.push(delta.span().start);
    }
    let name = name(root, subject, at);
    if delta.kind() == Kind::String {
        return event.push(delta, form(subject), name.channel(), at);
    }
    let end = delta.span().end;
    let below = core::iter::successors(delta.next(), |value| value.next());
    for value in below.take_while(|value| value.span().end <= end) {
        let key = value.key();
        if value.kind() == Kind::String && !matches!(key.as_ref(), "type" | "id") {
            event.push(value, form(&key), name.with(&key).channel(), at);
        }
    }
}

/// What an item or a part begins with; the first delta goes on after it.
fn added(root: Value<'_>, subject: &str, at: At, event: &mut EventTexts) {
    let (content, summary) = (number(root, "content_index"), number(root, "summary_index"));
    if let Some(part) = root.get("part") {
        let thought = matches!(subject, "reasoning_summary_part" | "reasoning_part");
        self::part(
            part,
            if thought { "reasoning_summary_text" } else { "" },
            at,
            (content, summary),
            event,
        );
    }
    let Some(item) = root.get("item") else { return };
    let kind = item.get_string("type").and_then(Value::text).unwrap_or_default();
    let texts = [
        (
            "arguments",
            if kind == "mcp_call" { "mcp_call_arguments" } else { "function_call_arguments" },
        ),
        ("input", "custom_tool_call_input"),
        ("code", "code_interpreter_call_code"),
    ];
    for (member, subject) in texts {
        if let Some(text) = item.get_string(member) {
            event.push(text, form(subject), named(subject, at, 0, 0).channel(), at);
        }
    }
    for (member, subject) in [("content", ""), ("summary", "reasoning_summary_text")] {
        let parts = item.get(member).into_iter().flat_map(Value::children);
        for (index, part) in (0..MAX_PARTS).zip(parts) {
            let place = if subject.is_empty() { (index, 0) } else { (0, index) };
            self::part(part, subject, at, place, event);
        }
    }
}

/// The text of a part, which a part of an answer names by its type.
fn part(
    part: Value<'_>,
    subject: &str,
    at: At,
    (content, summary): (u32, u32),
    event: &mut EventTexts,
) {
    let kind = part.get_string("type").and_then(Value::text).unwrap_or_default();
    let subject = if subject.is_empty() { kind.as_ref() } else { subject };
    for member in ["text", "refusal"] {
        if let Some(text) = part.get_string(member) {
            event.push(text, Form::String, named(subject, at, content, summary).channel(), at);
        }
    }
}
