//! The host layer: everything a Weir filter asks of Envoy goes through [`Host`].
//!
//! # What it promises
//! Every call is fallible and takes and returns bytes. A wrong phase, an unknown status code, a
//! missing buffer or a header that is not UTF-8 is a value ([`HostError`] or `None`), never a
//! panic: a trap would kill the VM of the whole worker. The SDK's callback side is used
//! ([`entry!`]), its call side is not, because it panics on statuses it does not know.
//!
//! # What is in it
//! - [`Host`]: the calls. [`Wasm`] makes them, [`FakeHost`] plays Envoy in native tests.
//! - [`metrics`]: counters and histograms, defined once per VM and label set.
//! - [`hold`]: finds out that `allow_on_headers_stop_iteration` is missing.
//! - [`entry!`]: the exports of a module.
//!
//! It also brings the modules' allocator, which keeps small blocks.

#[cfg_attr(not(any(target_arch = "wasm32", test)), expect(dead_code, reason = "for modules"))]
mod allocator;
mod api;
mod entry;
mod error;
#[cfg(not(target_arch = "wasm32"))]
mod fake;
pub mod hold;
pub mod metrics;
#[cfg(not(target_arch = "wasm32"))]
mod native;
mod pairs;
pub mod tick;
mod wasm;

pub use api::{Body, Config, HeaderMap, Headers, Host, LogLevel, MetricKind};
pub use error::HostError;
#[cfg(not(target_arch = "wasm32"))]
pub use fake::{FakeHost, LocalReply};
pub use pairs::HeaderBlock;
pub use wasm::Wasm;

/// The callback side of the SDK, under one name, so that filters need no other dependency.
pub use proxy_wasm::traits::{Context, HttpContext, RootContext};
pub use proxy_wasm::types::{Action, ContextType};

#[doc(hidden)]
pub use proxy_wasm as sdk;

#[cfg(target_arch = "wasm32")]
#[global_allocator]
static MEMORY: allocator::Keeping<std::alloc::System> = allocator::Keeping::new(std::alloc::System);
