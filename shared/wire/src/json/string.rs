//! Strings: validation, and their text in canonical escaped form.

use super::decoded::{Decoded, unicode_run};
use super::run::{Run, Stop};
use super::utf8::Utf8Check;
use super::{Handler, StringRole};
use crate::WireError;

/// Bytes that are looked at before they are handed on: small enough to stay in the first cache.
const WINDOW: usize = 16 * 1024;

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
            self.utf8.check(piece, run.valid, base + at)?;
            if !piece.is_empty() {
                h.text(piece);
            }
            at += run.len;
            if run.stop == Stop::WindowEnd {
                continue;
            }
            self.utf8.complete()?;
            if run.stop == Stop::Quote {
                return Ok((at + 1, true));
            }
            if run.stop == Stop::UnicodeEscape {
                let taken = unicode_run(chunk.get(at..).unwrap_or_default(), |text| h.text(text));
                at += taken;
                if taken > 0 {
                    continue;
                }
            }
            at += self.stopped(run.stop, base + at)?;
        }
        Ok((at, false))
    }

    /// Deals with what ended a run at offset `at`; returns how many bytes of it to pass over.
    fn stopped(&mut self, stop: Stop, at: usize) -> Result<usize, WireError> {
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
    fn escaped<H: Handler>(&mut self, byte: u8, offset: usize, h: &mut H) -> Result<(), WireError> {
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
                let value =
                    push_digit(value, byte, offset.saturating_sub(usize::from(digits) + 2))?;
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
            h.text(Decoded::default().with(u32::from(value)).text());
            Ok(Escape::None)
        }
    }
}

/// `\uXXXX\uXXXX` is complete.
fn pair_ended<H: Handler>(at: usize, high: u16, low: u16, h: &mut H) -> Result<Escape, WireError> {
    let decoded = char::decode_utf16([high, low]).next();
    let Some(Ok(scalar)) = decoded else {
        return Err(WireError::LoneSurrogate { at });
    };
    h.text(Decoded::default().with(u32::from(scalar)).text());
    Ok(Escape::None)
}
