//! From canonical escaped form to plain text.

use wide::u8x16;

/// The plain text of `escaped`, made in `room` if it differs. An escape that is cut off at the end
/// is dropped.
pub(crate) fn plain<'a>(mut escaped: &'a [u8], room: &'a mut Vec<u8>) -> &'a [u8] {
    let all = escaped;
    room.clear();
    while let Some(at) = backslash(escaped) {
        if room.is_empty() {
            room.reserve(all.len());
        }
        let (plain, rest) = escaped.split_at_checked(at).unwrap_or((escaped, &[]));
        room.extend_from_slice(plain);
        escaped = match rest {
            [_, b'u', _, _, high, low, rest @ ..] => {
                room.push(hex(*high) << 4 | hex(*low));
                rest
            }
            [_, short, rest @ ..] => {
                room.push(short_escape(*short));
                rest
            }
            _ => &[],
        };
    }
    if escaped.len() == all.len() {
        return all;
    }
    room.extend_from_slice(escaped);
    room
}

/// The first backslash. What is searched is short, so that a small loop is better than a fast one.
#[inline(never)]
fn backslash(text: &[u8]) -> Option<usize> {
    let (vectors, rest) = text.as_chunks();
    for (vector, at) in vectors.iter().zip((0..).step_by(16)) {
        let marks = u8x16::new(*vector).simd_eq(u8x16::splat(b'\\')).to_bitmask();
        if marks != 0 {
            return Some(at + marks.trailing_zeros() as usize);
        }
    }
    let place = rest.iter().position(|byte| *byte == b'\\')?;
    Some(text.len() - rest.len() + place)
}

/// What a backslash and `letter` stand for.
fn short_escape(letter: u8) -> u8 {
    match letter {
        b'b' => 0x08,
        b'f' => 0x0C,
        b'n' => b'\n',
        b'r' => b'\r',
        b't' => b'\t',
        other => other,
    }
}

fn hex(digit: u8) -> u8 {
    char::from(digit).to_digit(16).and_then(|digit| u8::try_from(digit).ok()).unwrap_or(0)
}
