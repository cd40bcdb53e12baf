//! Encoded media, told by what they are: pictures, sound, video and files in Base64.
//!
//! Detectors find values in Base64 by chance, and an edit there destroys the file. So a string that is
//! nothing but Base64 and decodes to the beginning of a file is taken for that file. What merely begins like
//! one is not: all of the string has to be Base64, and what it says must not be text.

mod magic;

/// Shortest Base64 that is looked at, in bytes. The smallest GIF takes 56, and no word is so long.
const LEAST: usize = 40;

/// Base64 that is decoded to see what it is, in bytes.
const SAMPLE: usize = 4096;

/// Longest beginning of a `data:` URL, up to its comma, in bytes.
const MAX_PREFIX: usize = 256;

/// Whether `text` as a whole is an encoded medium: a `data:` URL of one, or its Base64.
pub fn is_media(text: &str) -> bool {
    let text = text.trim_ascii();
    if text.len() < LEAST {
        return false;
    }
    let (payload, announced) = match data_url(text) {
        Some(payload) => (payload, true),
        None => (text, false),
    };
    // Prose shows in its first word that it is none.
    let head = payload.as_bytes().get(..LEAST.min(payload.len())).unwrap_or_default();
    head.iter().all(|byte| is_digit(*byte) || *byte == b'=')
        && is_base64(payload.as_bytes())
        && says_media(payload.as_bytes(), announced)
}

/// Whether a piece of an encoded medium may be nothing else: it is Base64.
pub fn is_encoded(piece: &str) -> bool {
    is_base64(piece.as_bytes())
}

/// Whether what stands around `start..end` in `text` is the Base64 of a medium, or a `data:` URL.
pub fn is_within_media(text: &str, start: usize, end: usize) -> bool {
    let bytes = text.as_bytes();
    let digits = |bytes: &[u8]| bytes.iter().take_while(|byte| is_digit(**byte)).count();
    let before = bytes.get(..start).unwrap_or_default();
    let back = before.iter().rev().take_while(|byte| is_digit(**byte)).count();
    let from = start.saturating_sub(back);
    let rest = bytes.get(from..).unwrap_or_default();
    let run = rest.get(..digits(rest)).unwrap_or_default();
    let announced = before.get(..from).is_some_and(|before| before.ends_with(b";base64,"));
    run.len() >= LEAST && from + run.len() >= end && says_media(run, announced)
}

/// What stands after the comma of a `data:` URL in Base64.
fn data_url(text: &str) -> Option<&str> {
    let scheme = text.get(..5)?;
    if !scheme.eq_ignore_ascii_case("data:") {
        return None;
    }
    let comma = memchr::memchr(b',', text.as_bytes().get(..MAX_PREFIX.min(text.len()))?)?;
    text.get(..comma)?.to_ascii_lowercase().ends_with(";base64").then(|| text.get(comma + 1..))?
}

fn is_digit(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/' | b'-' | b'_')
}

/// Digits of Base64, with line ends between them and padding after them.
fn is_base64(text: &[u8]) -> bool {
    let padding = text.iter().rev().take_while(|byte| **byte == b'=').count();
    let digits = text.get(..text.len().saturating_sub(padding)).unwrap_or_default();
    padding <= 2 && digits.iter().all(|byte| is_digit(*byte) || matches!(byte, b'\r' | b'\n'))
}

/// Whether the decoded beginning is that of a file. One that a `data:` URL announces need not be of a kind
/// that is known, as sound without a head is.
fn says_media(payload: &[u8], announced: bool) -> bool {
    let bytes = decoded(payload);
    !is_text(&bytes) && (magic::is_known(&bytes) || announced && bytes.len() >= LEAST / 2)
}

fn decoded(payload: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(SAMPLE / 4 * 3);
    let (mut bits, mut held) = (0_u32, 0_u32);
    for byte in payload.iter().take(SAMPLE) {
        let Some(sextet) = sextet(*byte) else { continue };
        bits = bits << 6 | sextet;
        held += 6;
        if held >= 8 {
            held -= 8;
            bytes.push((bits >> held & 0xFF) as u8);
        }
    }
    bytes
}

fn sextet(digit: u8) -> Option<u32> {
    let value = match digit {
        b'A'..=b'Z' => digit - b'A',
        b'a'..=b'z' => digit - b'a' + 26,
        b'0'..=b'9' => digit - b'0' + 52,
        b'+' | b'-' => 62,
        b'/' | b'_' => 63,
        _ => return None,
    };
    Some(u32::from(value))
}

/// What a person could read: no byte of it is a control character. Detectors look inside of that.
fn is_text(bytes: &[u8]) -> bool {
    let valid = match core::str::from_utf8(bytes) {
        Ok(_) => true,
        // The sample may end within a character.
        Err(error) => error.error_len().is_none(),
    };
    valid && bytes.iter().all(|byte| *byte >= b' ' || byte.is_ascii_whitespace())
}

#[cfg(test)]
mod tests;
