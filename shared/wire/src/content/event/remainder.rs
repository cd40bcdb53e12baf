//! Events that may be sent in two: with the beginning of their text, and with the rest of it.
//!
//! The second says nothing again that clients would put together with the first (a role, an id, a
//! name) or take for another (a sequence number, a picture). So an event with anything else than its
//! envelope, what tells its text from others, and one text is not divisible.

use core::ops::Range;

use super::{Api, Value, is_empty};
use crate::content::tape::Kind;

/// What the second event leaves out; `None` if there can be none.
pub(super) fn of(root: Value<'_>, api: &Api<'_>, text: &Range<usize>) -> Option<Vec<Range<usize>>> {
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
            } else if !is_empty(member) && !(is_scalar(member) && allowed.contains(&key.as_ref())) {
                return None;
            }
        }
        let mut inside = inside?;
        if inside.kind() == Kind::String {
            return Some(left_out);
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
