//! What the filters that read a request body have in common.
//!
//! - [`Opening`] and [`BodyReader`] look at the headers and take each chunk of a held body from the host once and feeds the scanner.
//! - [`policy_for`] asks which policy the route wants.
//! - [`edit_body`] changes a held body by span.
//! - [`respond`] turns an error into the reply of the request's own dialect.
//! - [`answer_stuck`] answers requests whose body Envoy would never show.

mod edit_body;
mod reader;
mod respond;
mod route;

pub use edit_body::edit_body;
pub use reader::{BodyReader, Opening};
pub use respond::{answer_stuck, respond};
pub use route::policy_for;

/// Filter state with the compact facts of the request, for later Weir filters.
pub const FACTS: &str = "weir.facts";
