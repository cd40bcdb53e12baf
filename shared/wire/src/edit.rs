//! Changes to a body by span: every other byte is kept.

use core::fmt;
use core::ops::Range;

use thiserror::Error;

use crate::order::order;
use crate::request::RequestFacts;

/// One replacement. An empty span inserts.
#[derive(Clone, PartialEq, Eq)]
pub struct Edit {
    /// The bytes of the body to replace.
    pub span: Range<usize>,
    /// What takes their place.
    pub replacement: Vec<u8>,
}

impl fmt::Debug for Edit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Edit")
            .field("span", &self.span)
            .field("replacement_len", &self.replacement.len())
            .finish()
    }
}

/// Edits that don't fit the body.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum EditError {
    /// A span ends before it starts or beyond the body.
    #[error("edit of {start}..{end} does not fit a body of {len} bytes")]
    OutOfBounds {
        /// Where the span starts.
        start: usize,
        /// Where it ends.
        end: usize,
        /// Length of the body.
        len: usize,
    },
    /// Two spans overlap.
    #[error("edits overlap at offset {at}")]
    Overlap {
        /// Where the later span starts.
        at: usize,
    },
}

/// `body` with all `edits` made. Their order does not matter, except among insertions at one
/// place, which stay in the order given.
///
/// # Errors
/// [`EditError`] if a span is outside the body or overlaps another.
pub fn apply(body: &[u8], edits: &[Edit]) -> Result<Vec<u8>, EditError> {
    let key = |place: usize| edits.get(place).map(|edit| (edit.span.start, edit.span.end));
    let ordered = order(edits.len(), &|one, other| key(one).cmp(&key(other)));
    let added: usize = edits.iter().map(|edit| edit.replacement.len()).sum();
    let mut out = Vec::with_capacity(body.len().saturating_add(added));
    let mut done = 0;
    for edit in ordered.into_iter().filter_map(|place| edits.get(place)) {
        let Range { start, end } = edit.span;
        if start < done {
            return Err(EditError::Overlap { at: start });
        }
        let out_of_bounds = EditError::OutOfBounds { start, end, len: body.len() };
        let kept = body.get(done..start).ok_or(out_of_bounds)?;
        body.get(start..end).ok_or(out_of_bounds)?;
        out.extend_from_slice(kept);
        out.extend_from_slice(&edit.replacement);
        done = end;
    }
    out.extend_from_slice(body.get(done..).unwrap_or_default());
    Ok(out)
}

/// `text` as a JSON string, quotes included.
pub fn json_string(text: &str) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len().saturating_add(2));
    push_json_string(&mut out, text);
    out
}

/// Appends `text` as a JSON string.
pub(crate) fn push_json_string(out: &mut Vec<u8>, text: &str) {
    out.push(b'"');
    push_escaped(out, text);
    out.push(b'"');
}

/// Appends `text` as it stands between the quotes of a JSON string.
pub fn push_escaped(out: &mut Vec<u8>, text: &str) {
    const HEX: &[u8; 16] = b"0123456789abcdef";
    for byte in text.bytes() {
        match byte {
            b'"' | b'\\' => out.extend([b'\\', byte]),
            b'\n' => out.extend(b"\\n"),
            b'\r' => out.extend(b"\\r"),
            b'\t' => out.extend(b"\\t"),
            0x00..0x20 => {
                let low = HEX.get(usize::from(byte & 0xF)).copied().unwrap_or(b'0');
                out.extend(b"\\u00");
                out.extend([b'0' + (byte >> 4), low]);
            }
            _ => out.push(byte),
        }
    }
}

/// The edit that gives a request another model; `None` if its body names none.
pub fn replace_model(facts: &RequestFacts, model: &str) -> Option<Edit> {
    let field = facts.model.as_ref()?;
    Some(Edit { span: field.span.clone(), replacement: json_string(model) })
}

/// The edit that names a model in a body that names none.
pub fn insert_model(facts: &RequestFacts, model: &str) -> Edit {
    let mut member = br#""model":"#.to_vec();
    push_json_string(&mut member, model);
    insert_first(facts, member)
}

/// The edit that makes a streamed OpenAI completion end with its `usage`; `None` if the request
/// asks for it already, is not streamed, or is not of an API that has the option.
pub fn request_usage(facts: &RequestFacts) -> Option<Edit> {
    use crate::path::Operation::{ChatCompletions, Completions};
    if !facts.stream || !matches!(facts.operation, ChatCompletions | Completions) {
        return None;
    }
    let Some(options) = &facts.stream_options else {
        return Some(insert_first(facts, br#""stream_options":{"include_usage":true}"#.to_vec()));
    };
    match &options.include_usage {
        Some((true, _)) => None,
        Some((false, span)) => Some(Edit { span: span.clone(), replacement: b"true".to_vec() }),
        None if options.has_members => {
            let at = options.span.start.saturating_add(1);
            Some(Edit { span: at..at, replacement: br#""include_usage":true,"#.to_vec() })
        }
        None => {
            let replacement = br#"{"include_usage":true}"#.to_vec();
            Some(Edit { span: options.span.clone(), replacement })
        }
    }
}

/// Inserts a member before all others.
fn insert_first(facts: &RequestFacts, mut member: Vec<u8>) -> Edit {
    if facts.has_members {
        member.push(b',');
    }
    let at = facts.object_open.saturating_add(1);
    Edit { span: at..at, replacement: member }
}

#[cfg(test)]
mod tests;
