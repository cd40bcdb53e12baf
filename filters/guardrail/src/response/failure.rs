//! An upstream's own error, or a redirect: the status stays whatever the body is, because clients decide by
//! it whether to try again, and so do the other headers (`retry-after`).

use weir_detect::Direction;
use weir_guard::{BodyInspection, Report, Trouble, inspect_error};
use weir_host::{HeaderMap, Host, HostError};
use weir_wire::error::ErrorReply;

use super::{Form, write, write_edited};
use crate::request::Exchange;
use crate::shared::Shared;

/// Inspects the body, which is held, and edits it. One that cannot be inspected, or in which a rule blocks,
/// is replaced by an error body of the client's dialect that says nothing but the status; true then.
///
/// # Errors
/// What the host says to the edits.
pub(crate) fn inspect_failure<H: Host>(
    host: &H,
    shared: &Shared,
    exchange: &Exchange,
    (form, body): (Form, &[u8]),
    found: &mut Report,
) -> Result<bool, HostError> {
    if body.is_empty() {
        return Ok(false);
    }
    let too_large = exchange.is_too_large(body.len() as u64).then_some(Trouble::TooLarge);
    let compressed = form.kind.err().filter(|trouble| *trouble == Trouble::Compressed);
    if let Some(trouble) = too_large.or(compressed) {
        let refused = found.trouble(trouble, &exchange.policy.policy);
        if refused {
            withhold(host, exchange, form, found)?;
        }
        return Ok(refused);
    }
    let mut stopwatch = shared.metrics.stopwatch(Direction::Response);
    let BodyInspection { edits, report, refusal } =
        stopwatch.time(host, || inspect_error(&exchange.watch, body));
    shared.metrics.scanned(host, Direction::Response, &stopwatch);
    *found = report;
    if refusal.is_some() {
        withhold(host, exchange, form, found)?;
        return Ok(true);
    }
    write_edited(host, form, body, &edits)?;
    Ok(false)
}

/// Replaces the body, and what the headers say of it.
fn withhold<H: Host>(
    host: &H,
    exchange: &Exchange,
    form: Form,
    found: &Report,
) -> Result<(), HostError> {
    let error = ErrorReply::upstream(form.status, &found.blocking());
    host.remove_header(HeaderMap::Response, "content-encoding")?;
    host.set_header(HeaderMap::Response, "content-type", b"application/json")?;
    write(host, form, &error.body(exchange.dialect()))
}
