//! Inspecting requests and responses: every text of every dialect, edited by span.
//!
//! `weir-wire` says where text is, `weir-detect` what is sensitive in it; this crate brings the two
//! together. Bodies go in, edited bodies come out, with a [`Report`] that names rules and counts
//! and never a value.
//!
//! # Overview
//! - [`inspect_request`]: a whole request body; [`inspect_request_again`]: with a [`Recall`] of
//!   those before it.
//! - [`inspect_response`]: a whole response body.
//! - [`inspect_error`]: the body of an upstream's error, whatever it is called.
//! - [`StreamGuard`]: a response of server-sent events, chunk by chunk.
//! - [`Shapes`]: what streams learn of the form of events, to be shared.
//! - [`Watch`]: what of a request matters for its response.
//!
//! # The chunk-invariance law
//! For every way to cut a stream into chunks, the concatenated output is byte-identical: events are
//! judged whole, in their order, and the text of a choice goes through one inspector whatever the
//! events are that bring it.

mod arguments;
mod beside;
mod body;
mod channel;
mod ending;
mod envelope;
mod error_body;
mod events;
mod framing;
mod halves;
mod inspection;
mod inspector;
mod limits;
mod piece;
mod queue;
mod readable;
mod recall;
mod report;
mod run;
mod shape;
mod stream;

pub use body::{RequestBody, RequestInspection, inspect_request, inspect_request_again};
pub use error_body::inspect_error;
pub use inspection::{BodyInspection, Refusal, ScanCounts};
pub use limits::MAX_EVENT_BYTES;
pub use recall::Recall;
pub use report::{Outcome, Report, Tally, Trouble};
pub use shape::Shapes;
pub use stream::{StreamGuard, inspect_response};

use std::sync::Arc;

use weir_detect::{Direction, Inspector, Policy, Pseudonyms, SystemPrompt};

/// What of a request matters for inspecting its response.
#[derive(Clone, Debug)]
pub struct Watch {
    /// The policy.
    pub policy: Arc<Policy>,
    /// Whether the rules marked optional are skipped.
    pub saturated: bool,
    /// What must not leak.
    pub system_prompt: Option<Arc<SystemPrompt>>,
    /// The values that the request's pseudonyms stand for.
    pub pseudonyms: Arc<Pseudonyms>,
}

impl Watch {
    /// For a response to a request that was not inspected.
    pub fn new(policy: Arc<Policy>) -> Self {
        let pseudonyms = Arc::new(Pseudonyms::default());
        Self { policy, saturated: false, system_prompt: None, pseudonyms }
    }

    fn inspector(&self, context: &str) -> Inspector {
        let prompt = self.system_prompt.clone();
        let inspector = self.policy.inspector(Direction::Response, self.saturated, prompt);
        if context.is_empty() { inspector } else { inspector.with_context(context) }
    }
}

/// Longest key that is shown to the scanner before a value, in bytes.
const MAX_CONTEXT_KEY: usize = 64;

/// The context of a value in JSON of any form: its key, written as JSON writes it.
fn key_context(key: &str) -> String {
    if key.is_empty() || key.len() > MAX_CONTEXT_KEY {
        return String::new();
    }
    format!("\"{key}\": \"")
}

#[cfg(test)]
mod tests;
