//! How a finished reply looks on the wire, in each API.

mod chat;
mod completion;
mod completions;
mod embeddings;
mod messages;
mod responses;

pub(crate) use completion::{Completion, Step, Usage};
pub(crate) use embeddings::embeddings;

use serde_json::Value;

use crate::request::Dialect;

impl Completion {
    /// The body of a reply that is not streamed.
    pub(crate) fn document(&self, dialect: Dialect) -> Value {
        match dialect {
            Dialect::Chat | Dialect::Embeddings => chat::document(self),
            Dialect::Completions => completions::document(self),
            Dialect::Responses => responses::document(self),
            Dialect::Messages => messages::document(self),
        }
    }

    /// The whole stream; its last step is the dialect's mark of a proper end.
    pub(crate) fn stream(&self, dialect: Dialect) -> Vec<Step> {
        match dialect {
            Dialect::Chat | Dialect::Embeddings => chat::stream(self),
            Dialect::Completions => completions::stream(self),
            Dialect::Responses => responses::stream(self),
            Dialect::Messages => messages::stream(self),
        }
    }
}

#[cfg(test)]
mod tests;
