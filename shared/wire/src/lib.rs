//! API dialects: request and response facts with byte spans, SSE, span edits, error bodies.
//!
//! # Overview
//! - [`beginning`]: what a body is, whatever its headers call it.
//! - [`path`]: which API a request speaks, from its method and path.
//! - [`name`]: which texts may be the name of a model.
//! - [`request`]: facts of a JSON request body, read once in chunks, with byte spans.
//! - [`facts`]: what the filters of one chain tell each other, as bytes.
//! - [`content`]: where text is in requests, responses and events.
//! - [`edit`]: changes to a body by span, every other byte kept.
//! - [`error`]: refusals in the form that the client's dialect expects.
//! - [`sse`] and [`response`]: events and usage of a response; [`array`]: a stream that is a JSON array.
//! - [`same`]: bytes compared fast.
//!
//! Nothing here panics, recurses, reads a clock, or keeps prompt text.

pub mod array;
pub mod beginning;
pub mod content;
pub mod edit;
pub mod error;
pub mod facts;
mod json;
mod long_strings;
pub mod name;
mod order;
pub mod path;
pub mod request;
pub mod response;
mod same;
pub mod sse;
mod wire_error;

pub use same::same;
pub use wire_error::WireError;
