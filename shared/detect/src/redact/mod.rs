//! Applying a policy: edits to whole texts, redacted streams, pseudonyms and their restoring.

mod inspect;
mod inspector;
mod pseudonym;
mod replace;

pub use inspect::{Applied, Edit, Inspection, Surroundings, apply};
pub use inspector::{Inspector, Released};
pub use pseudonym::{Pseudonyms, Restorer};
