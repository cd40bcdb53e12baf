//! OpenAI embeddings.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use xxhash_rust::xxh3::xxh3_64_with_seed;

use crate::cache::token_count;
use crate::request::GenerationRequest;

/// Length of a vector when the request names none.
const DIMENSIONS: usize = 16;

/// Longest vector that a request may ask for.
const MAX_DIMENSIONS: usize = 4096;

/// One vector for each input; equal inputs have equal vectors.
pub(crate) fn embeddings(request: &GenerationRequest, model: &str) -> Value {
    let inputs = inputs(&request.input);
    let tokens: usize = inputs.iter().map(|input| token_count(input)).sum();
    let dimensions = request.dimensions.unwrap_or(DIMENSIONS).clamp(1, MAX_DIMENSIONS);
    let encoded = request.encoding_format.as_deref() == Some("base64");
    let vectors = inputs.iter().enumerate().map(|(index, input)| {
        let vector = vector(input, dimensions);
        let vector = if encoded { json!(base64_of(&vector)) } else { json!(vector) };
        json!({"object": "embedding", "index": index, "embedding": vector})
    });
    json!({
        "object": "list",
        "model": model,
        "data": vectors.collect::<Vec<_>>(),
        "usage": {"prompt_tokens": tokens, "total_tokens": tokens},
    })
}

/// A list of texts or of token lists is several inputs; a text or a list of tokens is one.
fn inputs(input: &Value) -> Vec<String> {
    let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    match input {
        Value::Array(items) if items.iter().all(|item| !item.is_number()) => {
            items.iter().map(text).collect()
        }
        whole => vec![text(whole)],
    }
}

fn vector(input: &str, dimensions: usize) -> Vec<f32> {
    let component = |index: usize| {
        let hash = xxh3_64_with_seed(input.as_bytes(), index as u64);
        (hash >> 40) as f32 / 8_388_608.0 - 1.0
    };
    (0..dimensions).map(component).collect()
}

/// Little-endian 32-bit floats, as OpenAI encodes them.
fn base64_of(vector: &[f32]) -> String {
    let bytes: Vec<u8> = vector.iter().flat_map(|component| component.to_le_bytes()).collect();
    STANDARD.encode(bytes)
}
