//! Bytes as lower-case hex digits.

/// The digits that stand for `bytes`, two for each.
#[must_use]
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().flat_map(|byte| [byte >> 4, byte & 15].map(hex_digit)).collect()
}

/// The bytes that `digits` stand for; `None` if they stand for none.
#[must_use]
pub fn bytes_of_hex(digits: &str) -> Option<Vec<u8>> {
    let (pairs, []) = digits.as_bytes().as_chunks::<2>() else { return None };
    pairs.iter().map(|[high, low]| Some((hex_value(*high)? << 4) | hex_value(*low)?)).collect()
}

/// Fills `bytes`; false if `digits` are not two for each.
pub(crate) fn decode_hex_into(digits: &[u8], bytes: &mut [u8]) -> bool {
    let (pairs, rest) = digits.as_chunks::<2>();
    if !rest.is_empty() || pairs.len() != bytes.len() {
        return false;
    }
    for (byte, [high, low]) in bytes.iter_mut().zip(pairs) {
        let (Some(high), Some(low)) = (hex_value(*high), hex_value(*low)) else { return false };
        *byte = (high << 4) | low;
    }
    true
}

fn hex_digit(value: u8) -> char {
    char::from(if value < 10 { b'0' + value } else { b'a' + (value - 10) })
}

/// The value of one digit.
pub(crate) fn hex_value(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        _ => None,
    }
}
