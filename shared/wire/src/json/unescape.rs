//! From canonical escaped form to plain text.

/// Appends the plain text of `escaped` to `out`. An escape that is cut off at the end is dropped.
pub(crate) fn unescape(mut escaped: &[u8], out: &mut Vec<u8>) {
    while let Some(at) = memchr::memchr(b'\\', escaped) {
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
