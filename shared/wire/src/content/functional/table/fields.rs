//! The members of requests and responses that are functional.

use super::row::Under::{Any, Names, Types};
use super::row::Use::{Each, Holder, Schema, Value};
use super::row::{Functional, row};
use crate::content::functional::Shape::{Address, Cipher, Exact, Identifier, Name};

/// Members of requests and responses.
///
/// Not in it, on purpose: `metadata`, `user`, `safety_identifier` and Anthropic's `metadata.user_id` (names of
/// people stand there, and nobody computes with them), `url_citation.url` (a model writes it, so it can
/// carry data away), a message's `name`, tool arguments and what tools answer.
pub static FIELDS: &[Functional] = &[
    // All dialects.
    row(&["model"], Any, Value(Identifier), "chooses what answers; model-router has checked it"),
    row(
        &["id", "call_id", "tool_call_id", "tool_use_id", "approval_request_id", "item_id"],
        Any,
        Value(Identifier),
        "ties a tool's answer, an approval or a delta to its call: two edited alike become one",
    ),
    row(
        &[
            "previous_response_id",
            "response_id",
            "conversation",
            "conversation_id",
            "thread_id",
            "assistant_id",
            "message_id",
            "request_id",
            "session_id",
            "batch_id",
        ],
        Any,
        Value(Identifier),
        "names state that the replica keeps",
    ),
    row(
        &[
            "file_ids",
            "vector_store_id",
            "vector_store_ids",
            "container",
            "container_id",
            "skill_id",
            "connector_id",
            "cachedContent",
            "cached_content",
        ],
        Any,
        Value(Identifier),
        "names what was uploaded before",
    ),
    row(
        &["prompt_cache_key", "cache_salt"],
        Any,
        Value(Identifier),
        "keys of the replica's cache: two edited alike share it",
    ),
    row(
        &["name"],
        Names(&[
            "function",
            "custom",
            "functionCall",
            "function_call",
            "functionResponse",
            "function_response",
            "functionDeclarations",
            "function_declarations",
            "tools",
            "functions",
            "tool_choice",
            "json_schema",
            "format",
        ]),
        Value(Name),
        "the name that calls and answers of a tool have in common",
    ),
    row(
        &["name", "tool_name"],
        Types(&[
            "function",
            "function_call",
            "custom_tool_call",
            "tool_use",
            "server_tool_use",
            "mcp_tool_use",
            "mcp_call",
            "tool_reference",
        ]),
        Value(Name),
        "the name that calls and answers of a tool have in common",
    ),
    row(
        &["url"],
        Names(&[
            "image_url",
            "imageUrl",
            "audio_url",
            "audioUrl",
            "video_url",
            "videoUrl",
            "source",
        ]),
        Value(Address),
        "the replica fetches it; a signed URL has its signature in the query",
    ),
    row(
        &["image_url", "imageUrl", "audio_url", "audioUrl", "video_url", "videoUrl", "file_url"],
        Any,
        Value(Address),
        "the replica fetches it; a signed URL has its signature in the query",
    ),
    row(
        &["stop", "stop_sequences", "stopSequences", "bad_words"],
        Any,
        Value(Exact),
        "compared with the answer byte by byte, and never shown to the model",
    ),
    row(
        &["logit_bias"],
        Any,
        Each(Identifier),
        "its keys are token ids, which may pass a check digit",
    ),
    // Signatures and ciphertext that only their maker reads.
    row(
        &[
            "signature",
            "thoughtSignature",
            "thought_signature",
            "encrypted_content",
            "encrypted_index",
            "encrypted_stdout",
            "encrypted_reasoning",
            "reasoning_opaque",
        ],
        Any,
        Value(Cipher),
        "ciphertext or a signature that its maker checks with the next turn",
    ),
    row(
        &["data"],
        Types(&["redacted_thinking", "reasoning.encrypted"]),
        Value(Cipher),
        "ciphertext that its maker reads with the next turn",
    ),
    // MCP servers: Anthropic's list, and tools of type `mcp` of the Responses API.
    row(&["mcp_servers"], Any, Holder, "servers that the replica calls"),
    row(&["url"], Names(&["mcp_servers"]), Value(Address), "the replica calls the server by it"),
    row(&["server_url"], Any, Value(Address), "the replica calls the server by it"),
    row(
        &["authorization_token", "headers", "authorization"],
        Names(&["mcp_servers"]),
        Each(Exact),
        "credentials that the client gives for the server; without them the call fails",
    ),
    row(
        &["authorization_token", "headers", "authorization"],
        Types(&["mcp"]),
        Each(Exact),
        "credentials that the client gives for the server; without them the call fails",
    ),
    // Schemas, and objects that hold them.
    row(
        &[
            "parameters",
            "input_schema",
            "inputSchema",
            "output_schema",
            "outputSchema",
            "parametersJsonSchema",
            "responseJsonSchema",
            "response_json_schema",
            "responseSchema",
            "response_schema",
            "schema",
            "guided_json",
        ],
        Any,
        Schema,
        "a JSON schema: values that the model's answer is held to, see the second table",
    ),
    row(
        &[
            "response_format",
            "json_schema",
            "format",
            "output_format",
            "output_config",
            "text",
            "tool_choice",
            "generationConfig",
            "generation_config",
            "functionDeclarations",
            "function_declarations",
            "structured_outputs",
            "tool_resources",
            "file_search",
            "code_interpreter",
            "extra_content",
            "google",
            "skills",
        ],
        Any,
        Holder,
        "objects of the dialects in which such fields stand",
    ),
    row(
        &[
            "guided_choice",
            "choice",
            "guided_regex",
            "regex",
            "guided_grammar",
            "grammar",
            "definition",
        ],
        Names(&["", "structured_outputs", "format", "grammar"]),
        Value(Exact),
        "what the answer is held to letter by letter",
    ),
    // Prefill and decode apart: where the KV cache is (vLLM, SGLang, TensorRT-LLM).
    row(
        &["kv_transfer_params", "disaggregated_params"],
        Any,
        Each(Exact),
        "tells the decode replica where the KV cache is",
    ),
    row(
        &["bootstrap_host", "bootstrap_port", "bootstrap_room"],
        Any,
        Each(Exact),
        "tells the decode replica where the KV cache is",
    ),
];
