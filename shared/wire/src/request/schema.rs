//! Which fields of which dialect mean what, as tables.

mod slot;
mod tables;

pub(super) use slot::{Expected, Row, Slot};

use crate::path::Operation;
use tables::{
    CHAT, COMPLETIONS, COUNT_TOKENS, GEMINI, GENERATION, ITEM, KSERVE, MEDIA, MESSAGES, METADATA,
    POOLING, RESPONSES,
};

/// The rows of role and content in the table of a message, as bits.
pub(super) const ROLE_AND_CONTENT: u64 = 0b11;

const _: () = assert!(matches!(ITEM, [(_, Slot::Role), (_, Slot::Content), ..]));

/// The members that mean something in an object of this kind.
pub(super) const fn members(operation: Operation, object: Slot) -> &'static [Row] {
    match object {
        Slot::Top => top(operation),
        Slot::StreamOptions => &[(&["include_usage"], Slot::IncludeUsage)],
        Slot::Metadata => METADATA,
        Slot::Generation => GENERATION,
        Slot::Message | Slot::Part => ITEM,
        Slot::Image | Slot::Audio | Slot::Media => MEDIA,
        Slot::Tensor => &[(&["data"], Slot::TensorData)],
        _ => &[],
    }
}

const fn top(operation: Operation) -> &'static [Row] {
    match operation {
        Operation::ChatCompletions => CHAT,
        Operation::Completions => COMPLETIONS,
        Operation::Embeddings | Operation::Rerank | Operation::Score | Operation::Moderations => {
            POOLING
        }
        Operation::Responses => RESPONSES,
        Operation::Messages => MESSAGES,
        Operation::CountTokens => COUNT_TOKENS,
        Operation::GenerateContent | Operation::EmbedContent => GEMINI,
        Operation::Infer | Operation::Generate => KSERVE,
        Operation::ListModels | Operation::RetrieveModel => &[],
    }
}
