//! Strings, and what often stands around them.

use super::{Lexer, State};
use crate::WireError;
use crate::json::block::short;
use crate::json::message::message_opening;
use crate::json::{Container, Handler, StringRole};

impl Lexer {
    /// An object opens at `at` of the chunk, with which `rest` begins. Returns how many bytes were taken:
    /// of a message all up to its text, where the handler takes it so.
    #[inline]
    pub(super) fn open_object<H: Handler>(
        &mut self,
        rest: &[u8],
        at: usize,
        h: &mut H,
    ) -> Result<usize, WireError> {
        let at = self.base + at;
        let in_array = self.objects & 1 == 0;
        if let Some(message) = message_opening(rest).filter(|_| in_array && self.depth < self.limit)
            && h.message(message.role, at + message.len - 1)
        {
            self.depth += 1;
            self.objects = self.objects << 1 | 1;
            self.string.start(StringRole::Value);
            self.state = State::String;
            return Ok(message.len);
        }
        self.open(Container::Object, at, h)?;
        Ok(1)
    }

    /// A string opens at `at` of the chunk, of which `rest` follows the quote. Returns how many bytes
    /// were taken.
    #[inline]
    pub(super) fn open_string<H: Handler>(
        &mut self,
        rest: &[u8],
        at: usize,
        h: &mut H,
    ) -> Result<usize, WireError> {
        let at = self.base + at;
        let role = match self.state {
            State::FirstKey | State::Key => StringRole::Key,
            _ => StringRole::Value,
        };
        if let Some(text) = short(rest) {
            let taken = text.len() + 2;
            self.string_ended(role);
            h.string(role, text, at, at + taken)?;
            // The colon nearly always follows at once.
            let colon = role == StringRole::Key && rest.get(taken - 1) == Some(&b':');
            if colon {
                self.state = State::Value;
            }
            return Ok(taken + usize::from(colon));
        }
        self.string.start(role);
        self.state = State::String;
        h.string_begin(role, at)?;
        Ok(1)
    }

    #[inline]
    fn string_ended(&mut self, role: StringRole) {
        match role {
            StringRole::Key => self.state = State::Colon,
            StringRole::Value => self.value_ended(),
        }
    }

    /// Reads on in a string; returns where to go on in the chunk.
    pub(super) fn read_string<H: Handler>(
        &mut self,
        chunk: &[u8],
        at: usize,
        h: &mut H,
    ) -> Result<usize, WireError> {
        let (next, ended) = self.string.read(chunk, at, self.base, h)?;
        if ended {
            self.string_ended(self.string.role());
            h.string_end(self.string.role(), self.base + next)?;
            return self.read_end(chunk, next, h);
        }
        Ok(next)
    }

    /// What often follows the string that ended before `at` of the chunk: the end of its object, and
    /// the comma before the next. Returns where to go on.
    #[inline]
    fn read_end<H: Handler>(
        &mut self,
        chunk: &[u8],
        at: usize,
        h: &mut H,
    ) -> Result<usize, WireError> {
        let in_object = self.state == State::AfterValue && self.objects & 1 == 1;
        if !in_object || chunk.get(at) != Some(&b'}') {
            return Ok(at);
        }
        self.close(Container::Object, self.base + at, h)?;
        let in_array = self.state == State::AfterValue && self.objects & 1 == 0;
        if !in_array || chunk.get(at + 1) != Some(&b',') {
            return Ok(at + 1);
        }
        self.state = State::Value;
        Ok(at + 2)
    }
}
