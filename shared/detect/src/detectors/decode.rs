//! Base64, hexadecimal and percent escapes, read.

/// Shortest run that is decoded, in characters.
pub(super) const MIN_RUN: usize = 20;

/// Whether `run` is words in Base64 or hexadecimal. Stricter than what is scanned inside: here
/// being text is all that there is.
pub(super) fn is_encoded_text(run: &[u8]) -> bool {
    let words = |run: &[u8]| {
        let is_hex = run.iter().all(u8::is_ascii_hexdigit);
        let decoded = if is_hex { hex(run) } else { base64(run).filter(|_| mixed(run)) };
        decoded.is_some_and(|bytes| is_words(&bytes))
    };
    // Most runs show at their head that they are none.
    run.get(..MIN_RUN).is_some_and(words) && words(run)
}

/// Letters, digits and spaces for the most part, without control characters. A character may be
/// cut at the end.
fn is_words(bytes: &[u8]) -> bool {
    let valid = std::str::from_utf8(bytes).map_or_else(|error| error.valid_up_to(), str::len);
    let plain = |b: &&u8| b.is_ascii_alphanumeric() || **b == b' ' || **b >= 0x80;
    bytes.len() - valid < 4
        && bytes.iter().all(|b| *b >= b' ' || b.is_ascii_whitespace())
        && bytes.iter().filter(plain).count() * 10 >= bytes.len() * 7
}

/// Base64 of text has letters of both cases, or digits among letters.
pub(super) fn mixed(text: &[u8]) -> bool {
    crate::validate::token::classes(text) >= 2
}

/// Decodes standard or URL-safe Base64, padded or not; `None` when it is neither.
#[inline(never)]
pub(crate) fn base64(text: &[u8]) -> Option<Vec<u8>> {
    let padding = text.iter().rev().take_while(|b| **b == b'=').count();
    let body = text.get(..text.len().checked_sub(padding)?)?;
    if padding > 2 || body.len() % 4 == 1 {
        return None;
    }
    let mut bytes = Vec::with_capacity(body.len() / 4 * 3 + 3);
    let (mut bits, mut held) = (0_u32, 0_u32);
    for byte in body {
        bits = bits << 6 | u32::from(sextet(*byte)?);
        held += 6;
        if held >= 8 {
            held -= 8;
            bytes.push((bits >> held & 0xFF) as u8);
        }
    }
    Some(bytes)
}

fn sextet(byte: u8) -> Option<u8> {
    match byte {
        b'A'..=b'Z' => Some(byte - b'A'),
        b'a'..=b'z' => Some(byte - b'a' + 26),
        b'0'..=b'9' => Some(byte - b'0' + 52),
        b'+' | b'-' => Some(62),
        b'/' | b'_' => Some(63),
        _ => None,
    }
}

/// Decodes hexadecimal digits, after `0x` or not; `None` where they are none.
#[inline(never)]
pub(super) fn hex(text: &[u8]) -> Option<Vec<u8>> {
    let body = text.strip_prefix(b"0x").unwrap_or(text);
    if body.len() % 2 == 1 {
        return None;
    }
    body.chunks_exact(2).map(|pair| pair_value(pair.first()?, pair.last()?)).collect()
}

fn pair_value(high: &u8, low: &u8) -> Option<u8> {
    let digit = |b: &u8| char::from(*b).to_digit(16);
    Some((digit(high)? * 16 + digit(low)?) as u8)
}

/// Replaces `%XX` by its byte; other characters stay.
pub(crate) fn percent(text: &[u8]) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((first, tail)) = rest.split_first() {
        let decoded = match tail {
            [high, low, after @ ..] if *first == b'%' => pair_value(high, low).map(|b| (b, after)),
            _ => None,
        };
        let (byte, after) = decoded.unwrap_or((*first, tail));
        bytes.push(byte);
        rest = after;
    }
    (bytes.len() < text.len()).then_some(bytes)
}
