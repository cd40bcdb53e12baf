//! Events that may be sent in two: with the beginning of their text, and with the rest of it.
//!
//! The second says nothing again that clients would put together with the first (a role, an id, a
//! name) or take for another (a sequence number, a picture). So an event with anything else than its
//! envelope, what tells its text from others, and one text is not divisible. Nor is one whose text clients
//! may take as a whole: Anthropic's library lets each `compaction_delta` replace the one before.

use core::ops::Range;

use super::parts::{Api, is_empty};
use crate::content::tape::{Kind, Value};

/// Texts of which all clients put the pieces together.
const TEXTS: [&str; 12] = [
    "content",
    "text",
    "reasoning",
    "reasoning_content",
    "thinking",
    "refusal",
    "arguments",
    "partial_json",
    "input",
    "transcript",
    "delta",
    "text_output",
];

/// Whether an event is one of those that bring pieces of a text.
fn brings_pieces(root: Value<'_>, api: &Api<'_>) -> bool {
    match api {
        Api::Chunk => true,
        Api::Named(kind) => {
            let delta = root.get("delta").and_then(|delta| delta.get_string("type"));
            let pieces = ["text_delta", "thinking_delta", "input_json_delta"];
            kind == "content_block_delta"
                && delta.is_some_and(|delta| pieces.iter().any(|kind| delta.is(kind)))
        }
        Api::Responses(kind) => {
            let pieces = ["text", "refusal", "arguments", "input", "code", "transcript"];
            let subject = kind.strip_suffix(".delta");
            subject.is_some_and(|subject| pieces.iter().any(|end| subject.ends_with(end)))
        }
        Api::Other => root.get("candidates").is_some() || root.get("text_output").is_some(),
    }
}

/// What the second event leaves out; `None` if there can be none.
pub(super) fn of(root: Value<'_>, api: &Api<'_>, text: &Range<usize>) -> Option<Vec<Range<usize>>> {
    if !brings_pieces(root, api) {
        return None;
    }
    let mut left_out = Vec::new();
    let mut allowed: &[&str] = match api {
        Api::Chunk => &["id", "object", "created", "model", "system_fingerprint", "service_tier"],
        Api::Named(_) => &["type", "index"],
        Api::Responses(_) => &["type", "item_id", "output_index", "content_index", "summary_index"],
        Api::Other => &["modelVersion", "responseId", "createTime", "model_name", "model_version"],
    };
    let mut object = root;
    // Down the way to the text: beside it, nothing may stand but what is allowed there.
    loop {
        let mut inside = None;
        for member in object.children() {
            let key = member.key();
            if member.span().start <= text.start && text.end <= member.span().end {
                inside = Some(member);
            } else if matches!(key.as_ref(), "usage" | "usageMetadata") && object.index() == 0 {
                left_out.push(member.span());
            } else if !(is_empty(member) || is_scalar(member) && allowed.contains(&key.as_ref())) {
                return None;
            }
        }
        let mut inside = inside?;
        if inside.kind() == Kind::String {
            return TEXTS.iter().any(|text| inside.is_named(text)).then_some(left_out);
        }
        // Clients add up the elements of lists that do not say which they are; of the lists that every
        // event has, there must be one element.
        let listed = matches!(inside.key().as_ref(), "choices" | "candidates" | "parts");
        if inside.kind() == Kind::Array {
            let mut elements = inside.children();
            let (Some(only), None) = (elements.next(), elements.next()) else { return None };
            if !listed && only.get("index").and_then(Value::number).is_none() {
                return None;
            }
            inside = only;
        }
        object = inside;
        allowed = match api {
            Api::Other => &["index", "role", "thought"],
            _ => &["index", "type"],
        };
    }
}

fn is_scalar(value: Value<'_>) -> bool {
    !matches!(value.kind(), Kind::Object | Kind::Array)
}
