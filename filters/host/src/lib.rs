//! The host layer: everything a Weir filter asks of Envoy goes through [`Host`].
//!
//! # What it promises
//! Every call is fallible and takes and returns bytes. A wrong phase, an unknown status code, a
//! missing buffer or a header that is not UTF-8 is a value ([`HostError`] or `None`), never a
//! panic: a trap would kill the VM of the whole worker. So the Rust SDK is not used: it panics on
//! statuses and contexts that it does not know.
//!
//! # What is in it
//! - [`Host`]: the calls. [`Wasm`] makes them, [`FakeHost`] plays Envoy in native tests.
//! - [`metrics`]: counters and histograms, defined once per VM and label set.
//! - [`notice`]: lines in the log that come once a minute at most.
//! - [`hold`]: finds out that `allow_on_headers_stop_iteration` is missing.
//! - [`memory`]: how much of the VM's memory may be in use.
//! - [`Streams`] and [`pending`]: other streams than the callback's own, so that nothing
//!   meant for one that has ended reaches another, and few enough at a time.
//! - [`upstream`]: what a filter of a cluster can ask about its attempt.
//! - [`Host::call`], [`CallAnswer`] and [`Calls`]: HTTP requests to a cluster.
//! - [`RootContext`] and [`HttpContext`]: what Envoy calls.
//! - [`entry!`]: the entry of a module.
//!
//! It also brings the modules' allocator, which keeps small blocks.

#[cfg(test)]
mod abi;
#[cfg_attr(not(target_arch = "wasm32"), allow(dead_code, reason = "for modules"))]
mod allocator;
mod answer;
mod api;
mod call;
mod callbacks;
#[cfg_attr(not(target_arch = "wasm32"), allow(dead_code, reason = "for modules"))]
mod dispatch;
mod entry;
mod error;
#[cfg(target_arch = "wasm32")]
mod exports;
#[cfg(not(target_arch = "wasm32"))]
mod fake;
pub mod hold;
pub mod memory;
pub mod metrics;
pub mod notice;
mod pairs;
pub mod pending;
mod streams;
pub mod tick;
mod turn;
pub mod upstream;
mod wasm;

pub use answer::{CallAnswer, CallCounts, CallOutcome, Calls};
pub use api::{Body, Config, Direction, HeaderMap, Host, LogLevel, MetricKind};
pub use call::{Call, CallToken};
pub use callbacks::{Action, HttpContext, RootContext};
pub use error::HostError;
#[cfg(target_arch = "wasm32")]
pub use exports::begin;
#[cfg(not(target_arch = "wasm32"))]
pub use fake::{FakeHost, LocalReply, SentCall};
pub use pairs::{HeaderBlock, Headers};
pub use streams::Streams;
pub use turn::{MOST_ACTIONS, NotActed, Switch, Turn};
pub use wasm::Wasm;

#[cfg(target_arch = "wasm32")]
#[global_allocator]
static MEMORY: allocator::Keeping<std::alloc::System> = allocator::Keeping::new(std::alloc::System);
