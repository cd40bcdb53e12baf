//! The beginning of a stream, held until its first token.
//!
//! While the headers are held Envoy's time limit of an attempt goes on, and a reset is one before the response: both are
//! retried, and nothing of the attempt has gone out. An error in place of the first token becomes the answer that
//! the replica would have given without a stream: its status, which Envoy retries, and its document.

use weir_host::{Body, HeaderMap, Host, HostError};
use weir_wire::error::ErrorReply;
use weir_wire::path::Dialect;
use weir_wire::response::{FirstToken, MOST_BEFORE_FIRST_TOKEN, StreamFailure, first_token};

/// Most bytes that are read while one stream is held: what has come is read anew with each piece, and a replica chooses how small
/// pieces are. Keep-alive comments of an hour come to a hundredth of it.
const MOST_READ: usize = 16 * MOST_BEFORE_FIRST_TOKEN;

/// What has come of a stream whose headers are held.
pub(crate) enum Beginning {
    /// Not yet its first token.
    Waiting,
    /// Its first token, or what else is for the client.
    Begun,
    /// Too much, or in too many pieces, to look for its first token.
    TooLong,
    /// There will be none.
    Failed(StreamFailure),
}

/// Looks at what is held of a stream, `size` bytes; `ended`: no more of it comes. `read` is what has been read of it by all looks.
pub(crate) fn look<H: Host>(host: &H, size: usize, ended: bool, read: &mut usize) -> Beginning {
    let most = MOST_BEFORE_FIRST_TOKEN.saturating_add(1);
    *read = read.saturating_add(size.min(most));
    if *read > MOST_READ {
        return Beginning::TooLong;
    }
    // What cannot be read is the client's.
    let Ok(bytes) = host.body(Body::Response, 0, size.min(most)) else { return Beginning::Begun };
    match first_token(&bytes, ended) {
        FirstToken::Waiting => Beginning::Waiting,
        FirstToken::Begun => Beginning::Begun,
        FirstToken::TooLong => Beginning::TooLong,
        FirstToken::Failed(failure) => Beginning::Failed(failure),
    }
}

/// Turns a stream that is held into an answer with the failure's status, and what is held of its body into an error.
///
/// # Errors
/// The status could not be written; nothing has been changed then.
pub(crate) fn replace<H: Host>(
    host: &H,
    dialect: Dialect,
    failure: &StreamFailure,
) -> Result<(), HostError> {
    let own = || ErrorReply::no_first_token(failure.status).body(dialect);
    let body = failure.document.clone().unwrap_or_else(own);
    host.set_header(HeaderMap::Response, ":status", failure.status.to_string().as_bytes())?;
    // A failure with less of this is a failure still: where only trailers are left to come, there is no body to write to.
    let _ = host.set_header(HeaderMap::Response, "content-type", b"application/json");
    let _ = host.remove_header(HeaderMap::Response, "content-length");
    let _ = host.replace_body_front(Body::Response, usize::MAX, &body);
    Ok(())
}

/// Drops what still comes of a stream that was replaced.
pub(crate) fn swallow<H: Host>(host: &H) {
    // If it cannot be dropped, the client sees more than the error.
    let _ = host.replace_body_front(Body::Response, usize::MAX, b"");
}
