//! What a test makes the replica say: scripted replies.
//!
//! A script can come from `POST /_weir/reply` (for all later requests), from the field `weir_reply`
//! of a request body, and from request headers; the later of these wins, field by field.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hyper::header::HeaderMap;
use percent_encoding::percent_decode_str;
use serde::{Deserialize, Serialize};

use crate::failure::FailureMode;

/// A scripted reply; absent fields leave the default behaviour.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct ReplyScript {
    /// Exact text of every choice. Header `x-weir-reply-text`, percent-encoded.
    pub text: Option<String>,
    /// Choices with their channels; wins over `text`.
    pub choices: Option<Vec<ScriptedChoice>>,
    /// Characters of text in one stream event. Header `x-weir-chunk-chars`.
    pub chunk_chars: Option<usize>,
    /// Output tokens instead of the default. Header `x-weir-output-tokens`.
    pub output_tokens: Option<usize>,
    /// Cuts the response body into frames of this many bytes. Header `x-weir-frame-bytes`.
    pub frame_bytes: Option<usize>,
    /// Milliseconds between two frames. Header `x-weir-frame-delay-ms`.
    pub frame_delay_ms: Option<u64>,
    /// Trailers after the body. Header `x-weir-trailers: name=value;name=value`.
    pub trailers: Option<Vec<(String, String)>>,
    /// Compresses the body. Header `x-weir-gzip: 1`.
    pub gzip: Option<bool>,
    /// A failure for this request alone. Header `x-weir-fail`.
    pub fail: Option<FailureMode>,
    /// Exact bytes instead of a reply in the dialect of the request.
    pub raw: Option<RawReply>,
}

/// One scripted choice. Its channels are streamed in the order of the fields.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct ScriptedChoice {
    /// Text of the reasoning channel.
    pub reasoning_content: Option<String>,
    /// Text of the answer.
    pub content: Option<String>,
    /// Text of a refusal.
    pub refusal: Option<String>,
    /// Calls of tools.
    pub tool_calls: Vec<ScriptedToolCall>,
    /// OpenAI's finish reason; `stop` or `tool_calls` when absent.
    pub finish_reason: Option<String>,
}

/// One scripted tool call.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct ScriptedToolCall {
    /// Identifier; made up when empty.
    pub id: String,
    /// Name of the tool.
    pub name: String,
    /// Arguments, a JSON document as text.
    pub arguments: String,
}

/// A response given byte for byte.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct RawReply {
    /// Status code; 200 when absent.
    pub status: Option<u16>,
    /// Response headers.
    pub headers: Vec<(String, String)>,
    /// The body as text.
    pub body: Option<String>,
    /// The body in base64, for bytes that are not text.
    pub body_base64: Option<String>,
}

/// A script that can't be followed.
#[derive(Debug, thiserror::Error)]
pub enum ScriptError {
    /// A header's value is not what the header needs.
    #[error("header {header} has a value that is not {expected}")]
    Header {
        /// The header's name.
        header: &'static str,
        /// What its value must be.
        expected: &'static str,
    },
    /// The JSON of a script is malformed or has unknown fields.
    #[error("reply script: {0}")]
    Json(#[from] serde_json::Error),
    /// `body_base64` is malformed.
    #[error("field raw.body_base64: {0}")]
    Base64(#[from] base64::DecodeError),
}

impl ReplyScript {
    /// This script with every field that `over` sets replaced.
    pub fn overridden_by(self, over: Self) -> Self {
        Self {
            text: over.text.or(self.text),
            choices: over.choices.or(self.choices),
            chunk_chars: over.chunk_chars.or(self.chunk_chars),
            output_tokens: over.output_tokens.or(self.output_tokens),
            frame_bytes: over.frame_bytes.or(self.frame_bytes),
            frame_delay_ms: over.frame_delay_ms.or(self.frame_delay_ms),
            trailers: over.trailers.or(self.trailers),
            gzip: over.gzip.or(self.gzip),
            fail: over.fail.or(self.fail),
            raw: over.raw.or(self.raw),
        }
    }

    /// The script in a request's headers: a whole one in `x-weir-reply-json` (percent-encoded) and
    /// the single fields.
    ///
    /// # Errors
    /// When a value is not percent-encoded UTF-8, not JSON, not a number or not a failure mode.
    pub fn from_headers(headers: &HeaderMap) -> Result<Self, ScriptError> {
        let whole = match decoded(headers, "x-weir-reply-json")? {
            Some(json) => serde_json::from_str(&json)?,
            None => Self::default(),
        };
        Ok(whole.overridden_by(Self {
            text: decoded(headers, "x-weir-reply-text")?,
            choices: None,
            chunk_chars: number(headers, "x-weir-chunk-chars")?,
            output_tokens: number(headers, "x-weir-output-tokens")?,
            frame_bytes: number(headers, "x-weir-frame-bytes")?,
            frame_delay_ms: number(headers, "x-weir-frame-delay-ms")?,
            trailers: trailers(headers)?,
            gzip: headers.contains_key("x-weir-gzip").then_some(true),
            fail: failure(headers)?,
            raw: None,
        }))
    }
}

impl RawReply {
    /// The exact bytes of the body.
    ///
    /// # Errors
    /// When `body_base64` is not base64.
    pub fn bytes(&self) -> Result<Vec<u8>, ScriptError> {
        match &self.body_base64 {
            Some(encoded) => Ok(STANDARD.decode(encoded)?),
            None => Ok(self.body.clone().unwrap_or_default().into_bytes()),
        }
    }
}

fn text<'a>(headers: &'a HeaderMap, header: &'static str) -> Result<Option<&'a str>, ScriptError> {
    let Some(value) = headers.get(header) else { return Ok(None) };
    let expected = "visible ASCII";
    value.to_str().map(Some).map_err(|_| ScriptError::Header { header, expected })
}

fn decoded(headers: &HeaderMap, header: &'static str) -> Result<Option<String>, ScriptError> {
    let Some(value) = text(headers, header)? else { return Ok(None) };
    let expected = "percent-encoded UTF-8";
    let value = percent_decode_str(value).decode_utf8();
    value
        .map(|value| Some(value.into_owned()))
        .map_err(|_| ScriptError::Header { header, expected })
}

fn number<T: std::str::FromStr>(
    headers: &HeaderMap,
    header: &'static str,
) -> Result<Option<T>, ScriptError> {
    let Some(value) = text(headers, header)? else { return Ok(None) };
    value.parse().map(Some).map_err(|_| ScriptError::Header { header, expected: "a number" })
}

fn trailers(headers: &HeaderMap) -> Result<Option<Vec<(String, String)>>, ScriptError> {
    let header = "x-weir-trailers";
    let Some(value) = text(headers, header)? else { return Ok(None) };
    let pair = |pair: &str| {
        let split = pair.split_once('=').map(|(name, value)| (name.to_owned(), value.to_owned()));
        split.ok_or(ScriptError::Header { header, expected: "name=value;name=value" })
    };
    value.split(';').map(pair).collect::<Result<_, _>>().map(Some)
}

fn failure(headers: &HeaderMap) -> Result<Option<FailureMode>, ScriptError> {
    let header = "x-weir-fail";
    let Some(value) = text(headers, header)? else { return Ok(None) };
    value.parse().map(Some).map_err(|_| ScriptError::Header { header, expected: "a failure mode" })
}

#[cfg(test)]
mod tests {
    use super::*;
    use hyper::header::HeaderValue;

    fn script(pairs: &[(&'static str, &'static str)]) -> Result<ReplyScript, ScriptError> {
        let pairs = pairs.iter().map(|(n, v)| ((*n).parse().unwrap(), HeaderValue::from_static(v)));
        ReplyScript::from_headers(&pairs.collect::<HeaderMap>())
    }

    #[test]
    fn single_headers_win_over_the_whole_script() {
        let found = script(&[
            ("x-weir-reply-json", r#"{"text":"one","chunk_chars":1,"gzip":true}"#),
            ("x-weir-reply-text", "caf%C3%A9%0A"),
            ("x-weir-trailers", "a=1;b=2"),
            ("x-weir-fail", "no_done"),
        ]);
        let expected = ReplyScript {
            text: Some("café\n".to_owned()),
            chunk_chars: Some(1),
            gzip: Some(true),
            trailers: Some(vec![("a".into(), "1".into()), ("b".into(), "2".into())]),
            fail: Some(FailureMode::NoDone),
            ..ReplyScript::default()
        };
        assert_eq!(found.unwrap(), expected);
    }

    #[test]
    fn values_that_cannot_be_followed_are_errors() {
        let cases = [
            ("x-weir-reply-text", "%FF", "percent-encoded UTF-8"),
            ("x-weir-chunk-chars", "-1", "a number"),
            ("x-weir-trailers", "a", "name=value"),
            ("x-weir-fail", "explode", "a failure mode"),
            ("x-weir-reply-json", r#"{"txet":"x"}"#, "unknown field"),
        ];
        for (header, value, message) in cases {
            let error = script(&[(header, value)]).unwrap_err().to_string();
            assert!(error.contains(message), "{error}");
        }
    }

    #[test]
    fn a_raw_body_is_text_or_base64() {
        let text = RawReply { body: Some("a\r\n".into()), ..RawReply::default() };
        let bytes = RawReply { body_base64: Some("/wA=".into()), ..RawReply::default() };
        assert_eq!(text.bytes().unwrap(), b"a\r\n");
        assert_eq!(bytes.bytes().unwrap(), [0xff, 0]);
    }
}
