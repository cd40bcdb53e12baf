//! Changing a held request body.

use weir_host::{Body, HeaderMap, Host, HostError};
use weir_wire::edit::{self, Edit};

/// Makes `edits` in the request body that is held, of which `body_len` bytes are there, and corrects
/// its `content-length` if it has one.
///
/// # Errors
/// Edits that do not fit the body, or what the host says.
pub fn edit_body<H: Host>(
    host: &H,
    has_length: bool,
    edits: &[Edit],
    body_len: usize,
) -> Result<(), HostError> {
    let Some(end) = edits.iter().map(|edit| edit.span.end).max() else { return Ok(()) };
    let front = host.body(Body::Request, 0, end)?;
    let edited = edit::apply(&front, edits).map_err(|_| HostError::BadArgument)?;
    let length = body_len.saturating_sub(front.len()).saturating_add(edited.len());
    // A stale length would truncate the body upstream; a chunked request has none to correct. It
    // comes first, because a body that does not fit its length is worse than one not edited.
    if has_length {
        host.set_header(HeaderMap::Request, "content-length", length.to_string().as_bytes())?;
    }
    host.replace_body_front(Body::Request, front.len(), &edited)
}
