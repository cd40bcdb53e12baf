//! What really arrived at the replica, kept and shown byte for byte.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use hyper::header::{HeaderMap, HeaderValue};
use hyper::{Method, Uri, Version};
use serde_json::{Map, Value, json};

/// Largest echo that fits a response header; longer ones say where to look instead.
const HEADER_LIMIT: usize = 16 * 1024;

/// One received request.
#[derive(Clone, Debug)]
pub(crate) struct Captured {
    pub(crate) method: Method,
    pub(crate) uri: Uri,
    pub(crate) version: Version,
    pub(crate) headers: HeaderMap,
    pub(crate) trailers: Option<HeaderMap>,
    pub(crate) body: Bytes,
}

impl Captured {
    /// The request as JSON: `method`, `path`, `version`, `headers` (pairs, names in lower case, order
    /// of arrival for each name), `trailers` if there were any, and `body` or `body_base64`. A header
    /// value that is not UTF-8 is written as `{"base64": "…"}`.
    pub(crate) fn document(&self, replica: &str) -> Value {
        let mut document = json!({
            "replica": replica,
            "method": self.method.as_str(),
            "path": self.uri.path_and_query().map_or("/", |path| path.as_str()),
            "version": format!("{:?}", self.version),
            "headers": pairs(&self.headers),
        });
        if let Some(fields) = document.as_object_mut() {
            self.add_body(fields);
        }
        document
    }

    fn add_body(&self, fields: &mut Map<String, Value>) {
        if let Some(trailers) = &self.trailers {
            fields.insert("trailers".to_owned(), pairs(trailers));
        }
        match std::str::from_utf8(&self.body) {
            Ok(text) => fields.insert("body".to_owned(), json!(text)),
            Err(_) => fields.insert("body_base64".to_owned(), json!(STANDARD.encode(&self.body))),
        };
    }

    /// The request as a header value: base64 of [`Captured::document`], or `last` when it is too
    /// long for a header and `/_weir/last` must be asked.
    pub(crate) fn header_value(&self, replica: &str) -> HeaderValue {
        let last = HeaderValue::from_static("last");
        if self.body.len() > HEADER_LIMIT {
            return last;
        }
        let encoded = STANDARD.encode(self.document(replica).to_string());
        if encoded.len() > HEADER_LIMIT {
            return last;
        }
        HeaderValue::try_from(encoded).unwrap_or(last)
    }

    /// The client wants to see what arrived.
    pub(crate) fn wants_echo(&self) -> bool {
        self.headers.contains_key("x-weir-echo")
    }
}

fn pairs(headers: &HeaderMap) -> Value {
    let pair = |(name, value): (&hyper::header::HeaderName, &HeaderValue)| {
        let shown = match std::str::from_utf8(value.as_bytes()) {
            Ok(text) => json!(text),
            Err(_) => json!({"base64": STANDARD.encode(value.as_bytes())}),
        };
        json!([name.as_str(), shown])
    };
    headers.iter().map(pair).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn captured(body: &'static [u8]) -> Captured {
        let mut headers = HeaderMap::new();
        headers.append("x-a", HeaderValue::from_static("1"));
        headers.append("x-a", HeaderValue::from_bytes(b"\xff").unwrap());
        Captured {
            method: Method::POST,
            uri: Uri::from_static("/v1/x?y=1"),
            version: Version::HTTP_2,
            headers,
            trailers: None,
            body: Bytes::from_static(body),
        }
    }

    #[test]
    fn bytes_that_are_not_text_survive() {
        let expected = json!({
            "replica": "r", "method": "POST", "path": "/v1/x?y=1", "version": "HTTP/2.0",
            "headers": [["x-a", "1"], ["x-a", {"base64": "/w=="}]],
            "body_base64": "/wA=",
        });
        assert_eq!(captured(b"\xff\0").document("r"), expected);
    }

    #[test]
    fn an_echo_too_long_for_a_header_points_elsewhere() {
        assert_eq!(captured(&[b'x'; HEADER_LIMIT]).header_value("r"), "last");
        let short = captured(b"{}");
        let decoded = STANDARD.decode(short.header_value("r")).unwrap();
        assert_eq!(serde_json::from_slice::<Value>(&decoded).unwrap(), short.document("r"));
    }
}
