//! How a push ends.

use std::time::Duration;

use weir_snapshot::{Refusal, RefusalCode};

use crate::client::ClientError;

/// Longest part of a refusal's message that is repeated, in characters.
const SHOWN_CHARS: usize = 300;

/// Why a push was not taken over.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PushError {
    /// Connecting or the exchange failed.
    #[error(transparent)]
    Client(#[from] ClientError),
    /// The HTTP library refuses the gateway's name.
    #[error("cannot be sent: {0}")]
    Request(#[from] hyper::http::Error),
    /// No complete answer in time.
    #[error("no answer within {0:?}")]
    Timeout(Duration),
    /// The gateway has a newer view of the pool.
    #[error(
        "the gateway has a newer view: another sidecar pushes the same pool, or this machine's \
         clock went back before a restart ({message})"
    )]
    OutOfOrder {
        /// What the gateway says, with both versions.
        message: String,
    },
    /// The gateway refused it for another reason.
    #[error("refused with status {status}: {message}")]
    Refused {
        /// HTTP status.
        status: u16,
        /// What the gateway says.
        message: String,
    },
    /// Status 200, but not the reply of an intake filter.
    #[error("the reply is not that of an intake filter")]
    BadReply,
}

/// Ends of pushes as counted in `/metrics`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    Accepted,
    Connect,
    Timeout,
    Broken,
    OutOfOrder,
    Refused,
    BadReply,
}

impl Outcome {
    /// Every outcome, in the order of declaration.
    pub(crate) const ALL: [Self; 7] = [
        Self::Accepted,
        Self::Connect,
        Self::Timeout,
        Self::Broken,
        Self::OutOfOrder,
        Self::Refused,
        Self::BadReply,
    ];

    /// The value of the metric's label.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Accepted => "accepted",
            Self::Connect => "connect",
            Self::Timeout => "timeout",
            Self::Broken => "broken",
            Self::OutOfOrder => "out_of_order",
            Self::Refused => "refused",
            Self::BadReply => "bad_reply",
        }
    }
}

impl PushError {
    /// The refusal in a reply with another status than 200.
    pub(crate) fn of_refusal(status: u16, body: &[u8]) -> Self {
        match Refusal::parse(body) {
            Some(Refusal { code: RefusalCode::OutOfOrder, message }) => {
                Self::OutOfOrder { message: shown(&message) }
            }
            Some(Refusal { message, .. }) => Self::Refused { status, message: shown(&message) },
            None => Self::Refused { status, message: "no reason given".to_owned() },
        }
    }

    /// The outcome that this error counts as.
    pub(crate) const fn outcome(&self) -> Outcome {
        match self {
            Self::Client(ClientError::Connect(_)) => Outcome::Connect,
            Self::Client(ClientError::Broken(_) | ClientError::TooLarge { .. })
            | Self::Request(_) => Outcome::Broken,
            Self::Timeout(_) => Outcome::Timeout,
            Self::OutOfOrder { .. } => Outcome::OutOfOrder,
            Self::Refused { .. } => Outcome::Refused,
            Self::BadReply => Outcome::BadReply,
        }
    }
}

/// A message from outside as it may stand in a log line.
fn shown(message: &str) -> String {
    message.chars().filter(|letter| !letter.is_control()).take(SHOWN_CHARS).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_says_what_the_gateway_says() {
        let cases = [
            (
                409,
                &br#"{"error":{"code":"out_of_order","message":"stored (9, 1)"}}"#[..],
                Outcome::OutOfOrder,
                "(stored (9, 1))",
            ),
            (
                401,
                br#"{"error":{"code":"unsigned","message":"x-weir-signature:\nmissing"}}"#,
                Outcome::Refused,
                "status 401: x-weir-signature:missing",
            ),
            (404, b"<html>", Outcome::Refused, "status 404: no reason given"),
            (409, b"\xff", Outcome::Refused, "status 409"),
        ];
        for (status, body, outcome, expected) in cases {
            let error = PushError::of_refusal(status, body);
            assert_eq!(error.outcome(), outcome);
            assert!(error.to_string().contains(expected), "{error}");
        }
    }
}
