//! How a push ends.

use std::time::Duration;

use weir_snapshot::limits::MESSAGE_VERSION;
use weir_snapshot::{Held, Refusal, RefusalCode, Told};

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
    /// A newer push of this sidecar was faster, or the gateway does not tell what it holds.
    #[error("the gateway has a newer view ({message})")]
    OutOfOrder {
        /// What the gateway says, with both versions.
        message: String,
        /// What it holds.
        held: Option<Held>,
    },
    /// Another sidecar pushes the pool.
    #[error("standing by: another sidecar pushes the same pool ({message})")]
    Standby {
        /// What the gateway says, with both epochs.
        message: String,
    },
    /// The gateway reads another version.
    #[error("{message}: {}", advice(*.reads))]
    Version {
        /// What the gateway says.
        message: String,
        /// The version that it reads; gateways before version 2 do not tell.
        reads: Option<u32>,
    },
    /// The signature does not answer the gateway's challenge.
    #[error("the gateway asks for another challenge ({message})")]
    Challenge {
        /// What the gateway says.
        message: String,
        /// The one to sign with.
        challenge: Option<String>,
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
    Standby,
    Version,
    Challenge,
    Refused,
    BadReply,
}

impl Outcome {
    /// Every outcome, in the order of declaration.
    pub(crate) const ALL: [Self; 10] = [
        Self::Accepted,
        Self::Connect,
        Self::Timeout,
        Self::Broken,
        Self::OutOfOrder,
        Self::Standby,
        Self::Version,
        Self::Challenge,
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
            Self::Standby => "standby",
            Self::Version => "version",
            Self::Challenge => "challenge",
            Self::Refused => "refused",
            Self::BadReply => "bad_reply",
        }
    }
}

impl PushError {
    /// The refusal in a reply with another status than 200.
    pub(crate) fn of_refusal(status: u16, body: &[u8]) -> Self {
        let Some(Refusal { code, message, told }) = Refusal::parse(body) else {
            return Self::Refused { status, message: "no reason given".to_owned() };
        };
        let message = shown(&message);
        match (code, told) {
            (RefusalCode::OutOfOrder, Told::Held(held)) => {
                Self::OutOfOrder { message, held: Some(held) }
            }
            (RefusalCode::OutOfOrder, _) => Self::OutOfOrder { message, held: None },
            (RefusalCode::UnknownVersion, Told::Reads(version)) => {
                Self::Version { message, reads: Some(version) }
            }
            (RefusalCode::UnknownVersion, _) => Self::Version { message, reads: None },
            (RefusalCode::Challenge, Told::Challenge(challenge)) => {
                Self::Challenge { message, challenge: Some(challenge) }
            }
            (RefusalCode::Challenge, _) => Self::Challenge { message, challenge: None },
            _ => Self::Refused { status, message },
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
            Self::Standby { .. } => Outcome::Standby,
            Self::Version { .. } => Outcome::Version,
            Self::Challenge { .. } => Outcome::Challenge,
            Self::Refused { .. } => Outcome::Refused,
            Self::BadReply => Outcome::BadReply,
        }
    }
}

/// Which of the two to update.
fn advice(reads: Option<u32>) -> &'static str {
    match reads {
        Some(version) if version > MESSAGE_VERSION => "update this weir-sidecar",
        _ => "update Weir in the gateway, which is older than this weir-sidecar",
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
            (
                400,
                br#"{"error":{"code":"unknown_version","message":"version: 2 is unknown"}}"#,
                Outcome::Version,
                "version: 2 is unknown: update Weir in the gateway",
            ),
            (
                400,
                br#"{"error":{"code":"unknown_version","message":"version: 2","reads":3}}"#,
                Outcome::Version,
                "version: 2: update this weir-sidecar",
            ),
            (
                409,
                br#"{"error":{"code":"out_of_order","message":"m","held":{"epoch":1,"sequence":2,"sender":3}}}"#,
                Outcome::OutOfOrder,
                "newer view (m)",
            ),
            (
                401,
                br#"{"error":{"code":"challenge","message":"m","challenge":"0123"}}"#,
                Outcome::Challenge,
                "another challenge (m)",
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
