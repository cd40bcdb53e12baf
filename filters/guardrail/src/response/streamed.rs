//! Responses that pass event by event.

use weir_detect::Direction;
use weir_guard::StreamGuard;
use weir_host::{Body, HeaderMap, Host, HostError, memory};
use weir_wire::same;

use super::{Form, Kind, Response, remove_sums};
use crate::request::Exchange;
use crate::shared::Shared;
use crate::timing::Stopwatch;

/// A stream, whose headers are here: of events, in lines, or in an array.
///
/// # Errors
/// What the host says to the removal of a header.
pub(crate) fn stream<H: Host>(
    host: &H,
    shared: &Shared,
    exchange: &Exchange,
    form: Form,
) -> Result<Response, HostError> {
    if form.has_length {
        host.remove_header(HeaderMap::Response, "content-length")?;
    }
    // The headers leave before it is known what is edited.
    if form.has_sums && exchange.policy.edits_responses {
        remove_sums(host)?;
    }
    let watch = exchange.watch.clone();
    let guard = StreamGuard::new(watch, exchange.dialect(), exchange.operation())
        .sharing(shared.shapes.clone());
    let guard = match form.kind {
        Ok(Kind::Json) => guard.in_array(),
        Ok(Kind::Lines) => guard.in_lines(),
        _ => guard,
    };
    let stopwatch = shared.metrics.stopwatch(Direction::Response);
    Ok(Response::Stream { guard: Box::new(guard), stopwatch })
}

/// A stream that holds more than this has to end where memory is used up, in bytes.
const MUCH_BYTES: usize = 16 * 1024;

/// Passes a chunk of a stream through its inspection.
///
/// # Errors
/// What the host says; the chunk may then not pass.
pub(crate) fn inspect_chunk<H: Host>(
    host: &H,
    guard: &mut StreamGuard,
    stopwatch: &mut Stopwatch,
    chunk: &[u8],
    end_of_stream: bool,
) -> Result<(), HostError> {
    let mut out = Vec::with_capacity(chunk.len());
    stopwatch.time(host, || {
        guard.push(chunk, &mut out);
        // A stream of tokens holds a few words; what holds much waits for the end of an event.
        if guard.held() > MUCH_BYTES && memory::is_used_up(host) {
            weir_request::note_ended(host);
            guard.shed(&mut out);
        }
        if end_of_stream {
            guard.finish(&mut out);
        }
    });
    if same(&out, chunk) {
        return Ok(());
    }
    if chunk.is_empty() {
        return host.append_body(Body::Response, &out);
    }
    host.replace_body_front(Body::Response, chunk.len(), &out)
}
