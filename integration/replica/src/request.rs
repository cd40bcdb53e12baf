//! A generation request as the simulated server understands it.

use serde::Deserialize;
use serde_json::Value;

use crate::script::ReplyScript;

/// The API that a path belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Dialect {
    /// `POST /v1/chat/completions`.
    Chat,
    /// `POST /v1/completions`.
    Completions,
    /// `POST /v1/responses`.
    Responses,
    /// `POST /v1/messages`, Anthropic's.
    Messages,
    /// `POST /v1/embeddings`.
    Embeddings,
}

impl Dialect {
    /// The dialect of `path`, if it is one that generates; clouds have OpenAI's below `/openai`.
    pub(crate) fn of_path(path: &str) -> Option<Self> {
        match path.strip_prefix("/openai").unwrap_or(path) {
            "/v1/chat/completions" => Some(Self::Chat),
            "/v1/completions" => Some(Self::Completions),
            "/v1/responses" => Some(Self::Responses),
            "/v1/messages" => Some(Self::Messages),
            "/v1/embeddings" => Some(Self::Embeddings),
            _ => None,
        }
    }
}

/// The fields that matter here, of all dialects together; all others are ignored.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct GenerationRequest {
    pub(crate) model: Option<String>,
    pub(crate) stream: Option<bool>,
    pub(crate) stream_options: Option<StreamOptions>,
    max_tokens: Option<usize>,
    max_completion_tokens: Option<usize>,
    max_output_tokens: Option<usize>,
    pub(crate) n: Option<usize>,
    pub(crate) seed: Option<i64>,
    pub(crate) logprobs: Value,
    pub(crate) top_logprobs: Option<usize>,
    pub(crate) ignore_eos: Option<bool>,
    pub(crate) cache_salt: Option<String>,
    pub(crate) messages: Vec<Message>,
    pub(crate) tools: Value,
    pub(crate) system: Value,
    pub(crate) instructions: Value,
    pub(crate) prompt: Value,
    pub(crate) input: Value,
    pub(crate) encoding_format: Option<String>,
    pub(crate) dimensions: Option<usize>,
    pub(crate) weir_reply: Option<ReplyScript>,
}

/// `stream_options` of the OpenAI dialects.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct StreamOptions {
    pub(crate) include_usage: Option<bool>,
}

/// One message of a conversation.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Message {
    pub(crate) role: Option<String>,
    pub(crate) content: Value,
    pub(crate) tool_calls: Value,
}

/// Most choices that one request may ask for.
const MAX_CHOICES: usize = 128;

impl GenerationRequest {
    /// The largest number of output tokens that the client accepts.
    pub(crate) fn limit(&self) -> Option<usize> {
        self.max_completion_tokens.or(self.max_tokens).or(self.max_output_tokens)
    }

    /// How many choices to make: `n` for each prompt of the request.
    pub(crate) fn choices(&self) -> usize {
        let prompts = match &self.prompt {
            Value::Array(items) if items.iter().all(|item| !item.is_number()) => items.len(),
            _ => 1,
        };
        self.n.unwrap_or(1).saturating_mul(prompts).clamp(1, MAX_CHOICES)
    }

    /// The number of alternatives to report with each token; nothing when none were asked for.
    pub(crate) fn logprob_alternatives(&self) -> Option<usize> {
        match &self.logprobs {
            Value::Bool(true) => Some(self.top_logprobs.unwrap_or(0)),
            Value::Number(count) => count.as_u64().and_then(|count| usize::try_from(count).ok()),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn parsed(body: Value) -> GenerationRequest {
        serde_json::from_value(body).unwrap()
    }

    #[test]
    fn every_prompt_has_n_choices() {
        let cases = [
            (json!({}), 1),
            (json!({"n": 3}), 3),
            (json!({"prompt": ["a", "b"], "n": 2}), 4),
            (json!({"prompt": [1, 2, 3]}), 1),
            (json!({"n": 0}), 1),
            (json!({"n": 1_000_000}), MAX_CHOICES),
        ];
        for (body, expected) in cases {
            assert_eq!(parsed(body.clone()).choices(), expected, "{body}");
        }
    }

    #[test]
    fn logprobs_are_a_flag_in_chat_and_a_number_in_completions() {
        let cases = [
            (json!({}), None),
            (json!({"logprobs": false, "top_logprobs": 2}), None),
            (json!({"logprobs": true}), Some(0)),
            (json!({"logprobs": true, "top_logprobs": 2}), Some(2)),
            (json!({"logprobs": 3}), Some(3)),
        ];
        for (body, expected) in cases {
            assert_eq!(parsed(body.clone()).logprob_alternatives(), expected, "{body}");
        }
    }
}
