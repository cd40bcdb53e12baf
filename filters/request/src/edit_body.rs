//! Changing a held request body.

use weir_host::{Body, HeaderMap, Host, HostError};
use weir_wire::edit::{self, Edit};

use crate::RequestHead;

/// Headers with a sum over the body as the client sent it (RFC 9530, RFC 3230, RFC 1864): a server that
/// checks it would refuse an edited body.
pub const SUMS: [&str; 4] = ["content-digest", "repr-digest", "digest", "content-md5"];

/// Makes `edits` in the request body that is held, of which `body_len` bytes are there, corrects its
/// `content-length` and removes sums over the body, if the request came with them.
///
/// # Errors
/// Edits that do not fit the body, or what the host says.
pub fn edit_body<H: Host>(
    host: &H,
    head: &RequestHead,
    edits: &[Edit],
    body_len: usize,
) -> Result<(), HostError> {
    let Some(end) = edits.iter().map(|edit| edit.span.end).max() else { return Ok(()) };
    let front = host.body(Body::Request, 0, end)?;
    let edited = edit::apply(&front, edits).map_err(|_| HostError::BadArgument)?;
    let length = body_len.saturating_sub(front.len()).saturating_add(edited.len());
    // A stale length would truncate the body upstream; a chunked request has none to correct. It
    // comes first, because a body that does not fit its length is worse than one not edited.
    if head.header("content-length").is_some() {
        host.set_header(HeaderMap::Request, "content-length", length.to_string().as_bytes())?;
    }
    for name in SUMS.into_iter().filter(|name| head.header(name).is_some()) {
        host.remove_header(HeaderMap::Request, name)?;
    }
    host.replace_body_front(Body::Request, front.len(), &edited)
}
