//! What a request body says.

use core::fmt;
use core::ops::Range;

use weir_fingerprint::Prefix;
use weir_tokens::TextCounts;
use weir_tokens::media::{ImageRule, audio_tokens};

use crate::long_strings::LongStrings;
use crate::path::Operation;

/// The `model` member of a body.
#[derive(Clone, PartialEq, Eq)]
pub struct ModelField {
    /// The name, unescaped.
    pub name: String,
    /// The bytes of the JSON string, quotes included.
    pub span: Range<usize>,
}

impl fmt::Debug for ModelField {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ModelField").field("span", &self.span).finish_non_exhaustive()
    }
}

/// The `stream_options` member of a body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StreamOptions {
    /// The bytes of its value.
    pub span: Range<usize>,
    /// Whether it is an object (otherwise it is `null`) that has members.
    pub has_members: bool,
    /// `include_usage`, and the bytes of its value.
    pub include_usage: Option<(bool, Range<usize>)>,
}

/// Everything the filters need to know of a request body. Holds no text of the prompt.
#[derive(Clone, PartialEq, Eq)]
pub struct RequestFacts {
    /// What the path asked for.
    pub operation: Operation,
    /// The model, if the body names one.
    pub model: Option<ModelField>,
    /// Whether the body asks for a stream.
    pub stream: bool,
    /// OpenAI's `stream_options`.
    pub stream_options: Option<StreamOptions>,
    /// The limit of output tokens, under any of its names.
    pub max_tokens: Option<u64>,
    /// How many choices are asked for.
    pub n: Option<u64>,
    /// The end user that the client names.
    pub user: Option<String>,
    /// What separates this request's KV cache from others'.
    pub cache_salt: Option<String>,
    /// The session that the client names: `session_id`, `metadata.session_id` or
    /// `prompt_cache_key`, the first that is there.
    pub session: Option<String>,
    /// Where the `{` of the body is.
    pub object_open: usize,
    /// Whether the body has any member.
    pub has_members: bool,
    /// How many messages (turns, items) there are.
    pub messages: u32,
    /// How many images are in the messages.
    pub images: u32,
    /// Those of them that are to be looked at in low detail.
    pub images_low: u32,
    /// How many pieces of sound are in the messages.
    pub audio: u32,
    /// Bytes of their data (Base64) or addresses.
    pub audio_base64: u64,
    /// Character-class counts of all text of the prompt; for very long prompts extrapolated from
    /// a sample.
    pub counts: TextCounts,
    /// The fingerprints of the prompt, before their seed is known.
    pub prefix: Prefix,
    /// Hash of the tool definitions, for the seed; 0 if there are none.
    pub tools: u64,
    /// Whether the request must not be run twice: the server keeps the response (`store`), works on when nobody waits
    /// (`background`), or runs a tool (web search, code, files, MCP).
    pub runs_once: bool,
    /// Where the body's long strings are, if the scanner was to note them.
    pub strings: LongStrings,
    /// Length of the body.
    pub body_len: usize,
}

impl RequestFacts {
    /// Estimated tokens of the prompt, with what chat templates put around every message, and pictures
    /// and sound by their makers' rules ([`weir_tokens::media`]).
    pub fn prompt_tokens(&self) -> u32 {
        /// `<|im_start|>`, a line break, `<|im_end|>` and a line break; the role is counted as text.
        const PER_MESSAGE: u32 = 4;
        let text = weir_tokens::estimate(&self.counts);
        let messages = self.messages.saturating_mul(PER_MESSAGE);
        text.saturating_add(messages).saturating_add(self.media_tokens())
    }

    fn media_tokens(&self) -> u32 {
        if self.images == 0 && self.audio == 0 {
            return 0;
        }
        let rule = match self.operation {
            Operation::Messages => ImageRule::Anthropic,
            Operation::GenerateContent | Operation::EmbedContent => ImageRule::Gemini,
            _ => ImageRule::OpenAi,
        };
        let low = self.images_low.saturating_mul(rule.tokens(None, true));
        let full = self.images.saturating_sub(self.images_low);
        let full = full.saturating_mul(rule.tokens(None, false));
        let audio = audio_tokens(self.audio, self.audio_base64);
        low.saturating_add(full).saturating_add(audio)
    }
}

impl fmt::Debug for RequestFacts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RequestFacts")
            .field("operation", &self.operation)
            .field("model", &self.model)
            .field("stream", &self.stream)
            .field("max_tokens", &self.max_tokens)
            .field("messages", &self.messages)
            .field("body_len", &self.body_len)
            .finish_non_exhaustive()
    }
}
