//! A filter that runs once per attempt, in a cluster (`HttpProtocolOptions.http_filters`): which replica was asked, and
//! how it went. Filters of a listener see a request's last attempt only.
//!
//! It lets everything pass unchanged, but for streams that endpoint-picker has marked ([`mark`]). It holds those until
//! their first token, so that Envoy can still ask another replica. What it sees goes to [`Attempts`], of which each VM
//! has one. With the `vm_id`, code and VM configuration of the listener's filters it runs in their VM, so they can read it.

mod attempts;
mod beginning;
mod failover;
mod log_state;
mod metrics;
mod renaming;
mod root;
mod shared;
mod stream;
#[cfg(test)]
mod tests;

pub use attempts::{AttemptEnd, AttemptEvent, AttemptOutcome, Attempts, Cursor};
pub use failover::mark;
pub use root::Root;

/// `root_id` of this filter in the suite.
pub const ROOT_ID: &str = "attempt";

#[cfg(feature = "module")]
weir_host::entry!(|_| Box::new(Root::new(weir_host::Wasm)));
