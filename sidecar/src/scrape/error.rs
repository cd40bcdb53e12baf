//! How a poll ends.

use std::time::Duration;

use super::metrics::Flaw;
use super::page::PageError;
use crate::client::{ClientError, TokenError};

/// Why a poll says nothing about the load.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PollError {
    /// Connecting or the exchange failed.
    #[error(transparent)]
    Client(#[from] ClientError),
    /// No complete answer in time.
    #[error("no answer within {0:?}")]
    Timeout(Duration),
    /// Another status than 200.
    #[error("status {0}")]
    Status(u16),
    /// No token to ask with.
    #[error(transparent)]
    Token(#[from] TokenError),
    /// A page that cannot be asked for.
    #[error("{0}")]
    Url(String),
    /// A page that cannot be used.
    #[error(transparent)]
    Page(#[from] PageError),
    /// No page but NVML, which says nothing.
    #[error("{0}")]
    Nvml(String),
}

/// What a failed poll says about the replica.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Severity {
    /// Nobody answers there: no reason to wait for a second failure.
    Gone,
    /// May be overloaded; gone if it stays so.
    Failing,
    /// It answers, but not with metrics.
    Blind,
}

/// Ends of polls as counted in `/metrics`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    Ok,
    /// Used, less a value that made no sense.
    Flawed,
    Connect,
    Timeout,
    Broken,
    Status,
    TooLarge,
    Nonsense,
}

impl Outcome {
    /// Every outcome, in the order of declaration.
    pub(crate) const ALL: [Self; 8] = [
        Self::Ok,
        Self::Flawed,
        Self::Connect,
        Self::Timeout,
        Self::Broken,
        Self::Status,
        Self::TooLarge,
        Self::Nonsense,
    ];

    /// The outcome of a page that could be used.
    pub(crate) const fn of_page(flaw: Option<&Flaw>) -> Self {
        if flaw.is_some() { Self::Flawed } else { Self::Ok }
    }

    /// The value of the metric's label.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Flawed => "flawed",
            Self::Connect => "connect",
            Self::Timeout => "timeout",
            Self::Broken => "broken",
            Self::Status => "status",
            Self::TooLarge => "too_large",
            Self::Nonsense => "nonsense",
        }
    }
}

impl PollError {
    /// The outcome that this error counts as.
    pub(crate) const fn outcome(&self) -> Outcome {
        match self {
            Self::Client(ClientError::Connect(_)) => Outcome::Connect,
            Self::Client(ClientError::Broken(_)) => Outcome::Broken,
            Self::Client(ClientError::TooLarge { .. }) => Outcome::TooLarge,
            Self::Timeout(_) => Outcome::Timeout,
            Self::Status(_) => Outcome::Status,
            Self::Page(_) => Outcome::Nonsense,
            Self::Nvml(_) | Self::Token(_) | Self::Url(_) => Outcome::Connect,
        }
    }

    /// What this error says about the replica.
    pub(crate) const fn severity(&self) -> Severity {
        match self {
            Self::Client(ClientError::Connect(_)) => Severity::Gone,
            Self::Client(ClientError::Broken(_)) | Self::Timeout(_) | Self::Status(500..) => {
                Severity::Failing
            }
            Self::Client(ClientError::TooLarge { .. })
            | Self::Status(_)
            | Self::Page(_)
            | Self::Token(_)
            | Self::Url(_)
            | Self::Nvml(_) => Severity::Blind,
        }
    }
}
