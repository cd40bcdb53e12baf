//! Makes a tape of what a reader of JSON tells.

use core::ops::Range;

use super::entry::{Entry, Kind, MAX_VALUES, NONE};
use crate::WireError;
use crate::json::{Container, Handler, Literal, StringRole};

#[derive(Default)]
pub(super) struct Builder<'j> {
    pub(super) json: &'j [u8],
    pub(super) entries: Vec<Entry>,
    pub(super) open: Vec<u32>,
    key: (u32, u32),
    string_at: usize,
}

impl<'j> Builder<'j> {
    pub(super) fn new(json: &'j [u8]) -> Self {
        // A value takes some 20 bytes in events and small bodies; large ones are mostly text.
        let entries = Vec::with_capacity((json.len() / 16).min(256) + 4);
        Self { json, entries, ..Self::default() }
    }

    /// What a string in the innermost container is for, if it comes after a comma.
    pub(super) fn role(&self) -> StringRole {
        let innermost = self.open.last().and_then(|index| self.entries.get(*index as usize));
        match innermost {
            Some(Entry { kind: Kind::Object, .. }) => StringRole::Key,
            _ => StringRole::Value,
        }
    }

    /// Where the last value ends.
    pub(super) fn end(&self) -> usize {
        self.entries.last().map_or(0, |entry| entry.span.1 as usize)
    }

    fn push(&mut self, kind: Kind, span: Range<usize>) -> Result<(), WireError> {
        if self.entries.len() >= MAX_VALUES {
            return Err(WireError::TooManyValues { at: span.start, limit: MAX_VALUES });
        }
        let parent = self.open.last().copied().unwrap_or(NONE);
        let key = core::mem::take(&mut self.key);
        let after = narrow(self.entries.len() + 1);
        let span = (narrow(span.start), narrow(span.end));
        self.entries.push(Entry { kind, key, span, parent, after });
        Ok(())
    }
}

/// Bodies are far below 4 GiB: a VM has 1 GiB of memory.
fn narrow(offset: usize) -> u32 {
    u32::try_from(offset).unwrap_or(NONE)
}

impl Handler for Builder<'_> {
    fn open(&mut self, container: Container, at: usize) -> Result<(), WireError> {
        let kind = match container {
            Container::Object => Kind::Object,
            Container::Array => Kind::Array,
        };
        self.push(kind, at..at)?;
        self.open.push(narrow(self.entries.len() - 1));
        Ok(())
    }

    fn close(&mut self, _container: Container, end: usize) -> Result<(), WireError> {
        let after = narrow(self.entries.len());
        let opened = self.open.pop().and_then(|index| self.entries.get_mut(index as usize));
        if let Some(entry) = opened {
            entry.span.1 = narrow(end);
            entry.after = after;
        }
        Ok(())
    }

    fn string_begin(&mut self, _role: StringRole, at: usize) -> Result<(), WireError> {
        self.string_at = at;
        Ok(())
    }

    #[inline]
    fn text(&mut self, _piece: &[u8]) {}

    fn string_end(&mut self, role: StringRole, end: usize) -> Result<(), WireError> {
        if role == StringRole::Key {
            self.key = (narrow(self.string_at + 1), narrow(end.saturating_sub(1)));
            return Ok(());
        }
        self.push(Kind::String, self.string_at..end)
    }

    fn number(&mut self, _text: &[u8], at: usize) -> Result<(), WireError> {
        let rest = self.json.get(at..).unwrap_or_default();
        let part = |byte: &u8| byte.is_ascii_digit() || b"+-.eE".contains(byte);
        let len = rest.iter().take_while(|byte| part(byte)).count();
        self.push(Kind::Number, at..at + len)
    }

    fn literal(&mut self, literal: Literal, at: usize) -> Result<(), WireError> {
        let kind = if literal == Literal::Null { Kind::Null } else { Kind::Boolean };
        self.push(kind, at..at + literal.text().len())
    }
}
