//! Takes the sidecar's snapshots into shared data, where every filter of every worker finds them.
//!
//! `POST /weir/v1/snapshot` checks a snapshot completely (size, signature, challenge, shape, values,
//! order) and stores its compact form. The reply tells the sidecar what is in flight, which pools the
//! policies of this VM name, and what consumers have spent. `GET` of the same path shows the current views as
//! JSON, and `GET /weir/v1/limits` what was spent of limits; both are signed over method, path and time.
//! Everything else is refused with a JSON error that says why. Nothing on the request path of clients ever
//! waits for this.

mod challenge;
mod fleet;
mod known_pools;
mod limits;
mod prefixes;
mod root;
mod shared;
mod slots;
mod spending;
mod store;
mod stream;
#[cfg(test)]
mod tests;

pub use root::Root;

/// `root_id` of this filter in the suite.
pub const ROOT_ID: &str = "intake";

#[cfg(feature = "module")]
weir_host::entry!(|_| Box::new(Root::new(weir_host::Wasm)));
