//! The fast path of strings: how far the text goes on without anything to decide.

use wide::u8x16;

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
            let (len, rest_ascii) = undecided(rest);
            ascii &= rest_ascii;
            let ended = |at: usize, stop| Self { len: clean + at, stop, ascii };
            let before = len.checked_sub(1).and_then(|at| rest.get(at));
            match (before, rest.get(len)) {
                (Some(b'\\'), None) => return ended(len - 1, Stop::OpenEscape),
                (Some(b'\\'), Some(byte)) => match byte {
                    b'"' | b'\\' | b'b' | b'f' | b'n' | b'r' | b't' => {}
                    b'u' => return ended(len - 1, Stop::UnicodeEscape),
                    b'/' => return ended(len - 1, Stop::EscapedSlash),
                    _ => return ended(len - 1, Stop::InvalidEscape),
                },
                (_, None) => return ended(len, Stop::WindowEnd),
                (_, Some(b'"')) => return ended(len, Stop::Quote),
                (_, Some(..0x20)) => return ended(len, Stop::Control),
                (_, Some(_)) => {}
            }
            clean += len + 1;
        }
    }
}

/// Index of the first byte that needs a decision: a quote, a control character, or one after a
/// backslash (other than `n`: line breaks are too frequent to stop for). The window's length if
/// there is none. Also whether all bytes up to there are ASCII for certain.
///
/// No byte before that index is the second half of an escape other than `\n`, so a backslash just
/// before it always starts an escape.
#[inline]
fn undecided(window: &[u8]) -> (usize, bool) {
    let Some(&first) = window.first() else {
        return (0, true);
    };
    if first == b'"' || first < 0x20 {
        return (0, true);
    }
    if window.len() <= LANES {
        return (scalar(window), window.is_ascii());
    }
    let mut high = u8x16::splat(first);
    let mut at = 1;
    while let Some(span) = window.get(at - 1..).and_then(<[u8]>::first_chunk::<WIDE_SPAN>) {
        if let Some(found) = wide_step(span, &mut high) {
            return (at + found, is_ascii(high));
        }
        at += WIDE_SPAN - 1;
    }
    while let Some(span) = window.get(at - 1..).and_then(<[u8]>::first_chunk::<SPAN>) {
        let mask = step(span, &mut high);
        if mask != 0 {
            return (at + mask.trailing_zeros() as usize, is_ascii(high));
        }
        at += LANES;
    }
    // The rest, once more with the bytes before it that are already known to be plain.
    let last = window.last_chunk::<SPAN>().map_or(0, |span| step(span, &mut high));
    let from = window.len() - LANES;
    let len = if last == 0 { window.len() } else { from + last.trailing_zeros() as usize };
    (len, is_ascii(high))
}

/// Bytes of one vector.
const LANES: usize = 16;
/// One vector and the byte before it.
const SPAN: usize = LANES + 1;
/// Four vectors and the byte before them.
const WIDE_SPAN: usize = 4 * LANES + 1;

/// The bytes that need a decision among the last 16 of `span`, as bits.
#[inline(always)]
fn step(span: &[u8; SPAN], high: &mut u8x16) -> u32 {
    let (Some(before), Some(block)) = (span.first_chunk(), span.last_chunk()) else {
        return 0;
    };
    deciding(before, block, high).to_bitmask()
}

/// The index of the first byte that needs a decision among the last 64 of `span`.
#[inline(always)]
fn wide_step(span: &[u8; WIDE_SPAN], high: &mut u8x16) -> Option<usize> {
    let before: &[u8; 4 * LANES] = span.first_chunk()?;
    let block: &[u8; 4 * LANES] = span.last_chunk()?;
    let ([b0, b1, b2, b3], []) = before.as_chunks::<LANES>() else { return None };
    let ([c0, c1, c2, c3], []) = block.as_chunks::<LANES>() else { return None };
    let d0 = deciding(b0, c0, high);
    let d1 = deciding(b1, c1, high);
    let d2 = deciding(b2, c2, high);
    let d3 = deciding(b3, c3, high);
    if !(d0 | d1 | d2 | d3).any() {
        return None;
    }
    let low = u64::from(d0.to_bitmask() | d1.to_bitmask() << 16);
    let mask = low | u64::from(d2.to_bitmask() | d3.to_bitmask() << 16) << 32;
    Some(mask.trailing_zeros() as usize)
}

/// All bits set in every lane of `block` that needs a decision; `before` is the same text one byte
/// earlier.
#[inline(always)]
fn deciding(before: &[u8; LANES], block: &[u8; LANES], high: &mut u8x16) -> u8x16 {
    let (before, block) = (u8x16::new(*before), u8x16::new(*block));
    *high |= block;
    let ends = block.simd_eq(u8x16::splat(b'"')) | block.simd_le(u8x16::splat(0x1F));
    let line_break = block.simd_eq(u8x16::splat(b'n'));
    ends | (before.simd_eq(u8x16::splat(b'\\')) & !line_break)
}

fn is_ascii(high: u8x16) -> bool {
    !high.any()
}

/// The same, byte by byte, for short windows.
fn scalar(window: &[u8]) -> usize {
    let mut before = 0;
    for (at, &byte) in window.iter().enumerate() {
        if byte == b'"' || byte < 0x20 || (before == b'\\' && byte != b'n') {
            return at;
        }
        before = byte;
    }
    window.len()
}
