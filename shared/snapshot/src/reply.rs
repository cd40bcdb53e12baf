//! What the intake filter answers.

use serde::{Deserialize, Serialize};

use crate::encode::EncodeError;
use crate::error::ReadError;
use crate::keys::PoolsFull;
use crate::message::SnapshotMessage;
use crate::signature::SignatureError;
use crate::version::VersionStamp;

/// Reply (200) to a push that was taken over. Unknown fields are ignored, so that an older sidecar
/// can read it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Accepted {
    /// Always true.
    pub accepted: bool,
    /// Pool of the push.
    pub pool: String,
    /// Sequence of the push.
    pub sequence: u64,
    /// What this Envoy has sent to each endpoint.
    pub endpoints: Vec<EndpointFeedback>,
}

/// What one Envoy has sent to one endpoint.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EndpointFeedback {
    /// `ip:port` in canonical spelling.
    pub address: String,
    /// Requests whose response has not ended.
    pub in_flight: u32,
    /// Requests sent since the snapshot before.
    pub dispatched: u32,
}

impl Accepted {
    /// The reply to `message`.
    #[must_use]
    pub fn new(message: &SnapshotMessage, endpoints: Vec<EndpointFeedback>) -> Self {
        let (pool, sequence) = (message.pool.clone(), message.sequence);
        Self { accepted: true, pool, sequence, endpoints }
    }

    /// The reply as JSON.
    #[must_use]
    pub fn to_json(&self) -> Vec<u8> {
        // Only strings and integers inside: serialising cannot fail.
        serde_json::to_vec(self).unwrap_or_default()
    }

    /// Reads a reply.
    ///
    /// # Errors
    /// [`ReadError::Malformed`] when the body is no such JSON.
    pub fn parse(body: &[u8]) -> Result<Self, ReadError> {
        serde_json::from_slice(body).map_err(crate::validate::malformed)
    }
}

/// Why a push was refused, as a word that programs can compare.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RefusalCode {
    /// No JSON of a message.
    Malformed,
    /// A value outside its limits.
    Invalid,
    /// A message version that this build does not read.
    UnknownVersion,
    /// A key is configured and the signature is missing.
    Unsigned,
    /// The signature does not fit.
    BadSignature,
    /// Not newer than the stored view.
    OutOfOrder,
    /// Body over the limit.
    TooLarge,
    /// Path or pool that does not exist.
    NotFound,
    /// Another method than GET and POST.
    MethodNotAllowed,
    /// The view could not be stored.
    Unavailable,
}

impl RefusalCode {
    /// The HTTP status of this refusal.
    #[must_use]
    pub const fn status(self) -> u16 {
        match self {
            Self::Malformed | Self::Invalid | Self::UnknownVersion => 400,
            Self::Unsigned | Self::BadSignature => 401,
            Self::NotFound => 404,
            Self::MethodNotAllowed => 405,
            Self::OutOfOrder => 409,
            Self::TooLarge => 413,
            Self::Unavailable => 503,
        }
    }
}

/// Body of a refusal: `{"error":{"code":"out_of_order","message":"…"}}`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "Envelope", into = "Envelope")]
pub struct Refusal {
    /// The reason as a word.
    pub code: RefusalCode,
    /// The reason for people: field, value, limit.
    pub message: String,
}

#[derive(Clone, Serialize, Deserialize)]
struct Envelope {
    error: Body,
}

#[derive(Clone, Serialize, Deserialize)]
struct Body {
    code: RefusalCode,
    message: String,
}

impl From<Envelope> for Refusal {
    fn from(Envelope { error: Body { code, message } }: Envelope) -> Self {
        Self { code, message }
    }
}

impl From<Refusal> for Envelope {
    fn from(Refusal { code, message }: Refusal) -> Self {
        Self { error: Body { code, message } }
    }
}

impl Refusal {
    /// A refusal with this reason.
    #[must_use]
    pub fn new(code: RefusalCode, message: impl Into<String>) -> Self {
        Self { code, message: message.into() }
    }

    /// The refusal of a push whose `(epoch, sequence)` is not greater than that of `stored`.
    #[must_use]
    pub fn out_of_order(message: &SnapshotMessage, stored: &VersionStamp) -> Self {
        let pushed = (message.epoch, message.sequence);
        let held = (stored.epoch, stored.sequence);
        let text =
            format!("(epoch, sequence): {pushed:?}, must be greater than the stored {held:?}");
        Self::new(RefusalCode::OutOfOrder, text)
    }

    /// The HTTP status of this refusal.
    #[must_use]
    pub const fn status(&self) -> u16 {
        self.code.status()
    }

    /// The refusal as JSON.
    #[must_use]
    pub fn to_json(&self) -> Vec<u8> {
        // Only strings inside: serialising cannot fail.
        serde_json::to_vec(self).unwrap_or_default()
    }

    /// Reads a refusal; `None` when the body is none.
    #[must_use]
    pub fn parse(body: &[u8]) -> Option<Self> {
        serde_json::from_slice(body).ok()
    }
}

impl From<&ReadError> for Refusal {
    fn from(error: &ReadError) -> Self {
        let code = match error {
            ReadError::TooLarge { .. } => RefusalCode::TooLarge,
            ReadError::Malformed { .. } => RefusalCode::Malformed,
            ReadError::UnknownVersion { .. } => RefusalCode::UnknownVersion,
            ReadError::Invalid(_) => RefusalCode::Invalid,
        };
        Self::new(code, error.to_string())
    }
}

impl From<SignatureError> for Refusal {
    fn from(error: SignatureError) -> Self {
        let code = match error {
            SignatureError::Missing => RefusalCode::Unsigned,
            SignatureError::Malformed | SignatureError::Mismatch => RefusalCode::BadSignature,
        };
        Self::new(code, error.to_string())
    }
}

impl From<PoolsFull> for Refusal {
    fn from(error: PoolsFull) -> Self {
        Self::new(RefusalCode::Invalid, error.to_string())
    }
}

impl From<EncodeError> for Refusal {
    fn from(error: EncodeError) -> Self {
        Self::new(RefusalCode::Invalid, error.to_string())
    }
}
