//! How a stream ends that may not go on: an error event of the dialect, then the dialect's end.

use weir_wire::error::ErrorReply;
use weir_wire::path::{Dialect, Operation};

use crate::framing::Framing;

/// The events that end a stream with `error`.
///
/// OpenAI's clients raise an error for a data object with a member `error`, and other readers wait
/// for `[DONE]`; in the Responses API the error is an event of its own. Anthropic's and Gemini's
/// clients take an error event as the end.
pub(crate) fn refusal(
    error: &ErrorReply,
    dialect: Dialect,
    operation: Option<Operation>,
) -> Vec<u8> {
    let body = error.body(dialect);
    let mut out = Vec::with_capacity(body.len() + 64);
    match (dialect, operation) {
        (Dialect::Anthropic, _) => {
            out.extend(b"event: error\ndata: ");
            out.extend(body);
            out.extend(b"\n\n");
        }
        (Dialect::OpenAi, Some(Operation::Responses)) => {
            out.extend(b"event: error\ndata: {\"type\":\"error\",\"code\":\"");
            out.extend(error.code.bytes());
            out.extend(b"\",\"message\":");
            out.extend(weir_wire::edit::json_string(&error.message));
            out.extend(b",\"param\":null,\"sequence_number\":0}\n\n");
        }
        (Dialect::OpenAi, _) => {
            out.extend(b"data: ");
            out.extend(body);
            out.extend(b"\n\ndata: [DONE]\n\n");
        }
        (Dialect::Gemini | Dialect::Kserve, _) => {
            out.extend(b"data: ");
            out.extend(body);
            out.extend(b"\n\n");
        }
    }
    out
}

/// The document that ends a stream of JSON documents with `error`, and the end of their array if they are in one.
pub(crate) fn last_element(error: &ErrorReply, dialect: Dialect, framing: Framing) -> Vec<u8> {
    let (before, after): (&[&[u8]], &[u8]) = match framing {
        Framing::Array { opened: false, .. } => (&[b"["], b"]\n"),
        Framing::Array { after_element: true, .. } => (&[b",\n"], b"]\n"),
        Framing::Array { .. } => (&[], b"]\n"),
        Framing::Lines { after_element: true } => (&[b"\n"], b"\n"),
        Framing::Lines { .. } | Framing::Events => (&[], b"\n"),
    };
    let mut out = before.concat();
    out.extend(error.body(dialect));
    out.extend_from_slice(after);
    out
}
