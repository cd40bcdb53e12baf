//! HMAC-SHA256 of the push body, in the header [`HEADER`].

use hmac::{Hmac, Mac};
use sha2::Sha256;

/// Name of the header that carries the signature.
pub const HEADER: &str = "x-weir-signature";
/// What the value starts with; 64 lower-case hex digits follow.
pub const PREFIX: &str = "sha256=";
/// Hex digits of a SHA-256.
const HEX_DIGITS: usize = 64;

/// Why a signature is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SignatureError {
    /// A key is configured and the header is missing.
    #[error("{HEADER}: header is missing, but a key is configured")]
    Missing,
    /// The value is not `sha256=` with 64 hex digits.
    #[error("{HEADER}: must be {PREFIX} and {HEX_DIGITS} lower-case hex digits")]
    Malformed,
    /// The signature is of another body or made with another key.
    #[error("{HEADER}: does not match the body under the configured key")]
    Mismatch,
}

/// The header value for `body` under `key`.
#[must_use]
pub fn sign(key: &[u8], body: &[u8]) -> String {
    let digest = keyed(key, body).finalize().into_bytes();
    let mut value = String::with_capacity(PREFIX.len() + HEX_DIGITS);
    value.push_str(PREFIX);
    for byte in digest {
        value.extend([byte >> 4, byte & 15].map(hex_digit));
    }
    value
}

/// Checks the header value of a push; the comparison takes the same time wherever the first
/// difference is.
///
/// # Errors
/// [`SignatureError`] says whether the header is missing, malformed, or of another body or key.
pub fn verify(key: &[u8], body: &[u8], header: Option<&[u8]>) -> Result<(), SignatureError> {
    let header = header.ok_or(SignatureError::Missing)?;
    let digits = header.strip_prefix(PREFIX.as_bytes()).ok_or(SignatureError::Malformed)?;
    let digest = decode_hex(digits).ok_or(SignatureError::Malformed)?;
    keyed(key, body).verify_slice(&digest).map_err(|_| SignatureError::Mismatch)
}

fn keyed(key: &[u8], body: &[u8]) -> Hmac<Sha256> {
    // HMAC takes keys of every length; the empty key stands in for the error that cannot occur.
    let mut mac = <Hmac<Sha256> as Mac>::new_from_slice(key)
        .unwrap_or_else(|_| <Hmac<Sha256> as Mac>::new(&Default::default()));
    mac.update(body);
    mac
}

fn decode_hex(digits: &[u8]) -> Option<[u8; HEX_DIGITS / 2]> {
    if digits.len() != HEX_DIGITS {
        return None;
    }
    let mut digest = [0; HEX_DIGITS / 2];
    let (pairs, _) = digits.as_chunks::<2>();
    for (byte, [high, low]) in digest.iter_mut().zip(pairs) {
        *byte = (hex_value(*high)? << 4) | hex_value(*low)?;
    }
    Some(digest)
}

fn hex_digit(value: u8) -> char {
    char::from(if value < 10 { b'0' + value } else { b'a' + (value - 10) })
}

fn hex_value(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        _ => None,
    }
}
