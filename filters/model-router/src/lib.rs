//! Reads the model name from a request and routes by it.
//!
//! Holds the request's headers, reads the body once, resolves the model by the route's policy,
//! and then sets `x-gateway-model-name` and `x-gateway-base-model-name`, which makes Envoy choose
//! the route again; an alias is replaced in the body, that span only. Later filters find what was
//! learned in filter state: `weir.facts` (compact), `weir.model` and `weir.pool` (readable).

mod asking;
mod choice;
mod decision;
mod degradation;
mod effects;
mod models;
mod root;
mod shared;
mod split;
mod stream;

pub use root::Root;

/// `root_id` of this filter in the suite.
pub const ROOT_ID: &str = "model-router";

#[cfg(feature = "module")]
weir_host::entry!(|_| Box::new(Root::new(weir_host::Wasm)));
