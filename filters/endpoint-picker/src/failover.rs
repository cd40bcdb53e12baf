//! Which requests may be run again, and what their clients are told when no replica has served them.
//!
//! | a request | gets |
//! |---|---|
//! | whose work must not be done twice | no retry at all |
//! | for a stream of a chat, a completion, a message, a response or Gemini's `generateContent` | a time limit for each attempt, and the mark by which the filter `attempt` holds its answer until the first token |
//! | of any other kind | the route's retries as they are |

use weir_host::{HeaderMap, Host, HostError, upstream};
use weir_request::{NO_REPLICA_ANSWERED, respond};
use weir_settings::endpoint_picker::Failover;
use weir_wire::error::ErrorReply;
use weir_wire::facts::Facts;
use weir_wire::path::{Dialect, Operation};

/// How many retries Envoy's router may make, in place of what the route says; it removes the header.
const MAX_RETRIES: &str = "x-envoy-max-retries";
/// How long the router waits for the answer of one attempt, in ms, in place of what the route says; it removes the header.
const ATTEMPT_MS: &str = "x-envoy-upstream-rq-per-try-timeout-ms";

/// What Envoy says of a response that came from a replica (`%RESPONSE_CODE_DETAILS%`).
const FROM_REPLICA: &[u8] = b"via_upstream";

/// The first Envoy 1.x that retries a response whose beginning was held. Where 1.36.4 is to do that, it sends a body without
/// headers, and under load it ends with a segmentation fault.
const FIRST_MINOR: u64 = 37;

/// The minor version of an Envoy 1.x that is too old for failover.
pub(crate) fn too_old<H: Host>(host: &H) -> Option<u64> {
    let number = |which| {
        let path = ["xds", "node", "user_agent_build_version", "version", which];
        let bytes = host.property(&path).ok().flatten()?;
        Some(u64::from_le_bytes(*bytes.first_chunk()?))
    };
    let minor = number("minor_number")?;
    (number("major_number")? == 1 && minor < FIRST_MINOR).then_some(minor)
}

/// Tells Envoy how often, and with which patience, it may try a request.
///
/// # Errors
/// A header could not be set: the request must not go on, or it might be run twice.
pub(crate) fn announce<H: Host>(
    host: &H,
    failover: Failover,
    facts: &Facts,
) -> Result<(), HostError> {
    if facts.runs_once {
        return host.set_header(HeaderMap::Request, MAX_RETRIES, b"0");
    }
    if !facts.stream || !generates(facts.operation) {
        return Ok(());
    }
    let limit = failover.first_token_ms.to_string();
    host.set_header(HeaderMap::Request, ATTEMPT_MS, limit.as_bytes())?;
    weir_attempt::mark(host, facts.dialect)
}

/// Whether that answers with tokens, and does nothing else.
fn generates(operation: Operation) -> bool {
    matches!(
        operation,
        Operation::ChatCompletions
            | Operation::Completions
            | Operation::Messages
            | Operation::Responses
            | Operation::GenerateContent
    )
}

/// Answers in the request's dialect where Envoy answers itself, because no replica has; whether it did. Call it when
/// response headers have come.
pub(crate) fn answer_for_envoy<H: Host>(host: &H, dialect: Dialect) -> bool {
    let details = upstream::code_details(host);
    if details.is_empty() || details == FROM_REPLICA {
        return false;
    }
    let Some(error) = told_by_envoy(host) else { return false };
    respond(host, dialect, &error, NO_REPLICA_ANSWERED);
    true
}

/// What an answer of Envoy's own stands for; `None` if it is not that no replica has answered.
#[cold]
fn told_by_envoy<H: Host>(host: &H) -> Option<ErrorReply> {
    let status = host.header(HeaderMap::Response, ":status").ok().flatten()?;
    match status.as_slice() {
        b"504" | b"408" => Some(ErrorReply::first_token_timeout()),
        b"500" | b"502" | b"503" => Some(ErrorReply::no_endpoint()),
        _ => None,
    }
}

#[cfg(test)]
mod tests;
