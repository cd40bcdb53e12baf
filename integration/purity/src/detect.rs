//! A text inspected whole, and in pieces as a stream would bring it.

use weir_detect::{Direction, Policy, Pseudonyms, apply};

pub(crate) fn probe(input: &[u8]) -> Option<u64> {
    let text = std::str::from_utf8(input).ok()?;
    let text = format!("Write to ann@example.com: {text}");
    let policy = Policy::default();
    let inspection = policy.inspect(&text, Direction::Request, &mut Pseudonyms::default());
    let redacted = apply(&text, &inspection.edits);
    (redacted != text).then_some(crate::size::size(redacted.as_bytes()))
}
