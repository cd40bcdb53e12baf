//! An error that came in place of a stream's first token.

use crate::content::Value;

/// The status of a failure that tells none: 503, as of a server that could not serve for now.
const UNAVAILABLE: u16 = 503;

/// What types and codes of errors hold that are the request's fault, in lower case and without `_`: OpenAI's, Anthropic's,
/// Gemini's and vLLM's names.
const REQUESTS_FAULT: [&str; 13] = [
    "invalid",
    "badrequest",
    "notfound",
    "authentication",
    "unauthenticated",
    "permission",
    "toolarge",
    "contextlength",
    "unprocessable",
    "unsupported",
    "notimplemented",
    "policy",
    "contentfilter",
];

/// An error of the server in place of the first token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StreamFailure {
    /// The status that the server would have answered with: a 5xx.
    pub status: u16,
    /// Whether the server told of an error; false: the stream just ended.
    pub told: bool,
    /// The server's own error, a JSON document as it would have come without a stream; `None` where it has another form.
    pub document: Option<Vec<u8>>,
}

impl StreamFailure {
    /// A stream that ended before its first token and said nothing.
    pub(super) fn empty() -> Self {
        Self { told: false, ..Self::unknown() }
    }

    /// An error that tells nothing.
    pub(super) fn unknown() -> Self {
        Self { status: UNAVAILABLE, told: true, document: None }
    }

    /// The failure that `error` tells of, which is in the document `json`; `None` if it is the request's fault.
    /// `plain`: the document has the form of an answer that is no stream.
    pub(super) fn of(json: &[u8], error: Value<'_>, plain: bool) -> Option<Self> {
        let code = error
            .get("code")
            .and_then(Value::number)
            .or_else(|| error.get("status").and_then(Value::number));
        let status = match code {
            Some(429 | 408 | 409 | 425) => UNAVAILABLE,
            Some(400..=499) => return None,
            Some(code @ 500..=599) => u16::try_from(code).unwrap_or(UNAVAILABLE),
            _ if ["type", "code", "status"].iter().any(|name| is_requests_fault(error, name)) => {
                return None;
            }
            _ => UNAVAILABLE,
        };
        Some(Self { status, told: true, document: plain.then(|| json.to_vec()) })
    }
}

fn is_requests_fault(error: Value<'_>, name: &str) -> bool {
    let Some(text) = error.get(name).and_then(Value::text) else { return false };
    let plain: String =
        text.chars().filter(|c| *c != '_' && *c != ' ').map(|c| c.to_ascii_lowercase()).collect();
    REQUESTS_FAULT.iter().any(|part| plain.contains(part))
}
