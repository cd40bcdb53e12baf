//! Strings: validation, and their text in canonical escaped form.

use super::run::{Run, Stop};
use super::utf8::Utf8Check;
use super::{Handler, StringRole};
use crate::WireError;

/// Bytes that are looked at before they are handed on: small enough to stay in the first cache.
const WINDOW: usize = 4096;

/// An escape that is being read.
#[derive(Clone, Copy, Debug, Default)]
enum Escape {
    /// None.
    #[default]
    None,
    /// The backslash was the last byte of a chunk.
    Backslash { at: usize },
    /// The digits of `\u`.
    Unit { at: usize, value: u16, digits: u8 },
    /// After a high surrogate: a backslash must follow.
    LowBackslash { at: usize, high: u16 },
    /// After a high surrogate and a backslash: a `u` must follow.
    LowU { at: usize, high: u16 },
    /// The digits of the low surrogate.
    LowUnit { at: usize, high: u16, value: u16, digits: u8 },
}

/// Reads one string at a time.
#[derive(Clone, Copy, Debug)]
pub(super) struct StringReader {
    role: StringRole,
    escape: Escape,
    utf8: Utf8Check,
}

impl Default for StringReader {
    fn default() -> Self {
        Self { role: StringRole::Value, escape: Escape::None, utf8: Utf8Check::default() }
    }
}

impl StringReader {
    /// A string opened.
    pub(super) fn start(&mut self, role: StringRole) {
        *self = Self { role, ..Self::default() };
    }

    /// What the string is for.
    pub(super) fn role(&self) -> StringRole {
        self.role
    }

    /// Reads on at `at` of `chunk`, whose offset is `base`. Returns where to go on, and whether
    /// the string ended there.
    #[inline]
    pub(super) fn read<H: Handler>(
        &mut self,
        chunk: &[u8],
        mut at: usize,
        base: usize,
        h: &mut H,
    ) -> Result<(usize, bool), WireError> {
        while at < chunk.len() {
            if !matches!(self.escape, Escape::None) {
                let byte = chunk.get(at).copied().unwrap_or_default();
                self.escaped(byte, base + at, h)?;
                at += 1;
                continue;
            }
            let window = chunk.get(at..chunk.len().min(at + WINDOW)).unwrap_or_default();
            let run = Run::of(window);
            let piece = window.get(..run.len).unwrap_or_default();
            self.utf8.check(piece, run.ascii, base + at)?;
            if !piece.is_empty() {
                h.text(piece);
            }
            at += run.len;
            if run.stop == Stop::WindowEnd {
                continue;
            }
            if run.stop == Stop::Quote {
                self.utf8.complete()?;
                return Ok((at + 1, true));
            }
            at += self.stopped(run.stop, base + at)?;
        }
        Ok((at, false))
    }

    /// Deals with what ended a run at offset `at`; returns how many bytes of it to pass over.
    fn stopped(&mut self, stop: Stop, at: usize) -> Result<usize, WireError> {
        self.utf8.complete()?;
        match stop {
            Stop::WindowEnd | Stop::Quote => Ok(0),
            Stop::Control => Err(WireError::ControlCharacter { at }),
            Stop::InvalidEscape => Err(WireError::InvalidEscape { at }),
            // Without its backslash the slash is plain text, which is its canonical form.
            Stop::EscapedSlash => Ok(1),
            Stop::UnicodeEscape => {
                self.escape = Escape::Unit { at, value: 0, digits: 0 };
                Ok(2)
            }
            Stop::OpenEscape => {
                self.escape = Escape::Backslash { at };
                Ok(1)
            }
        }
    }

    /// Takes one byte of an escape.
    fn escaped<H: Handler>(
        &mut self,
        byte: u8,
        offset: usize,
        h: &mut H,
    ) -> Result<(), WireError> {
        self.escape = match self.escape {
            Escape::None => Escape::None,
            Escape::Backslash { at } => self.short_escape(byte, at, h)?,
            Escape::Unit { at, value, digits } => {
                let value = push_digit(value, byte, at)?;
                if digits < 3 {
                    Escape::Unit { at, value, digits: digits + 1 }
                } else {
                    unit_ended(at, value, h)?
                }
            }
            Escape::LowBackslash { at, high } if byte == b'\\' => Escape::LowU { at, high },
            Escape::LowU { at, high } if byte == b'u' => {
                Escape::LowUnit { at, high, value: 0, digits: 0 }
            }
            Escape::LowBackslash { at, .. } | Escape::LowU { at, .. } => {
                return Err(WireError::LoneSurrogate { at });
            }
            Escape::LowUnit { at, high, value, digits } => {
                let value = push_digit(value, byte, offset.saturating_sub(usize::from(digits) + 2))?;
                if digits < 3 {
                    Escape::LowUnit { at, high, value, digits: digits + 1 }
                } else {
                    pair_ended(at, high, value, h)?
                }
            }
        };
        Ok(())
    }

    /// The byte after a backslash that ended a chunk.
    fn short_escape<H: Handler>(
        &mut self,
        byte: u8,
        at: usize,
        h: &mut H,
    ) -> Result<Escape, WireError> {
        match byte {
            b'"' | b'\\' | b'b' | b'f' | b'n' | b'r' | b't' => h.text(&[b'\\', byte]),
            b'/' => h.text(b"/"),
            b'u' => return Ok(Escape::Unit { at, value: 0, digits: 0 }),
            _ => return Err(WireError::InvalidEscape { at }),
        }
        Ok(Escape::None)
    }
}

fn push_digit(value: u16, byte: u8, at: usize) -> Result<u16, WireError> {
    let digit = char::from(byte).to_digit(16).and_then(|digit| u16::try_from(digit).ok());
    digit.map(|digit| value << 4 | digit).ok_or(WireError::InvalidEscape { at })
}

/// `\uXXXX` is complete.
fn unit_ended<H: Handler>(at: usize, value: u16, h: &mut H) -> Result<Escape, WireError> {
    match value {
        0xD800..=0xDBFF => Ok(Escape::LowBackslash { at, high: value }),
        0xDC00..=0xDFFF => Err(WireError::LoneSurrogate { at }),
        _ => {
            emit(u32::from(value), h);
            Ok(Escape::None)
        }
    }
}

/// `\uXXXX\uXXXX` is complete.
fn pair_ended<H: Handler>(
    at: usize,
    high: u16,
    low: u16,
    h: &mut H,
) -> Result<Escape, WireError> {
    let decoded = char::decode_utf16([high, low]).next();
    let Some(Ok(scalar)) = decoded else {
        return Err(WireError::LoneSurrogate { at });
    };
    emit(u32::from(scalar), h);
    Ok(Escape::None)
}

/// Tells one decoded scalar value, in canonical escaped form.
fn emit<H: Handler>(scalar: u32, h: &mut H) {
    const HEX: &[u8; 16] = b"0123456789abcdef";
    let short = match scalar {
        0x08 => b'b',
        0x09 => b't',
        0x0A => b'n',
        0x0C => b'f',
        0x0D => b'r',
        0x22 => b'"',
        0x5C => b'\\',
        0x00..0x20 => {
            let high = if scalar < 0x10 { b'0' } else { b'1' };
            let low = HEX.get(scalar as usize & 0xF).copied().unwrap_or(b'0');
            return h.text(&[b'\\', b'u', b'0', b'0', high, low]);
        }
        _ => {
            let text = char::from_u32(scalar).unwrap_or(char::REPLACEMENT_CHARACTER);
            return h.text(text.encode_utf8(&mut [0; 4]).as_bytes());
        }
    };
    h.text(&[b'\\', short]);
}
