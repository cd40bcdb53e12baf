//! Text that was written as `\u` escapes.

/// Room for decoded text before it is handed on.
const ROOM: usize = 192;
/// The longest form of one scalar value (`\u00xx`).
const LONGEST: usize = 6;

/// Decoded scalar values, in canonical escaped form.
pub(super) struct Decoded {
    bytes: [u8; ROOM],
    len: usize,
}

impl Default for Decoded {
    fn default() -> Self {
        Self { bytes: [0; ROOM], len: 0 }
    }
}

impl Decoded {
    /// The text.
    pub(super) fn text(&self) -> &[u8] {
        self.bytes.get(..self.len).unwrap_or_default()
    }

    /// With one more scalar value.
    pub(super) fn with(mut self, scalar: u32) -> Self {
        self.push(scalar);
        self
    }

    fn is_full(&self) -> bool {
        self.len + LONGEST > ROOM
    }

    fn push(&mut self, scalar: u32) {
        match scalar {
            0x08 => self.extend(b"\\b"),
            0x09 => self.extend(b"\\t"),
            0x0A => self.extend(b"\\n"),
            0x0C => self.extend(b"\\f"),
            0x0D => self.extend(b"\\r"),
            0x22 => self.extend(b"\\\""),
            0x5C => self.extend(b"\\\\"),
            0x00..0x20 => {
                const HEX: &[u8; 16] = b"0123456789abcdef";
                let high = if scalar < 0x10 { b'0' } else { b'1' };
                let low = HEX.get(scalar as usize & 0xF).copied().unwrap_or(b'0');
                self.extend(&[b'\\', b'u', b'0', b'0', high, low]);
            }
            _ => {
                let text = char::from_u32(scalar).unwrap_or(char::REPLACEMENT_CHARACTER);
                self.extend(text.encode_utf8(&mut [0; 4]).as_bytes());
            }
        }
    }

    #[inline]
    fn extend(&mut self, text: &[u8]) {
        for byte in text {
            if let Some(place) = self.bytes.get_mut(self.len) {
                *place = *byte;
                self.len += 1;
            }
        }
    }
}

/// Decodes the complete, valid `\u` escapes at the start of `text`, pairs of surrogates included,
/// and hands them on; returns how many bytes they take. What is left is for the slow path.
pub(super) fn unicode_run(text: &[u8], mut told: impl FnMut(&[u8])) -> usize {
    let mut decoded = Decoded::default();
    let mut rest = text;
    while let Some((scalar, after)) = scalar(rest) {
        decoded.push(scalar);
        if decoded.is_full() {
            told(decoded.text());
            decoded.len = 0;
        }
        rest = after;
    }
    if decoded.len > 0 {
        told(decoded.text());
    }
    text.len() - rest.len()
}

/// One scalar value at the start of `text`, and what follows it.
#[inline]
fn scalar(text: &[u8]) -> Option<(u32, &[u8])> {
    let (high, rest) = unit(text)?;
    match high {
        0xD800..=0xDBFF => {
            let (low, rest) = unit(rest)?;
            let low = low.checked_sub(0xDC00).filter(|low| *low < 0x400)?;
            Some((0x10000 + ((high - 0xD800) << 10 | low), rest))
        }
        0xDC00..=0xDFFF => None,
        _ => Some((high, rest)),
    }
}

/// One `\uXXXX` at the start of `text`, and what follows it.
#[inline]
fn unit(text: &[u8]) -> Option<(u32, &[u8])> {
    let ([b'\\', b'u', digits @ ..], rest) = text.split_first_chunk::<6>()? else {
        return None;
    };
    let mut value = 0;
    let mut valid = true;
    for digit in digits {
        let digit = HEX_VALUES.get(usize::from(*digit)).copied().unwrap_or(NOT_HEX);
        valid &= digit != NOT_HEX;
        value = value << 4 | u32::from(digit);
    }
    valid.then_some((value, rest))
}

const NOT_HEX: u8 = 0xFF;

/// The value of every hexadecimal digit.
const HEX_VALUES: [u8; 256] = {
    let mut table = [NOT_HEX; 256];
    let mut value = 0;
    while value < 16 {
        #[allow(clippy::indexing_slicing, reason = "evaluated by the compiler")]
        {
            table[b"0123456789abcdef"[value] as usize] = value as u8;
            table[b"0123456789ABCDEF"[value] as usize] = value as u8;
        }
        value += 1;
    }
    table
};
