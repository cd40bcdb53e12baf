//! One request, as the counts see it.

use crate::load_view::LoadView;
use crate::pick::Pick;

/// One request on its way, as the counts see it. Make it from the pick, keep it with the stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Dispatch {
    /// Key of the replica.
    pub replica: u64,
    /// Prompt tokens that it has to compute.
    pub uncached_tokens: u32,
    /// Time that this should take, in µs.
    pub prefill_us: u32,
    /// Tokens that it holds while it decodes: the prompt, and what is expected to follow.
    pub decode_tokens: u32,
    /// Time in µs to its first token at a replica of the model's pace; 0 where others are in the way, so that it
    /// would tell nothing of the replica.
    pub alone_us: u32,
    /// Whether the response is a stream, whose first token tells when the prefill is done.
    pub streamed: bool,
}

impl Dispatch {
    /// The dispatch of a request to the best endpoint of its pick; `None` if the pick is of another
    /// view. `output_tokens`: those that are expected.
    #[must_use]
    pub fn of(pick: &Pick, view: &LoadView, output_tokens: u32, streamed: bool) -> Option<Self> {
        let replica = view.id(pick.best())?.key();
        let (uncached_tokens, prefill_us) = (pick.uncached_tokens, pick.prefill_us);
        let prompt_tokens = pick.matched_tokens.saturating_add(uncached_tokens);
        let decode_tokens = prompt_tokens.saturating_add(output_tokens);
        let alone_us = pick.alone_us;
        Some(Self { replica, uncached_tokens, prefill_us, decode_tokens, alone_us, streamed })
    }

    /// The same request at another replica, for when a retry went there: what it took says nothing of that one alone.
    #[must_use]
    pub fn moved_to(self, replica: u64) -> Self {
        Self { replica, alone_us: 0, ..self }
    }
}

/// How far a request had come when it ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// No byte of the response had come.
    Prefill,
    /// The response had begun.
    Decode,
}
