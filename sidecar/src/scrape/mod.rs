//! What one poll of a replica's metrics page says.

mod error;
mod gather;
mod metrics;
mod model_server;
mod page;
mod sample;

pub(crate) use error::{Outcome, PollError, Severity};
pub(crate) use metrics::{FirstTokens, Life, Metrics, Page};
#[cfg(test)]
pub(crate) use metrics::{Flaw, Problem};
pub(crate) use model_server::ModelServer;
pub(crate) use page::{PageError, lines, read, text_of};
pub(crate) use sample::Sample;
