//! Where text is in requests, responses and the events of streams.
//!
//! # How
//! [`Tape`] lists the values of a JSON text as spans. [`Texts`] walks it and names every string in
//! which text can stand: all of them but the few that only steer the protocol (`role`, `type`, a
//! request's `model`, a response's `id`). A member that is not known is text, so a new field of an
//! API is inspected before anybody here has heard of it. [`EventTexts`] says of one event of a
//! stream which texts go on from event to event, and what ends them.
//!
//! [`Plain`] is the text of one string with the way back to its bytes, so that it can be edited by
//! span.

mod event;
mod field;
mod functional;
mod label;
mod media;
mod members;
mod plain;
mod protocol;
mod tape;
mod texts;

pub use crate::long_strings::LongStrings;
pub(crate) use event::is_empty;
pub use event::{Channel, Choices, Delta, Ended, EventTexts, Repeats, Scope};
pub use field::{Form, Logprobs, Role, Side, TextField, Texts};
pub use functional::{FIELDS, Functional, SCHEMA, Shape, Under, Use};
pub use label::{is_named_before, is_option, names_next};
pub use media::{is_encoded, is_media, is_within_media};
pub use plain::{NoEscape, Plain, unescape_one};
pub use tape::{Kind, MAX_VALUES, Tape, Value};

#[cfg(test)]
mod tests;
