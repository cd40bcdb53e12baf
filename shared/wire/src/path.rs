//! Which API a request speaks, from its method and path.
//!
//! Servers are often mounted below a prefix (`/openai/v1/chat/completions`), so anything may stand
//! before the version segment; what follows it must fit exactly, upper and lower case included. The
//! query is ignored. Other spellings of a path are the same API (`/v1/chat%2Fcompletions`, a slash at
//! the end), because replicas serve them: nothing may go round a guardrail by them. A path that fits
//! no API is `None`, never a guess.

mod spelling;

use core::ops::Range;

use thiserror::Error;

use crate::name;

/// Whose form requests, responses, streams and errors have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dialect {
    /// OpenAI and the many servers compatible with it.
    OpenAi,
    /// Anthropic's Messages API.
    Anthropic,
    /// Gemini's `generateContent`.
    Gemini,
    /// KServe v2 (Open Inference Protocol).
    Kserve,
}

/// What the request asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operation {
    /// `/v1/chat/completions`
    ChatCompletions,
    /// `/v1/completions`
    Completions,
    /// `/v1/embeddings`
    Embeddings,
    /// `/v1/responses`
    Responses,
    /// `/v1/rerank`, `/v2/rerank`
    Rerank,
    /// `/v1/score`
    Score,
    /// `/v1/moderations`
    Moderations,
    /// `/v1/models`, `/v1beta/models` (GET)
    ListModels,
    /// `/v1/models/MODEL`, `/v1beta/models/MODEL` (GET)
    RetrieveModel,
    /// `/v1/messages`
    Messages,
    /// `/v1/messages/count_tokens`, `…:countTokens`
    CountTokens,
    /// `…:generateContent`, `…:streamGenerateContent`
    GenerateContent,
    /// `…:embedContent`
    EmbedContent,
    /// `/v2/models/MODEL/infer`
    Infer,
    /// `/v2/models/MODEL/generate`, `…/generate_stream`
    Generate,
}

impl Operation {
    /// Whether the request has a JSON body that names the model (unless the path does).
    pub fn has_body(self) -> bool {
        !matches!(self, Self::ListModels | Self::RetrieveModel)
    }
}

/// One API endpoint, as recognised from a path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint {
    /// Whose form the exchange has.
    pub dialect: Dialect,
    /// What is asked for.
    pub operation: Operation,
    /// Where the model's name stands in the path (still percent-encoded), if it stands there.
    pub path_model: Option<Range<usize>>,
    /// Whether the path alone asks for a stream.
    pub stream_by_path: bool,
}

/// A model name in a path that cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum PathModelError {
    /// A `%` without two hexadecimal digits.
    #[error("invalid percent-encoding at offset {at} of the path")]
    PercentEncoding {
        /// Where the `%` is.
        at: usize,
    },
    /// The decoded name is not UTF-8.
    #[error("the model in the path is not UTF-8")]
    NotUtf8,
    /// The decoded name is longer than [`name::MAX_BYTES`].
    #[error("the model in the path is longer than {} bytes", name::MAX_BYTES)]
    TooLong,
    /// The decoded name holds control characters or characters that are not shown.
    #[error("the model in the path holds control characters or characters that are not shown")]
    HiddenCharacter,
}

impl Endpoint {
    /// The model's name in `path` (the path that was classified), percent-decoded.
    ///
    /// # Errors
    /// [`PathModelError`] if it cannot be decoded, or is no name.
    pub fn model(&self, path: &[u8]) -> Result<Option<String>, PathModelError> {
        let Some(span) = &self.path_model else {
            return Ok(None);
        };
        let name = percent_decode(path.get(span.clone()).unwrap_or_default(), span.start)?;
        if name.len() > name::MAX_BYTES {
            return Err(PathModelError::TooLong);
        }
        let name = String::from_utf8(name).map_err(|_| PathModelError::NotUtf8)?;
        if name::is_plain(&name) { Ok(Some(name)) } else { Err(PathModelError::HiddenCharacter) }
    }

    /// `path` (the one that was classified) with `model` in the place of its model; `None` if none stands there.
    pub fn renamed_path(&self, path: &[u8], model: &str) -> Option<Vec<u8>> {
        let span = self.path_model.as_ref()?;
        let encoded = percent_encoded(model);
        Some([path.get(..span.start)?, encoded.as_bytes(), path.get(span.end..)?].concat())
    }
}

/// `name` as one path segment: unreserved characters (RFC 3986) as they are, the rest as `%XX`.
fn percent_encoded(name: &str) -> String {
    use std::fmt::Write;
    let mut encoded = String::with_capacity(name.len());
    for byte in name.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            // Writing into a string cannot fail.
            let _ = write!(encoded, "%{byte:02X}");
        }
    }
    encoded
}

/// The endpoint that `method` and `path` (with or without a query) name, or `None`.
pub fn classify(method: &[u8], path: &[u8]) -> Option<Endpoint> {
    let end = path.iter().position(|b| matches!(b, b'?' | b'#')).unwrap_or(path.len());
    let path = path.get(..end)?;
    let as_sent = plain(method, path);
    match as_sent {
        None if spelling::is_odd(path) => odd(method, path),
        _ => as_sent,
    }
}

/// The endpoint of a path in another spelling, without a query.
#[cold]
#[inline(never)]
fn odd(method: &[u8], path: &[u8]) -> Option<Endpoint> {
    for decodes in spelling::READINGS {
        let reading = spelling::Reading::new(path, decodes);
        if let Some(mut endpoint) = plain(method, reading.plain()) {
            endpoint.path_model = endpoint.path_model.map(|span| reading.sent(path, span));
            return Some(endpoint);
        }
    }
    None
}

/// The endpoint of a path in its plain spelling, without a query.
#[inline(never)]
fn plain(method: &[u8], path: &[u8]) -> Option<Endpoint> {
    match method {
        b"POST" => fixed(path).or_else(|| gemini(path)).or_else(|| kserve(path)),
        // Envoy leaves the body of an answer to HEAD out.
        b"GET" | b"HEAD" => listing(path),
        _ => None,
    }
}

/// Paths without a model.
fn fixed(path: &[u8]) -> Option<Endpoint> {
    use {Dialect::*, Operation::*};
    const PATHS: [(&[u8], Dialect, Operation); 10] = [
        (b"/v1/chat/completions", OpenAi, ChatCompletions),
        (b"/v1/completions", OpenAi, Completions),
        (b"/v1/embeddings", OpenAi, Embeddings),
        (b"/v1/responses", OpenAi, Responses),
        (b"/v1/rerank", OpenAi, Rerank),
        (b"/v2/rerank", OpenAi, Rerank),
        (b"/v1/score", OpenAi, Score),
        (b"/v1/moderations", OpenAi, Moderations),
        (b"/v1/messages", Anthropic, Messages),
        (b"/v1/messages/count_tokens", Anthropic, CountTokens),
    ];
    let (_, dialect, operation) = PATHS.into_iter().find(|(end, ..)| path.ends_with(end))?;
    Some(Endpoint { dialect, operation, path_model: None, stream_by_path: false })
}

fn listing(path: &[u8]) -> Option<Endpoint> {
    let all = |dialect| {
        let operation = Operation::ListModels;
        Some(Endpoint { dialect, operation, path_model: None, stream_by_path: false })
    };
    if path.ends_with(b"/v1/models") {
        return all(Dialect::OpenAi);
    }
    if path.ends_with(b"/v1beta/models") {
        return all(Dialect::Gemini);
    }
    let of = |part: &[u8], dialect| Some((after_last(path, part)?, dialect));
    let (start, dialect) =
        of(b"/v1/models/", Dialect::OpenAi).or_else(|| of(b"/v1beta/models/", Dialect::Gemini))?;
    let span = non_empty(start..path.len())?;
    let operation = Operation::RetrieveModel;
    Some(Endpoint { dialect, operation, path_model: Some(span), stream_by_path: false })
}

/// `/v1beta/models/MODEL:verb`, also with more segments in between (`/v1/projects/…/models/…`).
fn gemini(path: &[u8]) -> Option<Endpoint> {
    let start = after_last(path, b"/models/")?;
    let before = path.get(..start)?;
    let versions: [&[u8]; 4] = [b"/v1beta/", b"/v1/", b"/v1alpha/", b"/v1beta1/"];
    if !versions.into_iter().any(|version| memchr::memmem::find(before, version).is_some()) {
        return None;
    }
    let rest = path.get(start..)?;
    let colon = memchr::memrchr(b':', rest)?;
    let (operation, stream_by_path) = match rest.get(colon + 1..)? {
        b"generateContent" => (Operation::GenerateContent, false),
        b"streamGenerateContent" => (Operation::GenerateContent, true),
        b"countTokens" => (Operation::CountTokens, false),
        b"embedContent" => (Operation::EmbedContent, false),
        _ => return None,
    };
    let path_model = Some(single_segment(path, start..start + colon)?);
    Some(Endpoint { dialect: Dialect::Gemini, operation, path_model, stream_by_path })
}

/// `/v2/models/MODEL[/versions/VERSION]/verb`.
fn kserve(path: &[u8]) -> Option<Endpoint> {
    let start = after_last(path, b"/v2/models/")?;
    let mut segments = path.get(start..)?.split(|b| *b == b'/');
    let model = segments.next()?;
    let verb = match (segments.next()?, segments.next(), segments.next(), segments.next()) {
        (b"versions", Some([_, ..]), Some(verb), None) => verb,
        (verb, None, None, None) => verb,
        _ => return None,
    };
    let (operation, stream_by_path) = match verb {
        b"infer" => (Operation::Infer, false),
        b"generate" => (Operation::Generate, false),
        b"generate_stream" => (Operation::Generate, true),
        _ => return None,
    };
    let path_model = Some(non_empty(start..start + model.len())?);
    Some(Endpoint { dialect: Dialect::Kserve, operation, path_model, stream_by_path })
}

/// Where the text after the last `part` starts.
fn after_last(path: &[u8], part: &[u8]) -> Option<usize> {
    memchr::memmem::rfind(path, part).map(|at| at + part.len())
}

fn non_empty(span: Range<usize>) -> Option<Range<usize>> {
    (!span.is_empty()).then_some(span)
}

fn single_segment(path: &[u8], span: Range<usize>) -> Option<Range<usize>> {
    let one = !path.get(span.clone())?.contains(&b'/');
    if one { non_empty(span) } else { None }
}

fn percent_decode(text: &[u8], base: usize) -> Result<Vec<u8>, PathModelError> {
    let mut out = Vec::with_capacity(text.len());
    let mut bytes = text.iter().enumerate();
    while let Some((at, &byte)) = bytes.next() {
        if byte != b'%' {
            out.push(byte);
            continue;
        }
        let mut digit = || bytes.next().and_then(|(_, b)| char::from(*b).to_digit(16));
        let (Some(high), Some(low)) = (digit(), digit()) else {
            return Err(PathModelError::PercentEncoding { at: base + at });
        };
        out.extend(u8::try_from(high * 16 + low));
    }
    Ok(out)
}

#[cfg(test)]
mod tests;
