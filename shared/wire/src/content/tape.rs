//! The values of a JSON text in order, as spans: a tree without copies.

use core::ops::Range;
use std::borrow::Cow;

use super::plain::Plain;
use crate::WireError;
use crate::json::{Container, Handler, Lexer, Literal, StringRole};

/// Deepest nesting that is read, as [`ScanLimits`](crate::request::ScanLimits) has it.
const MAX_DEPTH: u32 = 96;

/// Most values that are read: a prompt of a million token ids, 28 MiB of tape.
pub const MAX_VALUES: usize = 1 << 20;

/// Members of an object up to which keys are compared pair by pair.
const FEW: usize = 16;

/// No value.
const NONE: u32 = u32::MAX;

/// What a value is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// `{…}`
    Object,
    /// `[…]`
    Array,
    /// `"…"`
    String,
    /// A number.
    Number,
    /// `true`, `false`
    Boolean,
    /// `null`
    Null,
}

#[derive(Clone, Copy, Debug)]
struct Entry {
    kind: Kind,
    /// Between the quotes of the key; empty for elements of arrays.
    key: (u32, u32),
    /// The value, quotes and brackets included.
    span: (u32, u32),
    parent: u32,
    /// The entry after this one and all below it.
    after: u32,
}

/// The values of one JSON text, an object or an array.
#[derive(Clone, Debug)]
pub struct Tape {
    entries: Vec<Entry>,
}

impl Tape {
    /// Reads `json`, validating all of it.
    ///
    /// # Errors
    /// What is wrong with it: see [`WireError`]. Duplicate keys are found by [`Value::duplicate`].
    pub fn read(json: &[u8]) -> Result<Self, WireError> {
        let mut lexer = Lexer::of_containers(MAX_DEPTH);
        // A value takes some 20 bytes in events and small bodies; large ones are mostly text.
        let entries = Vec::with_capacity((json.len() / 16).min(256) + 4);
        let mut builder = Builder { json, entries, ..Builder::default() };
        lexer.feed(json, &mut builder)?;
        lexer.finish()?;
        Ok(Self { entries: builder.entries })
    }

    /// The outermost value of the text that was read.
    pub fn root<'t>(&'t self, json: &'t [u8]) -> Value<'t> {
        Value { tape: self, json, index: 0 }
    }

    /// The value at a position that [`Value::index`] told.
    pub fn value<'t>(&'t self, json: &'t [u8], index: usize) -> Option<Value<'t>> {
        self.root(json).at(u32::try_from(index).ok()?)
    }

    /// How many values there are.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// False: a text that could be read has at least one value.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }
}

/// One value of a tape.
#[derive(Clone, Copy)]
pub struct Value<'t> {
    tape: &'t Tape,
    json: &'t [u8],
    index: u32,
}

impl<'t> Value<'t> {
    fn entry(self) -> Option<&'t Entry> {
        self.tape.entries.get(self.index as usize)
    }

    fn at(self, index: u32) -> Option<Self> {
        let exists = (index as usize) < self.tape.entries.len();
        exists.then_some(Self { index, ..self })
    }

    /// Its position in the order of the text; the outermost value is 0.
    pub fn index(self) -> usize {
        self.index as usize
    }

    /// The value before it in the same object or array, if that is no object or array itself.
    pub(super) fn before(self) -> Option<Self> {
        let before = self.at(self.index.checked_sub(1)?)?;
        let beside = self.entry()?.parent == before.entry()?.parent;
        beside.then_some(before)
    }

    /// What it is.
    pub fn kind(self) -> Kind {
        self.entry().map_or(Kind::Null, |entry| entry.kind)
    }

    /// Where it is, quotes and brackets included.
    pub fn span(self) -> Range<usize> {
        self.entry().map_or(0..0, |entry| entry.span.0 as usize..entry.span.1 as usize)
    }

    /// Where its content is: without the quotes, if it is a string.
    pub fn content_span(self) -> Range<usize> {
        let Range { start, end } = self.span();
        if self.kind() == Kind::String { start + 1..end.saturating_sub(1) } else { start..end }
    }

    /// The text of a string; `None` for other values.
    pub fn text(self) -> Option<Cow<'t, str>> {
        if self.kind() != Kind::String {
            return None;
        }
        Plain::of(self.json.get(self.content_span())?).map(Plain::into_text)
    }

    /// Whether it is the string `text`.
    pub fn is(self, text: &str) -> bool {
        self.kind() == Kind::String && self.names(self.content_span(), text)
    }

    /// A whole number that is not negative.
    pub fn number(self) -> Option<u32> {
        if self.kind() != Kind::Number {
            return None;
        }
        core::str::from_utf8(self.json.get(self.span())?).ok()?.parse().ok()
    }

    /// Where the key is, without its quotes; empty for elements of arrays.
    pub fn key_span(self) -> Range<usize> {
        self.entry().map_or(0..0, |entry| entry.key.0 as usize..entry.key.1 as usize)
    }

    /// The key, empty for elements of arrays.
    pub fn key(self) -> Cow<'t, str> {
        let raw = self.json.get(self.key_span()).unwrap_or_default();
        Plain::of(raw).map(Plain::into_text).unwrap_or_default()
    }

    /// The object or array that it is in.
    pub fn parent(self) -> Option<Self> {
        self.at(self.entry()?.parent)
    }

    /// The next value in the order of the text.
    pub fn next(self) -> Option<Self> {
        self.at(self.index.saturating_add(1))
    }

    /// The members of an object or the elements of an array, in order.
    pub fn children(self) -> impl Iterator<Item = Self> {
        let end = self.entry().map_or(0, |entry| entry.after);
        let first = self.index.saturating_add(1);
        let mut next = (first < end).then_some(first);
        core::iter::from_fn(move || {
            let child = self.at(next?)?;
            next = child.entry().map(|entry| entry.after).filter(|after| *after < end);
            Some(child)
        })
    }

    /// The first member of that name, however its key is escaped.
    pub fn get(self, name: &str) -> Option<Self> {
        if self.kind() != Kind::Object {
            return None;
        }
        self.children().find(|child| child.names(child.key_span(), name))
    }

    /// The string under `name`.
    pub fn get_string(self, name: &str) -> Option<Self> {
        self.get(name).filter(|value| value.kind() == Kind::String)
    }

    /// The second of two members of this object that have the same key.
    pub fn duplicate(self) -> Option<Self> {
        if self.kind() != Kind::Object {
            return None;
        }
        // Few keys without escapes, as in nearly all objects, are compared where they stand.
        let mut seen: [&[u8]; FEW] = [&[]; FEW];
        for (count, child) in self.children().enumerate() {
            let key = self.json.get(child.key_span()).unwrap_or_default();
            let before = seen.get(..count).filter(|_| memchr::memchr(b'\\', key).is_none());
            let Some(before) = before else { return self.duplicate_of_many() };
            if before.contains(&key) {
                return Some(child);
            }
            if let Some(slot) = seen.get_mut(count) {
                *slot = key;
            }
        }
        None
    }

    fn duplicate_of_many(self) -> Option<Self> {
        let mut keys: Vec<_> = self.children().map(|child| (child.key(), child.index)).collect();
        weir_sort::sort(&mut keys);
        let same = keys.windows(2).find(|pair| match pair {
            [(first, _), (second, _)] => first == second,
            _ => false,
        })?;
        self.at(same.last()?.1)
    }

    fn names(self, span: Range<usize>, name: &str) -> bool {
        let raw = self.json.get(span).unwrap_or_default();
        if memchr::memchr(b'\\', raw).is_none() {
            return raw == name.as_bytes();
        }
        Plain::of(raw).is_some_and(|plain| plain.text() == name)
    }
}

#[derive(Default)]
struct Builder<'j> {
    json: &'j [u8],
    entries: Vec<Entry>,
    open: Vec<u32>,
    key: (u32, u32),
    string_at: usize,
}

impl Builder<'_> {
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
