//! The grammar between the strings: one byte, one step.

mod strings;

use super::number::{Number, NumberStep};
use super::string::StringReader;
use super::{Container, Handler, Literal, StringRole};
use crate::WireError;

/// The deepest nesting that any limit may allow: the containers are kept as bits.
const MAX_DEPTH: u32 = u128::BITS;

/// What may come next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Start,
    Value,
    FirstElement,
    FirstKey,
    Key,
    Colon,
    AfterValue,
    End,
    String,
    Number,
    Literal { literal: Literal, read: usize, at: usize },
}

/// Reads one JSON object (or array, where that is wanted), chunk after chunk.
#[derive(Clone, Debug)]
pub(crate) struct Lexer {
    state: State,
    /// Offset of the current chunk.
    base: usize,
    depth: u32,
    limit: u32,
    /// One bit per open container, the innermost lowest: 1 = object.
    objects: u128,
    /// The outermost value may be an array, a string or `null`.
    any: bool,
    string: StringReader,
    number: Number,
}

impl Lexer {
    /// A reader that refuses nesting deeper than `max_depth` (at most 128).
    pub(crate) fn new(max_depth: u32) -> Self {
        Self {
            state: State::Start,
            base: 0,
            depth: 0,
            limit: max_depth.min(MAX_DEPTH),
            objects: 0,
            any: false,
            string: StringReader::default(),
            number: Number::default(),
        }
    }

    /// A reader that takes an array, a string or `null` as the outermost value, too. A number has no end of its own.
    pub(crate) fn of_values(max_depth: u32) -> Self {
        Self { any: true, ..Self::new(max_depth) }
    }

    /// Bytes read so far.
    pub(crate) fn offset(&self) -> usize {
        self.base
    }

    /// Reads the next chunk.
    pub(crate) fn feed<H: Handler>(&mut self, chunk: &[u8], h: &mut H) -> Result<(), WireError> {
        let mut at = 0;
        while let Some(&byte) = chunk.get(at) {
            match self.state {
                State::String => at = self.read_string(chunk, at, h)?,
                State::Number => at += self.read_number(byte, self.base + at, h)?,
                State::Literal { literal, read, at: start } => {
                    self.read_literal(byte, literal, read, start, self.base + at, h)?;
                    at += 1;
                }
                State::Value | State::FirstElement if byte == b'{' => {
                    at += self.open_object(chunk.get(at..).unwrap_or_default(), at, h)?;
                }
                State::Value | State::FirstElement | State::FirstKey | State::Key
                    if byte == b'"' =>
                {
                    at += self.open_string(chunk.get(at + 1..).unwrap_or_default(), at, h)?;
                }
                _ => {
                    if !matches!(byte, b' ' | b'\t' | b'\n' | b'\r') {
                        self.structural(byte, self.base + at, h)?;
                    }
                    at += 1;
                }
            }
        }
        self.base = self.base.saturating_add(chunk.len());
        Ok(())
    }

    /// Ends the body.
    pub(crate) fn finish(&self) -> Result<(), WireError> {
        match self.state {
            State::End => Ok(()),
            _ => Err(WireError::Truncated { at: self.base }),
        }
    }

    #[inline]
    fn structural<H: Handler>(&mut self, byte: u8, at: usize, h: &mut H) -> Result<(), WireError> {
        match self.state {
            State::Value => self.value(byte, at, h),
            State::FirstElement if byte == b']' => self.close(Container::Array, at, h),
            State::FirstElement => self.value(byte, at, h),
            State::FirstKey if byte == b'}' => self.close(Container::Object, at, h),
            State::FirstKey | State::Key => {
                Err(WireError::UnexpectedByte { at, expected: "a key" })
            }
            State::Colon if byte == b':' => {
                self.state = State::Value;
                Ok(())
            }
            State::Colon => Err(WireError::UnexpectedByte { at, expected: "a colon" }),
            State::AfterValue => self.after_value(byte, at, h),
            State::Start => self.start(byte, at, h),
            // The other states read their bytes themselves.
            State::End | State::String | State::Number | State::Literal { .. } => {
                Err(WireError::TrailingData { at })
            }
        }
    }

    fn start<H: Handler>(&mut self, byte: u8, at: usize, h: &mut H) -> Result<(), WireError> {
        match byte {
            b'{' => self.open(Container::Object, at, h),
            b'[' if self.any => self.open(Container::Array, at, h),
            b'"' if self.any => {
                self.string.start(StringRole::Value);
                self.state = State::String;
                h.string_begin(StringRole::Value, at)
            }
            b'n' if self.any => self.open_literal(Literal::Null, at),
            0xEF if at == 0 => Err(WireError::ByteOrderMark),
            _ => Err(WireError::NotAnObject { at }),
        }
    }

    #[inline]
    fn value<H: Handler>(&mut self, byte: u8, at: usize, h: &mut H) -> Result<(), WireError> {
        match byte {
            b'{' => self.open(Container::Object, at, h),
            b'[' => self.open(Container::Array, at, h),
            b'-' | b'0'..=b'9' => {
                self.number = Number::start(byte, at);
                self.state = State::Number;
                Ok(())
            }
            b't' => self.open_literal(Literal::True, at),
            b'f' => self.open_literal(Literal::False, at),
            b'n' => self.open_literal(Literal::Null, at),
            _ => Err(WireError::UnexpectedByte { at, expected: "a value" }),
        }
    }

    #[inline]
    fn after_value<H: Handler>(&mut self, byte: u8, at: usize, h: &mut H) -> Result<(), WireError> {
        let in_object = self.objects & 1 == 1;
        match byte {
            b',' => {
                self.state = if in_object { State::Key } else { State::Value };
                Ok(())
            }
            b'}' if in_object => self.close(Container::Object, at, h),
            b']' if !in_object => self.close(Container::Array, at, h),
            _ => Err(WireError::UnexpectedByte { at, expected: "a comma or a closing bracket" }),
        }
    }

    fn open<H: Handler>(
        &mut self,
        container: Container,
        at: usize,
        h: &mut H,
    ) -> Result<(), WireError> {
        if self.depth >= self.limit {
            return Err(WireError::TooDeep { at, limit: self.limit });
        }
        self.depth += 1;
        self.objects = self.objects << 1 | u128::from(container == Container::Object);
        self.state = match container {
            Container::Object => State::FirstKey,
            Container::Array => State::FirstElement,
        };
        h.open(container, at)
    }

    fn close<H: Handler>(
        &mut self,
        container: Container,
        at: usize,
        h: &mut H,
    ) -> Result<(), WireError> {
        self.depth = self.depth.saturating_sub(1);
        self.objects >>= 1;
        self.value_ended();
        h.close(container, at + 1)
    }

    fn value_ended(&mut self) {
        self.state = if self.depth == 0 { State::End } else { State::AfterValue };
    }

    /// Reads on in a number; returns how many bytes (0 or 1) it took.
    fn read_number<H: Handler>(
        &mut self,
        byte: u8,
        at: usize,
        h: &mut H,
    ) -> Result<usize, WireError> {
        match self.number.step(byte) {
            NumberStep::Continues => Ok(1),
            NumberStep::Invalid => Err(WireError::InvalidNumber { at }),
            NumberStep::Ended => {
                self.value_ended();
                h.number(self.number.text(), self.number.at())?;
                Ok(0)
            }
        }
    }

    fn open_literal(&mut self, literal: Literal, at: usize) -> Result<(), WireError> {
        self.state = State::Literal { literal, read: 1, at };
        Ok(())
    }

    fn read_literal<H: Handler>(
        &mut self,
        byte: u8,
        literal: Literal,
        read: usize,
        start: usize,
        at: usize,
        h: &mut H,
    ) -> Result<(), WireError> {
        if literal.text().get(read) != Some(&byte) {
            return Err(WireError::InvalidLiteral { at });
        }
        let read = read + 1;
        if read < literal.text().len() {
            self.state = State::Literal { literal, read, at: start };
            return Ok(());
        }
        self.value_ended();
        h.literal(literal, start)
    }
}

#[cfg(test)]
mod tests;
