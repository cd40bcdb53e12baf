//! What clients are told of limits.

use weir_host::{HeaderMap, Host};
use weir_settings::token_limit::{PolicyLimit, TokenLimitPolicy};
use weir_tokens::headers::{self, Header, Named};
use weir_tokens::limits::{Limit, Measure, Wait};
use weir_wire::error::{ErrorKind, ErrorReply};
use weir_wire::path::Dialect;

/// `%RESPONSE_CODE_DETAILS%` of replies.
const DETAILS: &str = "weir_token_limit";

/// The same where the fleet cannot be asked whose limit it is.
const UNAVAILABLE: &str = "weir_token_limit_unavailable";

/// A refusal and its headers.
pub(crate) struct Refusal {
    pub(crate) error: ErrorReply,
    pub(crate) headers: Vec<Header>,
    details: &'static str,
}

impl Refusal {
    /// A refusal with its headers.
    pub(crate) fn new(error: ErrorReply, headers: Vec<Header>) -> Self {
        Self { error, headers, details: DETAILS }
    }

    /// A limit is reached, or nobody knows whether; `headers` say how the keys stand.
    pub(crate) fn limited(limit: &PolicyLimit, wait: Wait, mut headers: Vec<Header>) -> Self {
        let name = &limit.name;
        let allowed = allowed(&limit.limit);
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
            Wait::Unreachable(_) => {
                let message = format!(
                    "Whether the limit `{name}` is reached cannot be found out now; try again in {told}."
                );
                (ErrorKind::Unavailable, "limits_unavailable", message)
            }
            Wait::Never => {
                let message = format!(
                    "The request asks for more than the limit `{name}` of {allowed} ever allows at \
                     once; ask for fewer tokens."
                );
                (ErrorKind::RateLimit, "request_exceeds_limit", message)
            }
        };
        let (status, details) = match kind {
            ErrorKind::Unavailable => (503, UNAVAILABLE),
            _ => (429, DETAILS),
        };
        Self { error: ErrorReply::new(status, kind, code, message), headers, details }
    }

    /// The pool is saturated, and others are more urgent.
    pub(crate) fn shed() -> Self {
        Self::new(ErrorReply::overloaded(), headers::retry(Wait::Unsettled(1_000)))
    }

    /// A limit needs to know who asks.
    pub(crate) fn unidentified(limit: &PolicyLimit) -> Self {
        let name = &limit.name;
        let message =
            format!("The limit `{name}` needs to know who asks, and nothing here says so.");
        let error = ErrorReply::new(403, ErrorKind::Permission, "unidentified", message);
        Self::new(error, Vec::new())
    }

    /// Nobody could decide.
    pub(crate) fn unknown() -> Self {
        let message = "The limits cannot be read at the moment; try again.";
        let error = ErrorReply::new(503, ErrorKind::Unavailable, "limits_unavailable", message);
        Self::new(error, headers::retry(Wait::Unsettled(1_000)))
    }

    /// The gateway's configuration is at fault.
    pub(crate) fn misconfigured() -> Self {
        Self::new(ErrorReply::misconfigured(), Vec::new())
    }

    /// Answers the request.
    pub(crate) fn send<H: Host>(&self, host: &H, dialect: Dialect) {
        let json: (&str, &[u8]) = ("content-type", b"application/json");
        let own = self.headers.iter().map(|(name, value)| (*name, value.as_bytes()));
        let all: Vec<_> = std::iter::once(json).chain(own).collect();
        // Nothing better can be done when even the reply fails: Envoy resets the stream.
        let _ = host.reply(self.error.status, &all, &self.error.body(dialect), self.details);
    }
}

/// The headers that say how keys stand, as far as the policy wants them.
pub(crate) fn standing(all: &[Named<'_>], policy: &TokenLimitPolicy) -> Vec<Header> {
    let mut headers = if policy.open_ai_headers { headers::open_ai(all) } else { Vec::new() };
    if policy.ietf_headers {
        headers.extend(headers::ietf(all));
    }
    headers
}

/// Sets them on a response; a replica's own of that name are of no use to the client.
pub(crate) fn tell<H: Host>(host: &H, all: &[Named<'_>], policy: &TokenLimitPolicy) {
    for (name, value) in standing(all, policy) {
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
