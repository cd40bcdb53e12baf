//! The members of each kind of object.

use super::slot::{Row, Slot};

pub(super) const CHAT: &[Row] = &[
    (&["model"], Slot::Model),
    (&["messages"], Slot::Messages),
    (&["stream"], Slot::Stream),
    (&["stream_options"], Slot::StreamOptions),
    (&["max_completion_tokens"], Slot::MaxOutput),
    (&["max_tokens"], Slot::MaxTokens),
    (&["n"], Slot::Choices),
    (&["user"], Slot::User),
    (&["cache_salt"], Slot::CacheSalt),
    (&["session_id"], Slot::Session),
    (&["prompt_cache_key"], Slot::CacheKey),
    (&["metadata"], Slot::Metadata),
    (&["tools"], Slot::ToolList),
    (&["functions"], Slot::Tools),
    (&["documents"], Slot::Tools),
    (&["prompt"], Slot::Prompt),
    (&["store"], Slot::Store),
    (&["background"], Slot::Background),
    (&["web_search_options"], Slot::ServerWork),
];

pub(super) const COMPLETIONS: &[Row] = &[
    (&["model"], Slot::Model),
    (&["prompt"], Slot::Prompt),
    (&["stream"], Slot::Stream),
    (&["stream_options"], Slot::StreamOptions),
    (&["max_tokens"], Slot::MaxTokens),
    (&["max_completion_tokens"], Slot::MaxOutput),
    (&["n"], Slot::Choices),
    (&["best_of"], Slot::Choices),
    (&["user"], Slot::User),
    (&["cache_salt"], Slot::CacheSalt),
    (&["session_id"], Slot::Session),
    (&["prompt_cache_key"], Slot::CacheKey),
    (&["metadata"], Slot::Metadata),
    (&["suffix"], Slot::Text),
];

pub(super) const POOLING: &[Row] = &[
    (&["model"], Slot::Model),
    (&["input"], Slot::Prompt),
    (&["query"], Slot::Prompt),
    (&["queries"], Slot::Prompt),
    (&["documents"], Slot::Prompt),
    (&["text_1"], Slot::Prompt),
    (&["text_2"], Slot::Prompt),
    (&["data_1"], Slot::Prompt),
    (&["data_2"], Slot::Prompt),
    (&["items"], Slot::Prompt),
    (&["messages"], Slot::Messages),
    (&["user"], Slot::User),
    (&["cache_salt"], Slot::CacheSalt),
    (&["session_id"], Slot::Session),
];

pub(super) const RESPONSES: &[Row] = &[
    (&["model"], Slot::Model),
    (&["input"], Slot::Items),
    (&["instructions"], Slot::Preamble),
    (&["stream"], Slot::Stream),
    (&["stream_options"], Slot::StreamOptions),
    (&["max_output_tokens"], Slot::MaxOutput),
    (&["user"], Slot::User),
    (&["safety_identifier"], Slot::User),
    (&["cache_salt"], Slot::CacheSalt),
    (&["session_id"], Slot::Session),
    (&["prompt_cache_key"], Slot::CacheKey),
    (&["metadata"], Slot::Metadata),
    (&["tools"], Slot::ToolList),
    (&["prompt"], Slot::Raw),
    (&["store"], Slot::Store),
    (&["background"], Slot::Background),
    // What is said is added to it.
    (&["conversation"], Slot::ServerWork),
];

pub(super) const MESSAGES: &[Row] = &[
    (&["model"], Slot::Model),
    (&["messages"], Slot::Messages),
    (&["system"], Slot::Preamble),
    (&["stream"], Slot::Stream),
    (&["max_tokens"], Slot::MaxTokens),
    (&["metadata"], Slot::Metadata),
    (&["tools"], Slot::ToolList),
    (&["cache_salt"], Slot::CacheSalt),
    (&["session_id"], Slot::Session),
    (&["mcp_servers"], Slot::ServerWork),
    (&["container"], Slot::ServerWork),
];

/// Anthropic's and Gemini's token counting take the members of the request to count.
pub(super) const COUNT_TOKENS: &[Row] = &[
    (&["model"], Slot::Model),
    (&["messages"], Slot::Messages),
    (&["system"], Slot::Preamble),
    (&["tools"], Slot::Tools),
    (&["contents"], Slot::Messages),
    (&["systemInstruction", "system_instruction"], Slot::Preamble),
];

pub(super) const GEMINI: &[Row] = &[
    (&["contents"], Slot::Messages),
    (&["content"], Slot::Prompt),
    (&["systemInstruction", "system_instruction"], Slot::Preamble),
    (&["tools"], Slot::ToolList),
    (&["generationConfig", "generation_config"], Slot::Generation),
    (&["session_id"], Slot::Session),
];

pub(super) const KSERVE: &[Row] = &[
    (&["text_input"], Slot::Prompt),
    (&["prompt"], Slot::Prompt),
    (&["inputs"], Slot::Tensors),
    (&["stream"], Slot::Stream),
    (&["max_tokens"], Slot::MaxTokens),
    (&["parameters"], Slot::Generation),
    (&["session_id"], Slot::Session),
];

pub(super) const GENERATION: &[Row] = &[
    (&["maxOutputTokens", "max_output_tokens"], Slot::MaxOutput),
    (&["max_tokens"], Slot::MaxTokens),
    (&["candidateCount", "candidate_count"], Slot::Choices),
    (&["stream"], Slot::Stream),
];

pub(super) const METADATA: &[Row] = &[(&["session_id"], Slot::Session), (&["user_id"], Slot::User)];

/// Messages, items and parts have so much in common that one table serves all. Role and content are the
/// first two, as [`ROLE_AND_CONTENT`](super::ROLE_AND_CONTENT) says.
pub(super) const ITEM: &[Row] = &[
    (&["role"], Slot::Role),
    (&["content"], Slot::Content),
    (&["type"], Slot::Kind),
    (&["text"], Slot::Text),
    (&["parts"], Slot::Content),
    (&["name"], Slot::Text),
    (&["tool_calls"], Slot::Raw),
    (&["function_call", "functionCall"], Slot::Raw),
    (&["functionResponse", "function_response"], Slot::Raw),
    (&["image_url", "imageUrl"], Slot::Image),
    (&["image"], Slot::Image),
    (&["input_audio", "inputAudio"], Slot::Audio),
    (&["audio_url", "audioUrl"], Slot::Audio),
    (&["audio"], Slot::Audio),
    (&["video_url", "videoUrl"], Slot::Media),
    (&["file"], Slot::Media),
    (&["file_data", "fileData"], Slot::Media),
    (&["inline_data", "inlineData"], Slot::Media),
    (&["source"], Slot::Media),
    (&["refusal"], Slot::Text),
    (&["reasoning_content"], Slot::Text),
    (&["reasoning"], Slot::Text),
    (&["thinking"], Slot::Text),
    (&["summary"], Slot::Content),
    (&["input"], Slot::Raw),
    (&["arguments"], Slot::Text),
    (&["output"], Slot::Content),
    (&["title"], Slot::Text),
    (&["context"], Slot::Text),
    (&["executableCode", "executable_code"], Slot::Raw),
    (&["codeExecutionResult", "code_execution_result"], Slot::Raw),
    (&["detail"], Slot::Detail),
];

pub(super) const MEDIA: &[Row] = &[
    (&["url"], Slot::MediaData),
    (&["data"], Slot::MediaData),
    (&["file_data"], Slot::MediaData),
    (&["file_id"], Slot::MediaData),
    (&["fileUri", "file_uri"], Slot::MediaData),
    (&["content"], Slot::Content),
    (&["type"], Slot::Kind),
    (&["mimeType", "mime_type"], Slot::Kind),
    (&["media_type"], Slot::Kind),
    (&["filename"], Slot::Text),
    (&["detail"], Slot::Detail),
];
