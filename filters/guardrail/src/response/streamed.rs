//! Responses that pass event by event.

use weir_guard::StreamGuard;
use weir_host::{Body, Host, HostError, memory};
use weir_wire::same;

use crate::timing::Stopwatch;

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
