//! Who may push, and who may look: HMAC-SHA256 in the header [`HEADER`].
//!
//! A push is signed with a *challenge*, a random number that the intake filter makes when its shared
//! data is empty, so that what was pushed before a restart of Envoy, or to another Envoy, is worth
//! nothing. It needs no clock, and so no two hosts' clocks to agree. A look (`GET`) is signed with the
//! time in its place and is good for [`MAX_SKEW_S`]: it changes nothing.
//!
//! | request | signed text |
//! |---|---|
//! | push | `POST`, path, challenge, SHA-256 of the body in hex, with a line end between each two |
//! | look | `GET`, path, seconds since 1970, likewise |
//! | command to a sidecar | `POST`, path, seconds since 1970, SHA-256 of the body in hex, likewise |
//!
//! A command is good for as long as a look. It has an id, and is carried out once, so that nobody gains by sending it
//! again.

use hmac::{Hmac, Mac};
use sha2::{Digest, Sha256};

use crate::hex::{decode_hex_into, hex, hex_value};

/// The one path of the intake listener.
pub const PATH: &str = "/weir/v1/snapshot";
/// Name of the header that carries the signature.
pub const HEADER: &str = "x-weir-signature";
/// Name of the header that carries the challenge of a push.
pub const CHALLENGE_HEADER: &str = "x-weir-challenge";
/// Name of the header that carries the time of a look, in seconds since 1970.
pub const TIME_HEADER: &str = "x-weir-time";
/// Name of the header in which a push says what it was told of spending ([`crate::SpendingSeen`]). It is not
/// signed: whoever changes it changes which rows an answer repeats, and nothing else.
pub const SPENDING_HEADER: &str = "x-weir-spending-seen";
/// What a push gives as challenge before the gateway has told one.
pub const NO_CHALLENGE: &str = "none";
/// What the signature starts with; 64 lower-case hex digits follow.
pub const PREFIX: &str = "sha256=";
/// How far the time of a look may be from the gateway's clock, in seconds.
pub const MAX_SKEW_S: u64 = 30;
/// Hex digits of a SHA-256.
const HEX_DIGITS: usize = 64;
/// Hex digits of a challenge.
const CHALLENGE_DIGITS: usize = 32;

/// Why a signature is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SignatureError {
    /// A key is configured and the header is missing.
    #[error("{HEADER}: header is missing, but a key is configured")]
    Missing,
    /// The value is not `sha256=` with 64 hex digits.
    #[error("{HEADER}: must be {PREFIX} and {HEX_DIGITS} lower-case hex digits")]
    Malformed,
    /// The signature is of another request or made with another key.
    #[error("{HEADER}: does not match the request under the configured key")]
    Mismatch,
    /// A look without a time.
    #[error("{TIME_HEADER}: must be the time in seconds since 1970")]
    NoTime,
    /// A look whose time is too far from the gateway's.
    #[error(
        "{TIME_HEADER}: {time} is more than {MAX_SKEW_S} s from this gateway's clock, {now}; set the clocks"
    )]
    Expired {
        /// The time of the request.
        time: u64,
        /// The gateway's.
        now: u64,
    },
}

/// SHA-256 of a body, to sign it for several gateways.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BodyDigest([u8; 32]);

impl BodyDigest {
    /// The digest of `body`.
    #[must_use]
    pub fn of(body: &[u8]) -> Self {
        Self(Sha256::digest(body).into())
    }
}

/// Whether `text` can be a challenge: 32 lower-case hex digits.
#[must_use]
pub fn is_challenge(text: &str) -> bool {
    text.len() == CHALLENGE_DIGITS && text.bytes().all(|digit| hex_value(digit).is_some())
}

/// The challenge that stands for a random number.
#[must_use]
pub fn challenge(random: u128) -> String {
    hex(&random.to_be_bytes())
}

/// The signature of a push of the body with `digest` that answers `challenge`.
#[must_use]
pub fn sign_push(key: &[u8], challenge: &str, digest: BodyDigest) -> String {
    signed(push(key, challenge.as_bytes(), digest))
}

/// Checks the signature of a push; the comparison takes the same time wherever the first difference
/// is. Whether `challenge` is the right one is for the caller to say.
///
/// # Errors
/// [`SignatureError`] says whether the header is missing, malformed, or of another push or key.
pub fn verify_push(
    key: &[u8],
    challenge: &[u8],
    body: &[u8],
    header: Option<&[u8]>,
) -> Result<(), SignatureError> {
    let given = read(header)?;
    matches(push(key, challenge, BodyDigest::of(body)), &given)
}

/// The signature of a look at `path` at `time`, in seconds since 1970.
#[must_use]
pub fn sign_look(key: &[u8], path: &str, time: u64) -> String {
    signed(look(key, path, time))
}

/// Checks the two headers of a look at `path` at `now`, in seconds since 1970.
///
/// # Errors
/// [`SignatureError`] says what is missing, malformed, too old, or of another look or key.
pub fn verify_look(
    key: &[u8],
    path: &str,
    (time, header): (Option<&[u8]>, Option<&[u8]>),
    now: u64,
) -> Result<(), SignatureError> {
    let given = read(header)?;
    let time = read_time(time)?;
    matches(look(key, path, time), &given)?;
    check_time(time, now)
}

/// The signature of a command with this body to `path` at `time`, in seconds since 1970.
#[must_use]
pub fn sign_command(key: &[u8], path: &str, time: u64, body: &[u8]) -> String {
    signed(post(key, path, time.to_string().as_bytes(), BodyDigest::of(body)))
}

/// Checks the two headers of a command with this body to `path` at `now`, in seconds since 1970.
///
/// # Errors
/// As for [`verify_look`].
pub fn verify_command(
    key: &[u8],
    (path, body): (&str, &[u8]),
    (time, header): (Option<&[u8]>, Option<&[u8]>),
    now: u64,
) -> Result<(), SignatureError> {
    let given = read(header)?;
    let time = read_time(time)?;
    matches(post(key, path, time.to_string().as_bytes(), BodyDigest::of(body)), &given)?;
    check_time(time, now)
}

fn read_time(time: Option<&[u8]>) -> Result<u64, SignatureError> {
    let time = time.and_then(|time| std::str::from_utf8(time).ok()?.parse().ok());
    time.ok_or(SignatureError::NoTime)
}

fn check_time(time: u64, now: u64) -> Result<(), SignatureError> {
    if time.abs_diff(now) > MAX_SKEW_S {
        return Err(SignatureError::Expired { time, now });
    }
    Ok(())
}

fn push(key: &[u8], challenge: &[u8], digest: BodyDigest) -> Hmac<Sha256> {
    post(key, PATH, challenge, digest)
}

fn post(key: &[u8], path: &str, fresh: &[u8], digest: BodyDigest) -> Hmac<Sha256> {
    let digest = hex(&digest.0);
    let lines = [b"POST".as_slice(), path.as_bytes(), fresh, digest.as_bytes()];
    keyed(key, &lines.join(&b'\n'))
}

fn look(key: &[u8], path: &str, time: u64) -> Hmac<Sha256> {
    keyed(key, format!("GET\n{path}\n{time}").as_bytes())
}

fn keyed(key: &[u8], text: &[u8]) -> Hmac<Sha256> {
    // HMAC takes keys of every length; the empty key stands in for the error that cannot occur.
    let mut mac = <Hmac<Sha256> as Mac>::new_from_slice(key)
        .unwrap_or_else(|_| <Hmac<Sha256> as Mac>::new(&Default::default()));
    mac.update(text);
    mac
}

fn signed(mac: Hmac<Sha256>) -> String {
    format!("{PREFIX}{}", hex(&mac.finalize().into_bytes()))
}

fn read(header: Option<&[u8]>) -> Result<[u8; HEX_DIGITS / 2], SignatureError> {
    let header = header.ok_or(SignatureError::Missing)?;
    let digits = header.strip_prefix(PREFIX.as_bytes()).ok_or(SignatureError::Malformed)?;
    decode_hex(digits).ok_or(SignatureError::Malformed)
}

fn matches(mac: Hmac<Sha256>, given: &[u8]) -> Result<(), SignatureError> {
    mac.verify_slice(given).map_err(|_| SignatureError::Mismatch)
}

fn decode_hex(digits: &[u8]) -> Option<[u8; HEX_DIGITS / 2]> {
    let mut digest = [0; HEX_DIGITS / 2];
    decode_hex_into(digits, &mut digest).then_some(digest)
}
