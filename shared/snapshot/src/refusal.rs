//! What the intake filter answers to what it does not take.

use serde::{Deserialize, Serialize};

use crate::directory::PoolsFull;
use crate::encode::EncodeError;
use crate::error::ReadError;
use crate::limits::MESSAGE_VERSION;
use crate::message::SnapshotMessage;
use crate::signature::{CHALLENGE_HEADER, SignatureError, is_challenge};
use crate::version::VersionStamp;

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
    /// The signature does not answer the gateway's challenge, which the refusal names.
    Challenge,
    /// The time of a look is too far from the gateway's.
    Expired,
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
            Self::Unsigned | Self::BadSignature | Self::Challenge | Self::Expired => 401,
            Self::NotFound => 404,
            Self::MethodNotAllowed => 405,
            Self::OutOfOrder => 409,
            Self::TooLarge => 413,
            Self::Unavailable => 503,
        }
    }
}

/// Body of a refusal: `{"error":{"code":"out_of_order","message":"…","held":{…}}}`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// The reason as a word.
    pub code: RefusalCode,
    /// The reason for people: field, value, limit.
    pub message: String,
    /// What a program may want to know besides.
    pub told: Told,
}

/// What a refusal tells besides its reason.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Told {
    /// Nothing.
    #[default]
    Nothing,
    /// The view that the gateway keeps instead.
    Held(Held),
    /// What pushes have to be signed with.
    Challenge(String),
    /// The message version that the gateway reads.
    Reads(u32),
}

/// Identity of a view that a gateway keeps.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Held {
    /// Its epoch.
    pub epoch: u64,
    /// Its number in that epoch.
    pub sequence: u64,
    /// Which sidecar pushed it.
    pub sender: u64,
}

impl From<&VersionStamp> for Held {
    fn from(stamp: &VersionStamp) -> Self {
        Self { epoch: stamp.epoch, sequence: stamp.sequence, sender: stamp.sender }
    }
}

#[derive(Serialize, Deserialize)]
struct Envelope {
    error: Body,
}

#[derive(Serialize, Deserialize)]
struct Body {
    code: RefusalCode,
    message: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    held: Option<Held>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    challenge: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    reads: Option<u32>,
}

impl From<Body> for Refusal {
    fn from(Body { code, message, held, challenge, reads }: Body) -> Self {
        let challenge = challenge.filter(|challenge| is_challenge(challenge));
        let told = held
            .map(Told::Held)
            .or(challenge.map(Told::Challenge))
            .or(reads.map(Told::Reads))
            .unwrap_or_default();
        Self { code, message, told }
    }
}

impl From<&Refusal> for Body {
    fn from(Refusal { code, message, told }: &Refusal) -> Self {
        let (mut held, mut challenge, mut reads) = (None, None, None);
        match told {
            Told::Nothing => {}
            Told::Held(view) => held = Some(*view),
            Told::Challenge(text) => challenge = Some(text.clone()),
            Told::Reads(version) => reads = Some(*version),
        }
        Self { code: *code, message: message.clone(), held, challenge, reads }
    }
}

impl Refusal {
    /// A refusal with this reason.
    #[must_use]
    pub fn new(code: RefusalCode, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), told: Told::Nothing }
    }

    /// The same that tells this besides.
    #[must_use]
    pub fn telling(self, told: Told) -> Self {
        Self { told, ..self }
    }

    /// The refusal of a push that does not follow `stored`; it tells what is held.
    #[must_use]
    pub fn out_of_order(message: &SnapshotMessage, stored: &VersionStamp) -> Self {
        let pushed = (message.epoch, message.sequence);
        let held = (stored.epoch, stored.sequence);
        let text = if message.sender == stored.sender {
            format!("(epoch, sequence): {pushed:?}, must be greater than the stored {held:?}")
        } else {
            format!("epoch: {}, another sidecar holds the pool with {}", pushed.0, held.0)
        };
        Self::new(RefusalCode::OutOfOrder, text).telling(Told::Held(stored.into()))
    }

    /// The refusal of a signature that does not answer `challenge`.
    #[must_use]
    pub fn challenge(challenge: String) -> Self {
        let text = format!(
            "{CHALLENGE_HEADER}: is not this gateway's challenge; sign the push with the one given here"
        );
        Self::new(RefusalCode::Challenge, text).telling(Told::Challenge(challenge))
    }

    /// The refusal of a push that has no challenge at all: sidecars before version 2 sent none.
    #[must_use]
    pub fn without_challenge() -> Self {
        let text = format!(
            "{CHALLENGE_HEADER}: header is missing, so the push is older than version \
             {MESSAGE_VERSION}, which this gateway reads; update weir-sidecar"
        );
        Self::new(RefusalCode::UnknownVersion, text).telling(Told::Reads(MESSAGE_VERSION))
    }

    /// The HTTP status of this refusal.
    #[must_use]
    pub const fn status(&self) -> u16 {
        self.code.status()
    }

    /// The refusal as JSON.
    #[must_use]
    pub fn to_json(&self) -> Vec<u8> {
        // Only strings and integers inside: serialising cannot fail.
        serde_json::to_vec(&Envelope { error: self.into() }).unwrap_or_default()
    }

    /// Reads a refusal; `None` when the body is none.
    #[must_use]
    pub fn parse(body: &[u8]) -> Option<Self> {
        let Envelope { error } = serde_json::from_slice(body).ok()?;
        Some(error.into())
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
        let told = match code {
            RefusalCode::UnknownVersion => Told::Reads(MESSAGE_VERSION),
            _ => Told::Nothing,
        };
        Self::new(code, error.to_string()).telling(told)
    }
}

impl From<SignatureError> for Refusal {
    fn from(error: SignatureError) -> Self {
        let code = match error {
            SignatureError::Missing | SignatureError::NoTime => RefusalCode::Unsigned,
            SignatureError::Malformed | SignatureError::Mismatch => RefusalCode::BadSignature,
            SignatureError::Expired { .. } => RefusalCode::Expired,
        };
        Self::new(code, error.to_string())
    }
}

impl From<PoolsFull> for Refusal {
    fn from(error: PoolsFull) -> Self {
        Self::new(RefusalCode::Unavailable, error.to_string())
    }
}

impl From<EncodeError> for Refusal {
    fn from(error: EncodeError) -> Self {
        Self::new(RefusalCode::Invalid, error.to_string())
    }
}
