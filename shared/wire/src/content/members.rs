//! What the members of requests and responses are, by name.

/// What the value of a member is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Member {
    /// Steers the protocol; text has no place in it.
    Protocol,
    /// Figures: their strings are text, their numbers and names are not.
    Figures,
    /// The protocol's, as a word that is known (`user`, `text`); other strings in its place are text.
    Word,
    /// The same, as an identifier; other strings in its place are text.
    Name,
    /// Part of the dialect: its own members are looked up again.
    Dialect,
    /// The same, said by the operator: system prompts and tool definitions.
    System,
    /// The same, said by the user where no message has a role.
    User,
    /// The same where it is a list or a string; JSON of any form where it is an object.
    List,
    /// JSON of any form, or such JSON in a string.
    Arguments,
    /// An image, sound, video or file.
    Media,
    /// Text as token ids.
    TokenIds,
    /// Log probabilities, which repeat the text token by token.
    Logprobs,
    /// Not known: text, or JSON of any form.
    Other,
}

/// The member `name` of an object of a request.
pub(super) fn of_request(name: &str) -> Member {
    of_either(name)
}

/// The member `name` of an object of a response.
pub(super) fn of_response(name: &str) -> Member {
    match name {
        "id" | "model" | "system_fingerprint" | "modelVersion" | "responseId" => Member::Name,
        "object" | "finish_reason" | "stop_reason" | "finishReason" => Member::Word,
        "embedding" | "embeddings" => Member::Protocol,
        "usage" | "usageMetadata" => Member::Figures,
        "logprobs" | "logprobsResult" | "completion_probabilities" | "top_tokens" => {
            Member::Logprobs
        }
        "item" | "part" | "response" | "content_block" | "citation" => Member::Dialect,
        _ => of_either(name),
    }
}

fn of_either(name: &str) -> Member {
    match name {
        "role" | "type" => Member::Word,
        "messages" | "content" | "contents" | "parts" | "tool_calls" | "function"
        | "function_call" | "functionCall" | "functionResponse" | "custom" | "message"
        | "choices" | "candidates" | "delta" | "error" | "items" | "results" | "annotations"
        | "citations" | "url_citation" | "document" | "reasoning_details" | "images" => {
            Member::Dialect
        }
        "system" | "systemInstruction" | "system_instruction" | "instructions" | "tools"
        | "functions" => Member::System,
        "prompt" | "queries" | "query" | "documents" | "suffix" | "text_input" | "text_1"
        | "text_2" | "data_1" | "data_2" | "inputs" => Member::User,
        "input" | "output" | "outputs" | "summary" | "data" => Member::List,
        "token_ids" | "prompt_token_ids" => Member::TokenIds,
        "arguments" | "partial_json" => Member::Arguments,
        "image_url" | "imageUrl" | "image" | "input_audio" | "inputAudio" | "audio_url"
        | "audioUrl" | "audio" | "video_url" | "videoUrl" | "video" | "file" | "file_data"
        | "fileData" | "file_id" | "file_url" | "inline_data" | "inlineData" | "source"
        | "b64_json" | "partial_image_b64" => Member::Media,
        _ => Member::Other,
    }
}

/// What a member of a medium holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum MediaMember {
    /// Its form.
    Protocol,
    /// Its bytes, or the name of a file elsewhere: nothing that can be inspected.
    Data,
    /// Parts of a message.
    Content,
    /// Text: a file's name, a transcript, an address.
    Text,
}

/// The member `name` of a medium.
pub(super) fn of_medium(name: &str) -> MediaMember {
    match name {
        "type" | "media_type" | "mime_type" | "mimeType" | "format" | "detail" => {
            MediaMember::Protocol
        }
        "data" | "file_data" | "fileData" | "b64_json" | "file_id" | "file_uri" | "fileUri"
        | "bytes" => MediaMember::Data,
        "content" => MediaMember::Content,
        _ => MediaMember::Text,
    }
}
