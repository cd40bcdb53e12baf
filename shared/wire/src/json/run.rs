//! The fast path of strings: how far the text goes on without anything to decide.

use super::block::{BLOCK, Needles, high, marks};
use super::utf8::character;

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
    /// So much of its start is known to be UTF-8.
    pub(super) valid: usize,
}

impl Run {
    /// The run at the start of `window`, which is not inside an escape. Not inlined, because its loop
    /// needs all registers.
    #[inline(never)]
    pub(super) fn of(window: &[u8]) -> Self {
        let mut reader = Reader { window, next: 0, unchecked: usize::MAX };
        let (len, stop) = reader.read().err().unwrap_or((window.len(), Stop::WindowEnd));
        Self { len, stop, valid: reader.unchecked.min(len) }
    }
}

/// So many bytes in a block that are not ASCII are better checked all at once.
const DENSE: u32 = 16;

/// Where a run ended.
type End = (usize, Stop);

struct Reader<'a> {
    window: &'a [u8],
    /// Everything before was looked at.
    next: usize,
    /// From here on nothing was checked for being UTF-8.
    unchecked: usize,
}

impl Reader<'_> {
    #[inline(always)]
    fn read(&mut self) -> Result<(), End> {
        let needles = Needles::new();
        let mut at = 0;
        while at < self.window.len() {
            let block = self.window.get(at..).and_then(<[u8]>::first_chunk);
            let marks = block.map_or_else(|| marks_at_end(self.window, at), |b| marks(b, needles));
            if marks != 0 {
                self.look(at, marks)?;
            }
            at += BLOCK;
        }
        Ok(())
    }

    /// Looks at the bytes from `at` on that are marked.
    #[inline(always)]
    fn look(&mut self, at: usize, marks: u64) -> Result<(), End> {
        // At most three: the end of an escape or a character that began in the block before.
        let known = self.next.saturating_sub(at);
        let mut place = at + known;
        let mut left = marks.wrapping_shr(known as u32);
        if marks.count_ones() > DENSE {
            left &= !high_at(self.window, place);
            self.unchecked = self.unchecked.min(place);
        }
        while left != 0 {
            let plain = left.trailing_zeros();
            left >>= plain;
            place += plain as usize;
            let len = match self.window.get(place) {
                Some(b'\\') => match escape(self.window.get(place + 1).copied()) {
                    None => 2,
                    Some(stop) => return Err((place, stop)),
                },
                Some(b'"') => return Err((place, Stop::Quote)),
                Some(0x80..) => self.character(place),
                _ => return Err((place, Stop::Control)),
            };
            left >>= len;
            place += len;
        }
        self.next = place;
        Ok(())
    }

    /// Length of the character at `place`; 1 if it is none, or none that needs to be known.
    #[inline(always)]
    fn character(&mut self, place: usize) -> usize {
        if self.unchecked == usize::MAX {
            match character(self.window.get(place..).unwrap_or_default()) {
                Some(len) => return len,
                None => self.unchecked = place,
            }
        }
        1
    }
}

/// The marks of what is at `at`, less than a block.
#[cold]
#[inline(never)]
fn marks_at_end(window: &[u8], at: usize) -> u64 {
    marks(&block_at(window, at), Needles::new())
}

/// What is not ASCII in the block at `at`.
#[cold]
#[inline(never)]
fn high_at(window: &[u8], at: usize) -> u64 {
    high(&block_at(window, at))
}

/// The block at `at`; what the window lacks of it are spaces.
fn block_at(window: &[u8], at: usize) -> [u8; BLOCK] {
    let rest = window.get(at..).unwrap_or_default();
    let mut block = [b' '; BLOCK];
    block.iter_mut().zip(rest).for_each(|(to, from)| *to = *from);
    block
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

#[cfg(test)]
mod tests {
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    use super::*;

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

    fn valid(read: &[u8]) -> usize {
        core::str::from_utf8(read).map_or_else(|error| error.valid_up_to(), str::len)
    }

    #[test]
    fn blocks_are_read_like_single_bytes_wherever_escapes_and_ends_stand() {
        const PARTS: [&str; 12] = [
            "\\n", "\\\\", "\\\"", "\\u00e9", "\\/", "\\x", "\"", "\u{1f}", "\u{e9}", " ", "!", "#",
        ];
        for length in 0..3 * BLOCK {
            let plain = "a".repeat(length);
            for part in PARTS {
                for at in [
                    0,
                    1,
                    14,
                    15,
                    16,
                    17,
                    62,
                    63,
                    64,
                    65,
                    127,
                    length.saturating_sub(2),
                    length.saturating_sub(1),
                ] {
                    let Some((before, after)) = plain.split_at_checked(at) else { continue };
                    let text = [before, part, "\\\\", part, after].concat();
                    for window in [text.as_bytes(), &text.as_bytes()[..length]] {
                        let run = Run::of(window);
                        assert_eq!((run.len, run.stop), bytewise(window), "{text}");
                        assert_eq!(run.valid, valid(&window[..run.len]), "{text}");
                    }
                }
            }
        }
    }
}
