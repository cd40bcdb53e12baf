//! Places each request on the replica that will answer soonest.
//!
//! From the request's facts and the pool's current view to an ordered list of endpoints in
//! `x-gateway-destination-endpoint`, which Envoy's `override_host` policy dials in order. Which
//! endpoints those are is decided in `weir-placement`; this crate keeps, per VM, the decoded views
//! and the prefix index, and shares the in-flight counts with the other workers.
//!
//! Load data that is old or missing never stops a request: see `weir_placement::ExpectedTtft`. With
//! no data at all the header is not set and Envoy's fallback policy balances.

mod attempts;
mod failover;
mod judge;
mod load_report;
mod metrics;
mod outstanding;
mod placed;
mod pool;
mod pool_metrics;
mod pools;
mod prefix_sharing;
mod report_metrics;
mod request;
mod response;
mod root;
mod shadow;
mod shadow_comparison;
mod shared;
mod stream;
#[cfg(test)]
mod tests;
mod verdict;
mod whereabouts;

pub use root::Root;
pub use shared::ROOT_ID;

#[cfg(feature = "module")]
weir_host::entry!(|_| Box::new(Root::new(weir_host::Wasm)));
