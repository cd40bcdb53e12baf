//! Numbered names for values, and putting the values back.

use std::cmp::Ordering;
use std::fmt;
use std::sync::Arc;

/// Most pseudonyms of one request: further values are redacted.
const MAX: usize = 4096;

/// One value and its name.
#[derive(Clone)]
struct Pseudonym {
    entity: String,
    value: String,
    number: usize,
    placeholder: String,
}

/// The values of one request that were replaced by names, kept until its response has passed.
///
/// Clients choose what is in it, so all is looked up in order, in which no choice makes it slow.
#[derive(Clone, Default)]
pub struct Pseudonyms {
    known: Vec<Pseudonym>,
    /// Places in `known`, in the order of entity and value, and in that of the names.
    by_value: Vec<usize>,
    by_name: Vec<usize>,
    /// Names that the text has already, sorted.
    reserved: Vec<String>,
    /// Bytes of the longest name.
    longest: usize,
}

/// Most names that a text may have already; more are not told apart.
const MAX_RESERVED: usize = 1024;

/// Longest such name, in bytes without its brackets.
const MAX_NAME: usize = 64;

fn placeholder(entity: &str, number: usize) -> String {
    format!("[{entity}_{number}]")
}

impl Pseudonyms {
    /// The name of a value: `[EMAIL_1]`; the same value gets the same name. `None` when there are
    /// too many.
    pub fn name(&mut self, entity: &str, value: &str) -> Option<&str> {
        let place = match self.search(&self.by_value, |p| (&p.entity, &p.value), (entity, value)) {
            Ok(place) => place,
            Err(_) if self.known.len() >= MAX => return None,
            Err(at) => self.add(at, entity, value),
        };
        self.known.get(place).map(|p| p.placeholder.as_str())
    }

    /// Gives a value a name, `at` its place in their order; answers with its place in `known`.
    fn add(&mut self, at: usize, entity: &str, value: &str) -> usize {
        let place = self.known.len();
        let number = self.free_number(entity);
        let placeholder = placeholder(entity, number);
        self.by_value.insert(at, place);
        let named = self.named(&placeholder);
        self.by_name.insert(named.unwrap_or_else(|at| at), place);
        self.longest = self.longest.max(placeholder.len());
        let (entity, value) = (entity.to_owned(), value.to_owned());
        self.known.push(Pseudonym { entity, value, number, placeholder });
        place
    }

    /// Where in `known` the pseudonym is that has `key`, or else its place in `order`.
    #[inline(never)]
    fn search(
        &self,
        order: &[usize],
        key_of: fn(&Pseudonym) -> (&str, &str),
        key: (&str, &str),
    ) -> Result<usize, usize> {
        let found = order.binary_search_by(|place| {
            self.known.get(*place).map_or(Ordering::Less, |p| key_of(p).cmp(&key))
        });
        found.map(|at| order.get(at).copied().unwrap_or(usize::MAX))
    }

    /// The same by a name.
    fn named(&self, name: &str) -> Result<usize, usize> {
        self.search(&self.by_name, |p| (&p.placeholder, ""), (name, ""))
    }

    /// The number of the next name that neither stands for a value nor in the text.
    fn free_number(&self, entity: &str) -> usize {
        let last = self.known.iter().rev().find(|p| p.entity == entity);
        let mut number = last.map_or(1, |last| last.number + 1);
        while self.reserved.binary_search(&placeholder(entity, number)).is_ok() {
            number += 1;
        }
        number
    }

    /// Leaves the names alone that `text` has already, so that they are not taken for values in the
    /// response. Call before the first value is replaced.
    pub fn reserve(&mut self, text: &str) {
        for piece in text.split('[').skip(1) {
            let Some((name, _)) = piece.split_once(']') else { continue };
            let is_name = name.rsplit_once('_').is_some_and(|(entity, number)| {
                !entity.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit())
            });
            if !is_name || name.len() > MAX_NAME || self.reserved.len() >= MAX_RESERVED {
                continue;
            }
            let name = format!("[{name}]");
            if let Err(at) = self.reserved.binary_search(&name) {
                self.reserved.insert(at, name);
            }
        }
    }

    /// Whether nothing was replaced.
    pub fn is_empty(&self) -> bool {
        self.known.is_empty()
    }

    /// Puts the values back into a whole text.
    pub fn restore(self: &Arc<Self>, text: &str) -> String {
        let mut restorer = Restorer::new(self.clone());
        let mut restored = restorer.push(text);
        restored.push_str(&restorer.finish());
        restored
    }
}

impl fmt::Debug for Pseudonyms {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pseudonyms").field("known", &self.known.len()).finish_non_exhaustive()
    }
}

/// Puts values back into a text that arrives in pieces, also where a name is split over them.
pub struct Restorer {
    names: Arc<Pseudonyms>,
    held: String,
}

impl Restorer {
    /// A restorer at the start of a text.
    pub fn new(names: Arc<Pseudonyms>) -> Self {
        Self { names, held: String::new() }
    }

    /// Takes the next piece; holds back only what could be the beginning of a name.
    pub fn push(&mut self, piece: &str) -> String {
        if self.names.is_empty() {
            return piece.to_owned();
        }
        self.held.push_str(piece);
        let text = std::mem::take(&mut self.held);
        let mut out = String::with_capacity(text.len());
        let mut rest = text.as_str();
        while let Some((before, bracket)) =
            rest.split_once('[').map(|(b, _)| rest.split_at(b.len()))
        {
            out.push_str(before);
            match self.at(bracket) {
                Found::Name(value, length) => {
                    out.push_str(value);
                    rest = bracket.get(length..).unwrap_or_default();
                }
                Found::Beginning => {
                    self.held = bracket.to_owned();
                    return out;
                }
                Found::Nothing => {
                    out.push('[');
                    rest = bracket.get(1..).unwrap_or_default();
                }
            }
        }
        out.push_str(rest);
        out
    }

    /// Ends the text; answers with what was held back.
    pub fn finish(&mut self) -> String {
        std::mem::take(&mut self.held)
    }

    /// Bytes held back at the moment: the end of what came in.
    pub fn held_back(&self) -> usize {
        self.held.len()
    }

    fn at(&self, text: &str) -> Found<'_> {
        let names = &*self.names;
        // A name has its brackets at its ends only.
        let mut inside = text.bytes().enumerate().take(names.longest).skip(1);
        match inside.find(|(_, byte)| b"[]".contains(byte)) {
            Some((end, b']')) => {
                let name = text.get(..=end).unwrap_or_default();
                let found = names.named(name);
                let known = found.ok().and_then(|place| names.known.get(place));
                known.map_or(Found::Nothing, |known| Found::Name(&known.value, name.len()))
            }
            None if text.len() < names.longest => {
                let found = names.named(text);
                let next = names.by_name.get(found.err().unwrap_or(usize::MAX));
                let next = next.and_then(|place| names.known.get(*place));
                let begun = next.is_some_and(|next| next.placeholder.starts_with(text));
                if begun { Found::Beginning } else { Found::Nothing }
            }
            _ => Found::Nothing,
        }
    }
}

impl fmt::Debug for Restorer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Restorer").field("held", &self.held.len()).finish_non_exhaustive()
    }
}

/// What a text that begins with `[` begins with.
enum Found<'p> {
    /// A name, its value and its length.
    Name(&'p str, usize),
    /// The beginning of a name.
    Beginning,
    Nothing,
}
