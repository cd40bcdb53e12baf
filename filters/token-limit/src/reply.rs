//! What clients are told of limits.

use weir_host::{HeaderMap, Host};
use weir_settings::token_limit::PolicyLimit;
use weir_tokens::headers::{self, Header, Named};
use weir_tokens::limits::{Limit, Measure, Wait};
use weir_wire::error::{ErrorKind, ErrorReply};
use weir_wire::path::Dialect;

/// `%RESPONSE_CODE_DETAILS%` of all replies.
const DETAILS: &str = "weir_token_limit";

/// A refusal and its headers.
pub(crate) struct Refusal {
    pub(crate) error: ErrorReply,
    pub(crate) headers: Vec<Header>,
}

impl Refusal {
    /// A limit is reached.
    pub(crate) fn limited(limit: &PolicyLimit, wait: Wait, all: &[Named<'_>]) -> Self {
        let name = &limit.name;
        let allowed = allowed(&limit.limit);
        let mut headers = standing(all);
        headers.extend(headers::retry(wait));
        let told = headers::duration(wait.ms().unwrap_or_default());
        let (kind, code, message) = match wait {
            Wait::Ms(_) | Wait::Unsettled(_) => {
                let message =
                    format!("The limit `{name}` of {allowed} is reached; try again in {told}.");
                (ErrorKind::RateLimit, "rate_limit_exceeded", message)
            }
            Wait::Afresh(_) => {
                let message = format!(
                    "You exceeded your current quota: the limit `{name}` of {allowed} is spent; it starts \
                     afresh in {told}."
                );
                (ErrorKind::Quota, "insufficient_quota", message)
            }
            Wait::Never => {
                let message = format!(
                    "The request asks for more than the limit `{name}` of {allowed} ever allows at \
                     once; ask for fewer tokens."
                );
                (ErrorKind::RateLimit, "request_exceeds_limit", message)
            }
        };
        Self { error: ErrorReply::new(429, kind, code, message), headers }
    }

    /// The pool is saturated, and others are more urgent.
    pub(crate) fn shed() -> Self {
        Self { error: ErrorReply::overloaded(), headers: headers::retry(Wait::Unsettled(1_000)) }
    }

    /// A limit needs to know who asks.
    pub(crate) fn unidentified(limit: &PolicyLimit) -> Self {
        let name = &limit.name;
        let message =
            format!("The limit `{name}` needs to know who asks, and nothing here says so.");
        let error = ErrorReply::new(403, ErrorKind::Permission, "unidentified", message);
        Self { error, headers: Vec::new() }
    }

    /// Nobody could decide.
    pub(crate) fn unknown() -> Self {
        let message = "The limits cannot be read at the moment; try again.";
        let error = ErrorReply::new(503, ErrorKind::Unavailable, "limits_unavailable", message);
        Self { error, headers: headers::retry(Wait::Unsettled(1_000)) }
    }

    /// The gateway's configuration is at fault.
    pub(crate) fn misconfigured() -> Self {
        Self { error: ErrorReply::misconfigured(), headers: Vec::new() }
    }

    /// Answers the request.
    pub(crate) fn send<H: Host>(&self, host: &H, dialect: Dialect) {
        let json: (&str, &[u8]) = ("content-type", b"application/json");
        let own = self.headers.iter().map(|(name, value)| (*name, value.as_bytes()));
        let all: Vec<_> = std::iter::once(json).chain(own).collect();
        // Nothing better can be done when even the reply fails: Envoy resets the stream.
        let _ = host.reply(self.error.status, &all, &self.error.body(dialect), DETAILS);
    }
}

/// The headers that say how keys stand.
pub(crate) fn standing(all: &[Named<'_>]) -> Vec<Header> {
    let mut headers = headers::open_ai(all);
    headers.extend(headers::ietf(all));
    headers
}

/// Sets them on a response; a replica's own of that name are of no use to the client.
pub(crate) fn tell<H: Host>(host: &H, all: &[Named<'_>]) {
    for (name, value) in standing(all) {
        // A response does not fail for it.
        let _ = host.set_header(HeaderMap::Response, name, value.as_bytes());
    }
}

/// A limit in words: `1000 tokens in 1m0s`.
fn allowed(limit: &Limit) -> String {
    let amount = limit.amount() / limit.measure().units().max(1);
    let window = match limit.calendar() {
        Some(calendar) => format!("a {}", calendar.period().name()),
        None => format!("in {}", headers::duration(limit.window_ms())),
    };
    match limit.measure() {
        Measure::Tokens => format!("{amount} tokens {window}"),
        Measure::Requests => format!("{amount} requests {window}"),
        Measure::Concurrent => format!("{} requests at a time", limit.capacity()),
        Measure::Cost => format!("what may be spent {window}"),
    }
}
