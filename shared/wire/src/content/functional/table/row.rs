//! A row of the table.

use crate::content::functional::Shape;

/// What a functional member is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Use {
    /// The value, each of a list of them, or (of an object) what the table says of its members.
    Value(Shape),
    /// All that is below it, names included.
    Each(Shape),
    /// JSON of any form, for whose members the table holds again; by itself it is text.
    Holder,
    /// A JSON schema: see [`SCHEMA`].
    Schema,
}

/// Where a member is functional.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Under {
    /// In every object of a dialect.
    Any,
    /// In objects whose `type` is one of these.
    Types(&'static [&'static str]),
    /// In objects under these names, or in lists under them.
    Names(&'static [&'static str]),
}

/// A row: members that are functional for one reason.
#[derive(Clone, Copy, Debug)]
pub struct Functional {
    /// The members' names.
    pub names: &'static [&'static str],
    /// Where.
    pub under: Under,
    /// What they are.
    pub is: Use,
    /// Why an edit would break something.
    pub reason: &'static str,
}

pub(super) const fn row(
    names: &'static [&'static str],
    under: Under,
    is: Use,
    reason: &'static str,
) -> Functional {
    Functional { names, under, is, reason }
}
