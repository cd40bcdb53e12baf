//! What the filters that read a request body have in common.
//!
//! - [`RequestHead`] and [`BodyReader`] look at the headers, take each chunk of a held body from the host once and feed the scanner.
//! - [`Route`] tells which policy the route wants.
//! - [`Handover`] takes what one filter has learned to the next in the same VM.
//! - [`StateKeys`] says what is left in filter state.
//! - [`edit_body`] changes a held body by span.
//! - [`respond`] turns an error into the reply of the request's own dialect.
//! - [`answer_stuck`] answers requests whose body Envoy would never show.

mod edit_body;
mod handover;
mod reader;
mod respond;
mod route;
mod state_keys;

pub use edit_body::{SUMS, edit_body};
pub use handover::{BodyRead, FilterGroup, HandedRequest, Handover};
pub use reader::{BodyReader, RequestHead};
pub use respond::{answer_stuck, respond};
pub use route::Route;
pub use state_keys::{StateKey, StateKeys};

/// Filter state with the compact facts of the request, for later Weir filters.
pub const FACTS: &str = "weir.facts";
