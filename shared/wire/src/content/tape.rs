//! The values of a JSON text in order, as spans: a tree without copies.

mod builder;
mod entry;
mod valid;

pub use entry::{Kind, MAX_VALUES};

use core::ops::Range;
use std::borrow::Cow;

use super::plain::Plain;
use crate::json::Lexer;
use crate::long_strings::LongStrings;
use crate::order::order;
use crate::{WireError, same};
use builder::Builder;
use entry::{Entry, MAX_DEPTH};

/// Members of an object up to which keys are compared pair by pair.
const FEW: usize = 16;

/// The values of one JSON text: an object, an array, a string or `null`.
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
        let mut lexer = Lexer::of_values(MAX_DEPTH);
        let mut builder = Builder::new(json);
        lexer.feed(json, &mut builder)?;
        lexer.finish()?;
        Ok(Self { entries: builder.entries })
    }

    /// Reads `json` that [`RequestScanner`](crate::request::RequestScanner) has accepted, so that it
    /// need not be validated again. The long strings that it noted are passed over without looking into
    /// them; there may be none.
    ///
    /// # Errors
    /// Nesting too deep, too many values, or something else that is wrong with it after all.
    pub fn read_valid(json: &[u8], long: &LongStrings) -> Result<Self, WireError> {
        let mut builder = Builder::new(json);
        valid::read(&mut builder, long)?;
        match builder.entries.first() {
            Some(Entry { kind: Kind::Object | Kind::Array, .. }) => {
                Ok(Self { entries: builder.entries })
            }
            _ => Err(WireError::NotAnObject { at: 0 }),
        }
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

    /// Whether it is `true`.
    pub fn is_true(self) -> bool {
        self.kind() == Kind::Boolean && self.json.get(self.span().start) == Some(&b't')
    }

    /// A whole number that is not negative, which some servers write as a string.
    pub fn number(self) -> Option<u32> {
        let digits = self.json.get(self.content_span()).filter(|digits| !digits.is_empty())?;
        digits.iter().try_fold(0_u32, |number, byte| {
            let digit = char::from(*byte).to_digit(10)?;
            number.checked_mul(10)?.checked_add(digit)
        })
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
            let before = seen.get(..count).filter(|_| !has_escape(key));
            let Some(before) = before else { return self.duplicate_of_many() };
            if before.iter().any(|other| same(other, key)) {
                return Some(child);
            }
            if let Some(slot) = seen.get_mut(count) {
                *slot = key;
            }
        }
        None
    }

    fn duplicate_of_many(self) -> Option<Self> {
        let keys: Vec<_> = self.children().map(|child| (child.key(), child.index)).collect();
        let key = |place: usize| keys.get(place).map(|(key, _)| key.as_bytes());
        let ordered = order(keys.len(), &|one, other| key(one).cmp(&key(other)));
        let same = ordered.windows(2).find(|pair| match pair {
            [first, second] => key(*first) == key(*second),
            _ => false,
        })?;
        self.at(keys.get(*same.last()?)?.1)
    }

    fn names(self, span: Range<usize>, name: &str) -> bool {
        let raw = self.json.get(span).unwrap_or_default();
        // Escapes are longer than what they stand for.
        if raw.len() <= name.len() || !has_escape(raw) {
            return same(raw, name.as_bytes());
        }
        Plain::of(raw).is_some_and(|plain| plain.text() == name)
    }

    /// Whether its key is `name`.
    pub(super) fn is_named(self, name: &str) -> bool {
        self.names(self.key_span(), name)
    }
}

/// Whether a string has escapes. Most that are asked about are short names.
fn has_escape(raw: &[u8]) -> bool {
    match raw.len() {
        0..16 => raw.contains(&b'\\'),
        _ => memchr::memchr(b'\\', raw).is_some(),
    }
}
