//! What is said of the texts of a body.

use core::ops::Range;
use std::sync::Arc;

use crate::order::order;

/// Which way a body goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// From the client.
    Request,
    /// From the replica.
    Response,
}

/// How a text is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Form {
    /// In a string.
    String,
    /// As JSON in a string: the arguments of a tool call.
    Arguments,
    /// As a number; its replacement has to be a string.
    Number,
    /// In the key of a member.
    Key,
}

/// One text of a body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TextField {
    /// Where it is: between the quotes, or the number.
    pub span: Range<usize>,
    /// How it is written.
    pub form: Form,
    /// Who says it, in requests where a message or the field itself tells: `user`, `system`, `tool`.
    pub role: Option<Role>,
    /// Where its name is, in JSON of any form; else empty: the key that it stands under, or what the
    /// string before says that it is (`{"name": "…", "value": "…"}`).
    pub key: Range<usize>,
    /// The text carries a signature over itself, so that no edit of it can go unnoticed.
    pub signed: bool,
}

/// Who says something.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Role {
    /// One of [`Self::STANDARD`].
    Standard(&'static str),
    /// Any other, as the message says.
    Other(Arc<str>),
}

impl Role {
    /// Those of the dialects' messages; `model` is Gemini's `assistant`.
    pub const STANDARD: [&str; 7] =
        ["user", "assistant", "system", "developer", "tool", "function", "model"];

    /// The role's name.
    pub fn name(&self) -> &str {
        match self {
            Self::Standard(name) => name,
            Self::Other(name) => name,
        }
    }
}

/// Log probabilities, and the object whose text they repeat.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Logprobs {
    /// The value to be replaced by `null`.
    pub value: Range<usize>,
    /// The choice, the part or the event they belong to.
    pub owner: Range<usize>,
}

impl Texts {
    /// The same with the functional fields among the texts, in the order of the body.
    #[must_use]
    pub fn with_functional(mut self) -> Self {
        self.fields.append(&mut self.functional);
        let start = |place: usize| self.fields.get(place).map(|field| field.span.start);
        let ordered = order(self.fields.len(), &|one, other| start(one).cmp(&start(other)));
        self.fields = ordered.into_iter().filter_map(|at| self.fields.get(at).cloned()).collect();
        self
    }
}

/// All texts of a body.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Texts {
    /// In the order of the body.
    pub fields: Vec<TextField>,
    /// Values that the replica or the client works with, see [`FIELDS`](super::FIELDS), in the order of the
    /// body: texts only for who wants to know what a client hides there.
    pub functional: Vec<TextField>,
    /// Where things stand that cannot be inspected: media, files, token ids.
    pub opaque: Vec<usize>,
    /// Where encoded media stand in places of text, told by what they are.
    pub encoded: Vec<usize>,
    /// Log probabilities of a response.
    pub logprobs: Vec<Logprobs>,
    /// Where a key stands a second time in an object of the dialect: which value counts would
    /// depend on the parser.
    pub duplicate: Option<usize>,
}
