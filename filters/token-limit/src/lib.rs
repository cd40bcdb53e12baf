//! Limits tokens, cost, requests and concurrency: reserved before, settled after.
//!
//! What a request asks for is reserved before it goes on, for every limit of its policy or for none; what it
//! took is settled when its response has ended. The numbers lie in shared data, so all workers of an
//! Envoy go by the same (`weir_tokens::limits`). Where filters run as one, the router asks this filter
//! before it edits anything ([`weir_request::Limits`]); alone in a chain it reads the body, if no filter
//! before it has.

mod admission;
mod admit;
mod applying;
mod digest_key;
mod fleet;
mod identity;
mod metrics;
mod reply;
mod response;
mod root;
mod settle;
mod shared;
mod slots;
mod spending;
mod stream;
mod unsettled;

pub use root::Root;
pub use shared::ROOT_ID;

#[cfg(feature = "module")]
weir_host::entry!(|_| Box::new(Root::new(weir_host::Wasm)));

#[cfg(test)]
mod tests;
