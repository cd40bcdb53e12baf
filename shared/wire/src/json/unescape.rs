//! From canonical escaped form to plain text.

use wide::u8x16;

/// The plain text of `escaped`, made in `room` if it differs.
pub(crate) fn plain<'a>(escaped: &'a [u8], room: &'a mut Vec<u8>) -> &'a [u8] {
    if backslash(escaped).is_none() {
        return escaped;
    }
    room.clear();
    unescape(escaped, room);
    room
}

/// Appends the plain text of `escaped` to `out`. An escape that is cut off at the end is dropped.
fn unescape(mut escaped: &[u8], out: &mut Vec<u8>) {
    while let Some(at) = backslash(escaped) {
        let (plain, rest) = escaped.split_at_checked(at).unwrap_or((escaped, &[]));
        out.extend_from_slice(plain);
        escaped = match rest {
            [_, b'u', _, _, high, low, rest @ ..] => {
                out.push(hex(*high) << 4 | hex(*low));
                rest
            }
            [_, short, rest @ ..] => {
                out.push(short_escape(*short));
                rest
            }
            _ => &[],
        };
    }
    out.extend_from_slice(escaped);
}

/// The first backslash. What is searched is short, so that a small loop is better than a fast one.
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
