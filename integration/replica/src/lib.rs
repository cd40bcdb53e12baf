//! A simulated vLLM replica: it speaks the wire formats, the metrics and the timing of the real
//! server, so that a gateway can be tested without a GPU.
//!
//! # What it simulates
//! A request waits for a place in the batch, then for its turn at prefill (one at a time, as on a
//! GPU), which takes as long as its uncached tokens need; then its output tokens follow at a steady
//! pace. Prompts are cut into tokens of four bytes and blocks of sixteen tokens, which a bounded LRU
//! cache shares between requests with the same beginning.
//!
//! # What it offers to tests
//! * `x-weir-echo: 1` on a request: the reply carries what arrived, byte for byte, under `weir_echo`
//!   (streams: base64 in the response header `x-weir-echo`).
//! * [`ReplyScript`]: exact texts, channels, trailers, compression, framing, raw bytes.
//! * `/_weir/last`, `/_weir/fail`, `/_weir/reply`, `/_weir/restart`, `/_weir/reset`: look at and change a
//!   replica.
//!
//! # Example
//! ```
//! # tokio::runtime::Runtime::new().unwrap().block_on(async {
//! use weir_replica::{Fleet, Settings, Timing};
//!
//! let settings = Settings { timing: Timing::instant(), ..Settings::default() };
//! let addresses = ["127.0.0.1:0".parse().unwrap(), "127.0.0.1:0".parse().unwrap()];
//! let fleet = Fleet::start(&addresses, settings).await.unwrap();
//! assert_ne!(fleet.replicas()[0].address(), fleet.replicas()[1].address());
//! # });
//! ```

mod adapters;
mod body;
mod cache;
mod control;
mod dialect;
mod echo;
mod engine;
mod failure;
mod fast;
mod generate;
mod prompt;
mod refusal;
mod reply;
mod request;
mod script;
mod server;
mod service;
mod settings;
mod state;
mod telemetry;

pub use cache::{BLOCK_TOKENS, TOKEN_BYTES};
pub use failure::{FailureMode, UnknownFailureMode};
pub use script::{RawReply, ReplyScript, ScriptError, ScriptedChoice, ScriptedToolCall};
pub use server::{Fleet, Replica, StartError};
pub use settings::{Settings, Timing};

use std::sync::{Mutex, MutexGuard, PoisonError};

/// Locks `mutex`; what a panicked holder left is still whole, because no holder panics half-way.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
