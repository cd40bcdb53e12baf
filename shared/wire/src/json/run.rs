//! The fast path of strings: how far the text goes on without anything to decide.

use super::block::{High, LANES, Marks, WIDE};

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

/// Where a run ended.
type End = (usize, Stop);

impl Run {
    /// The run at the start of `window`, which is not inside an escape.
    #[inline]
    pub(super) fn of(window: &[u8]) -> Self {
        if window.len() < LANES {
            let (len, stop) = bytewise(window);
            return Self { len, stop, ascii: window.is_ascii() };
        }
        let mut high = High::new();
        let (len, stop) = blockwise(window, &mut high);
        Self { len, stop, ascii: high.is_ascii() }
    }
}

/// For windows of a vector at least.
#[inline]
fn blockwise(window: &[u8], high: &mut High) -> End {
    let mut at = 0;
    // Whether the byte at `at` is the second of an escape that was looked at.
    let mut taken = false;
    while let Some(block) = window.get(at..).and_then(<[u8]>::first_chunk::<WIDE>) {
        match Marks::of_wide(block, high).map(|marks| decide(window, at, marks, taken)) {
            None => taken = false,
            Some(Decided::GoOn { end }) => taken = end > at + WIDE,
            Some(Decided::Stop(end)) => return end,
        }
        at += WIDE;
    }
    while let Some(block) = window.get(at..).and_then(<[u8]>::first_chunk::<LANES>) {
        match decide(window, at, Marks::of(block, high), taken) {
            Decided::GoOn { end } => taken = end > at + LANES,
            Decided::Stop(end) => return end,
        }
        at += LANES;
    }
    // The last vector again, without the bytes of it that were looked at before.
    let left = window.len() - at;
    let marks = window.last_chunk::<LANES>().map(|block| Marks::of(block, high));
    let marks = marks.unwrap_or_default().skip(LANES - left);
    match decide(window, at, marks, taken) {
        Decided::GoOn { .. } => (window.len(), Stop::WindowEnd),
        Decided::Stop(end) => end,
    }
}

/// What the marks of a block come to.
enum Decided {
    /// The text goes on; all up to `end` was looked at, and no less than up to the last mark.
    GoOn { end: usize },
    /// It ends here.
    Stop(End),
}

/// Looks at what is marked in the block at `at`; `taken` says that its first byte is the second of
/// an escape.
#[inline(always)]
fn decide(window: &[u8], at: usize, marks: Marks, taken: bool) -> Decided {
    let Marks { mut ends, mut backslashes } = marks;
    ends &= !u64::from(taken);
    backslashes &= !u64::from(taken);
    let mut end = at;
    while backslashes != 0 {
        let bit = backslashes.trailing_zeros();
        if ends & ((1 << bit) - 1) != 0 {
            break;
        }
        let place = at + bit as usize;
        if let Some(stop) = escape(window.get(place + 1).copied()) {
            return Decided::Stop((place, stop));
        }
        // Neither the backslash nor what it escapes means anything more.
        let both = 3_u64 << bit;
        ends &= !both;
        backslashes &= !both;
        end = place + 2;
    }
    if ends == 0 {
        return Decided::GoOn { end };
    }
    let place = at + ends.trailing_zeros() as usize;
    let quote = window.get(place) == Some(&b'"');
    Decided::Stop((place, if quote { Stop::Quote } else { Stop::Control }))
}

/// Why an escape ends a run, by its second byte; `None` for one that is canonical.
#[inline(always)]
fn escape(second: Option<u8>) -> Option<Stop> {
    match second {
        Some(b'n' | b'"' | b'\\' | b't' | b'r' | b'b' | b'f') => None,
        Some(b'u') => Some(Stop::UnicodeEscape),
        Some(b'/') => Some(Stop::EscapedSlash),
        Some(_) => Some(Stop::InvalidEscape),
        None => Some(Stop::OpenEscape),
    }
}

/// The same, byte by byte, for short windows.
fn bytewise(window: &[u8]) -> End {
    let mut at = 0;
    while let Some(byte) = window.get(at) {
        match byte {
            b'"' => return (at, Stop::Quote),
            b'\\' => match escape(window.get(at + 1).copied()) {
                Some(stop) => return (at, stop),
                None => at += 2,
            },
            0x00..0x20 => return (at, Stop::Control),
            _ => at += 1,
        }
    }
    (window.len(), Stop::WindowEnd)
}

#[cfg(test)]
mod tests {
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    use super::*;

    #[test]
    fn blocks_are_read_like_single_bytes_wherever_escapes_and_ends_stand() {
        const PARTS: [&str; 12] = [
            "\\n", "\\\\", "\\\"", "\\u00e9", "\\/", "\\x", "\"", "\u{1f}", "\u{e9}", " ", "!", "#",
        ];
        for length in LANES..3 * WIDE {
            let plain = "a".repeat(length);
            for part in PARTS {
                for at in [0, 1, 14, 15, 16, 17, 62, 63, 64, 65, 127, length - 2, length - 1] {
                    let Some((before, after)) = plain.split_at_checked(at) else { continue };
                    let text = [before, part, "\\\\", part, after].concat();
                    for window in [text.as_bytes(), &text.as_bytes()[..length]] {
                        let run = Run::of(window);
                        assert_eq!((run.len, run.stop), bytewise(window), "{text}");
                        let read = &window[..run.len];
                        assert!(!run.ascii || read.is_ascii(), "{text}");
                    }
                }
            }
        }
    }
}
