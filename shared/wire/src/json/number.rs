//! The grammar of numbers.

/// Bytes of a number that are kept: enough for any integer and any double that round-trips.
const KEPT: usize = 40;

/// Where in a number the reader is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Part {
    #[default]
    Minus,
    Zero,
    Integer,
    Point,
    Fraction,
    Exponent,
    ExponentSign,
    ExponentDigits,
}

/// What one more byte means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NumberStep {
    /// It belongs to the number.
    Continues,
    /// The number ended before it.
    Ended,
    /// The number cannot end or go on here.
    Invalid,
}

/// A number being read.
#[derive(Clone, Copy, Debug)]
pub(super) struct Number {
    part: Part,
    at: usize,
    kept: [u8; KEPT],
    len: usize,
}

impl Default for Number {
    fn default() -> Self {
        Self { part: Part::Minus, at: 0, kept: [0; KEPT], len: 0 }
    }
}

impl Number {
    /// A number that starts with `first` (a digit or a minus) at offset `at`.
    pub(super) fn start(first: u8, at: usize) -> Self {
        let part = match first {
            b'-' => Part::Minus,
            b'0' => Part::Zero,
            _ => Part::Integer,
        };
        let mut number = Self { part, at, ..Self::default() };
        number.keep(first);
        number
    }

    /// Where it starts.
    pub(super) fn at(&self) -> usize {
        self.at
    }

    /// Its first bytes.
    pub(super) fn text(&self) -> &[u8] {
        self.kept.get(..self.len).unwrap_or_default()
    }

    /// Takes one more byte.
    #[inline]
    pub(super) fn step(&mut self, byte: u8) -> NumberStep {
        let next = match (self.part, byte) {
            (Part::Minus, b'0') => Part::Zero,
            (Part::Minus, b'1'..=b'9') => Part::Integer,
            (Part::Integer, b'0'..=b'9') => Part::Integer,
            (Part::Zero | Part::Integer, b'.') => Part::Point,
            (Part::Point | Part::Fraction, b'0'..=b'9') => Part::Fraction,
            (Part::Zero | Part::Integer | Part::Fraction, b'e' | b'E') => Part::Exponent,
            (Part::Exponent, b'+' | b'-') => Part::ExponentSign,
            (Part::Exponent | Part::ExponentSign | Part::ExponentDigits, b'0'..=b'9') => {
                Part::ExponentDigits
            }
            (Part::Zero, b'0'..=b'9') => return NumberStep::Invalid,
            (Part::Zero | Part::Integer | Part::Fraction | Part::ExponentDigits, _) => {
                return NumberStep::Ended;
            }
            _ => return NumberStep::Invalid,
        };
        self.part = next;
        self.keep(byte);
        NumberStep::Continues
    }

    fn keep(&mut self, byte: u8) {
        if let Some(place) = self.kept.get_mut(self.len) {
            *place = byte;
            self.len += 1;
        }
    }
}
