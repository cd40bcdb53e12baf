//! UTF-8 validation of text that arrives in pieces.

use crate::WireError;

/// Remembers the start of a sequence that the last piece cut.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Utf8Check {
    pending: [u8; 4],
    len: usize,
    /// Offset of the sequence that is pending.
    at: usize,
}

impl Utf8Check {
    /// Validates the next piece, which starts at offset `at`. Its first `valid` bytes are known to be
    /// UTF-8 if no sequence is pending.
    #[inline]
    pub(super) fn check(&mut self, piece: &[u8], valid: usize, at: usize) -> Result<(), WireError> {
        let known = if self.len == 0 { valid } else { 0 };
        match piece.get(known..) {
            None | Some([]) => Ok(()),
            Some(rest) => self.check_slowly(rest, at.saturating_add(known)),
        }
    }

    /// Ends the text: no sequence may be open.
    #[inline]
    pub(super) fn complete(&self) -> Result<(), WireError> {
        if self.len == 0 { Ok(()) } else { Err(WireError::InvalidUtf8 { at: self.at }) }
    }

    #[cold]
    fn check_slowly(&mut self, piece: &[u8], at: usize) -> Result<(), WireError> {
        let taken = self.complete_pending(piece)?;
        let rest = piece.get(taken..).unwrap_or_default();
        let (whole, open) = rest.split_at_checked(whole_len(rest)).unwrap_or((rest, &[]));
        // Twice as fast as the check that says where the error is.
        if simdutf8::basic::from_utf8(whole).is_ok() {
            let start = at.saturating_add(taken).saturating_add(whole.len());
            open.iter().for_each(|byte| self.push(*byte, start));
            return if open.is_empty() { Ok(()) } else { self.check_open() };
        }
        let Err(error) = core::str::from_utf8(rest) else {
            return Ok(());
        };
        let valid = error.valid_up_to();
        let start = at.saturating_add(taken).saturating_add(valid);
        if error.error_len().is_some() {
            return Err(WireError::InvalidUtf8 { at: start });
        }
        for byte in rest.iter().skip(valid) {
            self.push(*byte, start);
        }
        Ok(())
    }

    /// Feeds bytes to the open sequence until it is complete; returns how many it took.
    fn complete_pending(&mut self, piece: &[u8]) -> Result<usize, WireError> {
        let mut taken = 0;
        for byte in piece {
            if self.len == 0 {
                break;
            }
            self.push(*byte, self.at);
            taken += 1;
            self.check_open()?;
        }
        Ok(taken)
    }

    /// Whether the open sequence is complete, or can still become so.
    fn check_open(&mut self) -> Result<(), WireError> {
        match core::str::from_utf8(self.pending.get(..self.len).unwrap_or_default()) {
            Ok(_) => self.len = 0,
            Err(error) if error.error_len().is_some() => {
                return Err(WireError::InvalidUtf8 { at: self.at });
            }
            Err(_) => {}
        }
        Ok(())
    }

    fn push(&mut self, byte: u8, at: usize) {
        if let Some(place) = self.pending.get_mut(self.len) {
            *place = byte;
            self.len += 1;
            self.at = at;
        }
    }
}

/// Length of the character that is not ASCII at the start of `text`, if it is whole (Unicode 16,
/// table 3-7).
#[inline(always)]
pub(super) fn character(text: &[u8]) -> Option<usize> {
    let tail = |byte: u8| byte & 0xC0 == 0x80;
    match *text {
        [0xC2..=0xDF, a, ..] if tail(a) => Some(2),
        [0xE0, 0xA0..=0xBF, b, ..]
        | [0xE1..=0xEC | 0xEE | 0xEF, 0x80..=0xBF, b, ..]
        | [0xED, 0x80..=0x9F, b, ..]
            if tail(b) =>
        {
            Some(3)
        }
        [0xF0, 0x90..=0xBF, b, c, ..]
        | [0xF1..=0xF3, 0x80..=0xBF, b, c, ..]
        | [0xF4, 0x80..=0x8F, b, c, ..]
            if tail(b) && tail(c) =>
        {
            Some(4)
        }
        _ => None,
    }
}

/// Length of `text` without a sequence that its end cuts.
fn whole_len(text: &[u8]) -> usize {
    let from_end = text.iter().rev().take(3).position(|byte| *byte >= 0xC0);
    let Some(lead) = from_end else {
        return text.len();
    };
    let at = text.len() - 1 - lead;
    let needed = match text.get(at) {
        Some(0xF0..) => 4,
        Some(0xE0..) => 3,
        _ => 2,
    };
    if lead + 1 < needed { at } else { text.len() }
}
