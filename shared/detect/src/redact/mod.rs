//! Applying a policy: edits to whole texts, redacted streams, pseudonyms and their restoring.

mod inspect;
mod pseudonym;
mod replace;

pub use inspect::{Applied, Edit, Inspection, Inspector, Released, apply};
pub use pseudonym::{Pseudonyms, Restorer};
