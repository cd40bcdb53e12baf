//! Functional fields: values that the replica or the client works with, and that are no text.
//!
//! An edit of an identifier, an address, a token or a signature breaks the exchange and protects nobody's
//! data: the replica then cannot fetch the picture, the tool's answer belongs to no call, the next turn is
//! refused. [`FIELDS`] and [`SCHEMA`] list them, each row with its reason. What stands in such a place
//! and does not look like it (an identifier with a space in it) is text all the same.

mod fits;
mod table;

pub use fits::Shape;
pub use table::{FIELDS, Functional, SCHEMA, Under, Use};

pub(super) use table::{rows, schema_keyword};
