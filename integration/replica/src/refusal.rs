//! Error replies, in vLLM's and Anthropic's shapes.

use hyper::header::CONTENT_TYPE;
use hyper::{Response, StatusCode};
use serde_json::{Value, json};

use crate::body::{ReplyBody, full};
use crate::request::Dialect;
use crate::script::ScriptError;

/// Why a request gets no reply from the model.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Refusal {
    /// The body is not what the API needs.
    #[error("request body: {0}")]
    Malformed(#[from] serde_json::Error),
    /// The reply script is malformed.
    #[error(transparent)]
    Script(#[from] ScriptError),
    /// The model is not served here.
    #[error("The model `{0}` does not exist.")]
    UnknownModel(String),
    /// No such path.
    #[error("Not Found")]
    UnknownPath,
    /// The replica fails on purpose.
    #[error("Internal Server Error")]
    Failing,
    /// The replica closes the connection on purpose.
    #[error("no answer")]
    Closing,
    /// The body is longer than the replica takes, in bytes.
    #[error("request body: longer than {0} bytes")]
    TooLarge(usize),
}

impl Refusal {
    /// The reply in the shape of `dialect`.
    pub(crate) fn response(&self, dialect: Option<Dialect>) -> Response<ReplyBody> {
        let (status, kind) = self.class();
        let body = match dialect {
            Some(Dialect::Messages) => self.anthropic(),
            _ => self.openai(status, kind),
        };
        json_response(status, &body)
    }

    fn class(&self) -> (StatusCode, &'static str) {
        match self {
            Self::Malformed(_) | Self::Script(_) => (StatusCode::BAD_REQUEST, "BadRequestError"),
            Self::UnknownModel(_) | Self::UnknownPath => (StatusCode::NOT_FOUND, "NotFoundError"),
            Self::Failing | Self::Closing => {
                (StatusCode::INTERNAL_SERVER_ERROR, "InternalServerError")
            }
            Self::TooLarge(_) => (StatusCode::PAYLOAD_TOO_LARGE, "BadRequestError"),
        }
    }

    fn openai(&self, status: StatusCode, kind: &str) -> Value {
        let param = matches!(self, Self::UnknownModel(_)).then_some("model");
        let message = self.to_string();
        json!({"error": {
            "message": message, "type": kind, "param": param, "code": status.as_u16(),
        }})
    }

    fn anthropic(&self) -> Value {
        let kind = match self {
            Self::UnknownModel(_) | Self::UnknownPath => "not_found_error",
            Self::Failing | Self::Closing => "api_error",
            Self::TooLarge(_) => "request_too_large",
            Self::Malformed(_) | Self::Script(_) => "invalid_request_error",
        };
        let error = json!({"type": kind, "message": self.to_string()});
        json!({"type": "error", "error": error})
    }
}

/// A JSON document as a response.
pub(crate) fn json_response(status: StatusCode, document: &Value) -> Response<ReplyBody> {
    typed_response(status, "application/json", document.to_string())
}

/// A text of any type as a response.
pub(crate) fn typed_response(
    status: StatusCode,
    content_type: &'static str,
    body: impl Into<bytes::Bytes>,
) -> Response<ReplyBody> {
    let mut response = Response::new(full(body));
    *response.status_mut() = status;
    let value = hyper::header::HeaderValue::from_static(content_type);
    response.headers_mut().insert(CONTENT_TYPE, value);
    response
}
