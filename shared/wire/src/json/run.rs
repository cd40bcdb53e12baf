//! The fast path of strings: how far the text goes on without anything to decide.

use super::block::{self, LANES, Masks, SPAN, WIDE_SPAN};

/// Why a run of plain text ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stop {
    /// The window is at its end.
    WindowEnd,
    /// The closing quote.
    Quote,
    /// A control character.
    Control,
    /// The backslash of `\u`.
    UnicodeEscape,
    /// The backslash of `\/`.
    EscapedSlash,
    /// The backslash of an unknown escape.
    InvalidEscape,
    /// A backslash as the window's last byte.
    OpenEscape,
}

/// Text in canonical escaped form at the start of a window, and what ended it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Run {
    /// Its length.
    pub(super) len: usize,
    /// What comes after it.
    pub(super) stop: Stop,
    /// True if it certainly holds only ASCII.
    pub(super) ascii: bool,
}

impl Run {
    /// The run at the start of `window`, which is not inside an escape.
    #[inline]
    pub(super) fn of(window: &[u8]) -> Self {
        let mut clean = 0;
        let mut ascii = true;
        loop {
            let rest = window.get(clean..).unwrap_or_default();
            let found = undecided(rest);
            ascii &= found.ascii;
            let byte = rest.get(found.at).copied();
            let (before, stop) = match (found.escaped, byte) {
                (true, None) => (1, Stop::OpenEscape),
                (true, Some(b'u')) => (1, Stop::UnicodeEscape),
                (true, Some(b'/')) => (1, Stop::EscapedSlash),
                (true, Some(b'b' | b'f')) => {
                    clean += found.at + 1;
                    continue;
                }
                (true, Some(_)) => (1, Stop::InvalidEscape),
                (false, None) => (0, Stop::WindowEnd),
                (false, Some(b'"')) => (0, Stop::Quote),
                (false, Some(_)) => (0, Stop::Control),
            };
            let len = (clean + found.at).saturating_sub(before);
            return Self { len, stop, ascii };
        }
    }
}

/// The first byte of a window that needs a decision.
#[derive(Clone, Copy, Debug)]
struct Undecided {
    /// Its index; the window's length if there is none.
    at: usize,
    /// Whether it is the second byte of an escape, one that is not frequent.
    escaped: bool,
    /// Whether all bytes up to there are ASCII for certain.
    ascii: bool,
}

/// Finds the first quote, control character or infrequent escape.
#[inline]
fn undecided(window: &[u8]) -> Undecided {
    match window.first() {
        Some(&first) if window.len() > LANES && first != b'"' && first >= 0x20 => {
            vectors(window, first)
        }
        _ => scalar(window),
    }
}

/// For windows longer than a vector whose first byte needs no decision.
#[inline]
fn vectors(window: &[u8], first: u8) -> Undecided {
    let mut high = block::splat(first);
    let mut at = 1;
    let mut escaped = first == b'\\';
    let stop = |at: usize, masks: Masks, escaped, high| {
        let found = masks.stops(escaped);
        let bit = found.stops.trailing_zeros();
        let escaped = found.escaped >> bit & 1 == 1;
        Undecided { at: at + bit as usize, escaped, ascii: block::is_ascii(high) }
    };
    while let Some(span) = window.get(at - 1..).and_then(<[u8]>::first_chunk::<WIDE_SPAN>) {
        if block::is_plain(span, &mut high) {
            escaped = span.last() == Some(&b'\\');
        } else {
            let masks = Masks::wide(span);
            let found = masks.stops(escaped);
            if found.stops != 0 {
                return stop(at, masks, escaped, high);
            }
            escaped = found.escapes_next(WIDE_SPAN - 1);
        }
        at += WIDE_SPAN - 1;
    }
    while let Some(span) = window.get(at - 1..).and_then(<[u8]>::first_chunk::<SPAN>) {
        let masks = Masks::of(span, &mut high);
        let found = masks.stops(escaped);
        if found.stops != 0 {
            return stop(at, masks, escaped, high);
        }
        escaped = found.escapes_next(LANES);
        at += LANES;
    }
    // The last vector again, without the bytes of it that were looked at before.
    let left = window.len() - at;
    let masks = window.last_chunk::<SPAN>().map(|span| Masks::of(span, &mut high));
    let masks = masks.unwrap_or_default().skip(LANES - left);
    let found = masks.stops(escaped);
    if found.stops != 0 {
        return stop(at, masks, escaped, high);
    }
    let escaped = if left == 0 { escaped } else { found.escapes_next(left) };
    Undecided { at: window.len(), escaped, ascii: block::is_ascii(high) }
}

/// The same, byte by byte, for short windows.
fn scalar(window: &[u8]) -> Undecided {
    let ascii = window.is_ascii();
    let mut escaped = false;
    for (at, &byte) in window.iter().enumerate() {
        let frequent = matches!(byte, b'n' | b'r' | b't' | b'"' | b'\\');
        if (escaped && !frequent) || (!escaped && (byte == b'"' || byte < 0x20)) {
            return Undecided { at, escaped, ascii };
        }
        escaped = byte == b'\\' && !escaped;
    }
    Undecided { at: window.len(), escaped, ascii }
}
