//! What the filters that read a request body have in common.
//!
//! - [`RequestHead`] and [`BodyReader`] look at the headers, take each chunk of a held body from the host once, and feed the scanner.
//! - [`Consumer`] says who is asking. [`CLAIMS`] are the headers of a client that count only where somebody vouches for them.
//! - [`Route`] tells which policy a request has.
//! - [`facts_before`] reads the facts that a filter before has left in filter state.
//! - [`Handover`] takes what one filter has learned to the next in the same VM.
//! - [`Limits`] is what the router asks before it lets a request go, and [`Meter`] counts what a response uses.
//! - [`Held`] and [`check_memory`] bound what all streams of a VM hold together.
//! - [`StateKeys`] says what is left in filter state.
//! - [`edit_body`] changes a held body by span.
//! - [`respond`] turns an error into the reply of the request's own dialect.
//! - [`answer_stuck`] answers requests whose body Envoy would never show.

mod consumer;
mod edit_body;
mod facts_before;
mod handover;
mod held;
mod limits;
mod reader;
mod respond;
mod route;
mod state_keys;

pub use consumer::Consumer;
pub use edit_body::{SUMS, edit_body};
pub use facts_before::facts_before;
pub use handover::{BodyRead, FilterGroup, HandedRequest, Handover};
pub use held::{Held, check_memory, note_ended};
pub use limits::{Applicant, Limits, Meter, Verdict};
pub use reader::{BodyReader, RequestHead};
pub use respond::{NO_REPLICA_ANSWERED, answer_stuck, respond, respond_with};
pub use route::{ROUTE_WAS_LEFT, Route, RouteCheck};
pub use state_keys::{StateKey, StateKeys};
pub use weir_headers::CLAIMS;

/// Filter state with the compact facts of the request, for later Weir filters.
pub const FACTS: &str = "weir.facts";
