//! A filter for tests alone: holds, resumes, answers and calls as a request's header `x-probe` says, so that the host layer is
//! tried on real Envoy before a filter of Weir has a use for it. Not in the suite.
//!
//! | `x-probe` | |
//! |---|---|
//! | `hold` | held until the next tick, which sets a header and resumes it |
//! | `storm` | held until [`STORM`] are, then answered with 299, as many per tick as may be |
//! | `call CLUSTER MODE` | asks a replica of that cluster, with `x-weir-fail: MODE`, and answers with what came of it |
//! | `go CLUSTER MODE` | asks, then sets a header and lets the request go |
//! | `leave CLUSTER MODE` | as `call`; when its client has left, the next tick acts on it and makes a call of its own |
//! | `report` | answers with what was noted |

mod root;
mod shared;
mod stream;

pub use root::Root;
pub use shared::STORM;

#[cfg(feature = "module")]
weir_host::entry!(|_| Box::new(Root::new(weir_host::Wasm)));
