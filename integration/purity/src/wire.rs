//! A request body read, its facts encoded, an edit and a refusal; a response's usage and events.

use weir_wire::edit;
use weir_wire::error::ErrorReply;
use weir_wire::facts::{Destination, Facts};
use weir_wire::path;
use weir_wire::request::{RequestScanner, ScanLimits};
use weir_wire::response::ResponseReader;
use weir_wire::sse::SseParser;

const TO: Destination<'static> =
    Destination { model: "llama", upstream_model: "llama-8b", pool: "llama", adapter: None };

const RESPONSE: &[u8] = b"data: {\"usage\":{\"prompt_tokens\":3,\"completion_tokens\":4}}\n\n";

pub(crate) fn probe(input: &[u8]) -> Option<u64> {
    let text = edit::json_string(std::str::from_utf8(input).ok()?);
    let body = [br#"{"model":"llama","messages":[{"role":"user","content":"#, &*text, b"}]}"];
    let body = body.concat();
    let endpoint = path::classify(b"POST", b"/v1/chat/completions")?;
    let mut scanner = RequestScanner::new(endpoint.operation, ScanLimits::default());
    scanner.feed(&body).ok()?;
    let request = scanner.finish().ok()?;
    let facts = Facts::new(&endpoint, &request, TO).encode();
    let facts = Facts::decode(&facts).ok()?;
    let edited = edit::apply(&body, &[edit::replace_model(&request, TO.upstream_model)?]).ok()?;
    let refusal = ErrorReply::model_not_found(TO.model).body(endpoint.dialect);
    respond()?;
    Some(
        facts
            .prompt_bytes
            .saturating_add(crate::size::size(&edited))
            .max(crate::size::size(&refusal)),
    )
}

fn respond() -> Option<()> {
    let mut reader = ResponseReader::new();
    reader.feed(RESPONSE);
    reader.usage()?;
    let mut events = 0_usize;
    SseParser::new(RESPONSE.len()).feed(RESPONSE, |_| events = events.saturating_add(1)).ok()?;
    (events == 1).then_some(())
}
