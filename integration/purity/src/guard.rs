//! A request, a response and a stream inspected.

use std::hash::RandomState;
use std::sync::Arc;

use weir_detect::Policy;
use weir_guard::{Recall, RequestBody, StreamGuard, inspect_request_again, inspect_response};
use weir_wire::content::LongStrings;
use weir_wire::edit;
use weir_wire::path::Dialect;

pub(crate) fn probe(input: &[u8]) -> Option<u64> {
    let text = std::str::from_utf8(input).ok()?;
    let text = edit::json_string(&format!("Write to ann@example.com: {text}"));
    let policy = Arc::new(Policy::default());
    let request = [br#"{"messages":[{"role":"user","content":"#, &*text, b"}]}"].concat();
    let mut recall = Recall::new(RandomState::new());
    let body = RequestBody { bytes: &request, known: true, read: Some(&LongStrings::default()) };
    let inspection = inspect_request_again(&policy, body, false, Some(&mut recall));
    let edited = edit::apply(&request, &inspection.inspected.edits).ok()?;
    let response = [br#"{"choices":[{"message":{"content":"#, &*text, b"}}]}"].concat();
    let inspected = inspect_response(&inspection.watch, &response, true);
    let mut guard = StreamGuard::new(inspection.watch, Dialect::OpenAi, None);
    let mut out = Vec::new();
    let event = [br#"data: {"choices":[{"delta":{"content":"#, &*text, b"}}]}\n\n"].concat();
    guard.push(&event, &mut out);
    guard.finish(&mut out);
    let redacted = edited != request && !inspected.edits.is_empty() && out != event;
    redacted.then_some(crate::size::size(&edited).saturating_add(crate::size::size(&out)))
}
