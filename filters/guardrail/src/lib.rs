//! Inspects, redacts and blocks prompts and responses, streams included.
//!
//! Holds a request's headers while its body is read, edits or refuses it, and does the same with
//! the response: a whole body is held, a stream passes event by event. What is sensitive and what
//! happens to it is the policy's matter (`weir-detect`), where text is and how it is edited
//! `weir-guard`'s. Filter state `weir.guard` and the metrics name rules and counts, never a value.

mod audit;
mod request;
mod response;
mod root;
mod shared;
mod stream;
mod timing;

pub use root::Root;
pub use shared::ROOT_ID;

#[cfg(feature = "module")]
weir_host::entry!(|_| Box::new(Root::new(weir_host::Wasm)));

#[cfg(test)]
mod tests;
