//! Replies in the request's own dialect.

use weir_host::Host;
use weir_host::hold::HoldProbe;
use weir_wire::error::ErrorReply;
use weir_wire::path::Dialect;

/// `%RESPONSE_CODE_DETAILS%` of the answer that the picker gives where Envoy gave up, because no replica has answered: of
/// Weir's own answers the one that is the replicas' doing.
pub const NO_REPLICA_ANSWERED: &str = "weir_no_replica_answered";

/// Answers the request with an error; `details` becomes `%RESPONSE_CODE_DETAILS%`.
pub fn respond<H: Host>(host: &H, dialect: Dialect, error: &ErrorReply, details: &str) {
    respond_with(host, dialect, error, &[], details);
}

/// The same with further headers.
pub fn respond_with<H: Host>(
    host: &H,
    dialect: Dialect,
    error: &ErrorReply,
    headers: &[(&str, String)],
    details: &str,
) {
    let json: (&str, &[u8]) = ("content-type", b"application/json");
    // As soon as other streams have ended.
    let full = (error.code == "gateway_full").then_some(("retry-after", b"1".as_slice()));
    let further = headers.iter().map(|(name, value)| (*name, value.as_bytes()));
    let all: Vec<_> = std::iter::once(json).chain(full).chain(further).collect();
    // Nothing better can be done when even the reply fails: Envoy resets the stream.
    let _ = host.reply(error.status, &all, &error.body(dialect), details);
}

/// Answers the streams that will never get a body callback, from `on_tick`; returns how many.
///
/// Which API they spoke is known to the streams only, so the dialect is the caller's guess.
pub fn answer_stuck<H: Host>(host: &H, probe: &HoldProbe, dialect: Dialect) -> usize {
    let misconfigured = ErrorReply::misconfigured();
    let answered = probe
        .answer_stuck(host, |host| respond(host, dialect, &misconfigured, "weir_misconfigured"));
    if answered > 0 {
        probe.tell(host, MISSING_OPTION);
    }
    answered
}

const MISSING_OPTION: &str = "the plugin lacks `allow_on_headers_stop_iteration: true` (Envoy \
    1.35 or newer), so Envoy never shows it a request body; requests get a 500 until it is set";
