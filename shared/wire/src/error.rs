//! Refusals in the form that the client's dialect expects.

use crate::WireError;
use crate::edit::push_json_string;
use crate::path::Dialect;

/// A refusal: what a client is told, in whatever dialect it speaks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ErrorReply {
    /// HTTP status.
    pub status: u16,
    /// The class of error.
    pub kind: ErrorKind,
    /// A word for programs, such as `model_not_found`.
    pub code: &'static str,
    /// The field of the request that is at fault.
    pub param: Option<String>,
    /// A sentence for people. Holds nothing of the request besides names the client chose itself.
    pub message: String,
}

/// The class of an error, which every dialect names in its own way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ErrorKind {
    /// The request cannot be served as it is.
    InvalidRequest,
    /// Who asks is not known.
    Authentication,
    /// Who asks may not.
    Permission,
    /// What is asked for does not exist.
    NotFound,
    /// The request is too large.
    TooLarge,
    /// Too many requests or tokens.
    RateLimit,
    /// A budget is spent, and waiting a little does not help.
    Quota,
    /// Nobody can serve the request now.
    Unavailable,
    /// The gateway itself is at fault.
    Internal,
}

impl ErrorKind {
    fn openai(self) -> &'static str {
        match self {
            Self::InvalidRequest | Self::NotFound | Self::TooLarge => "invalid_request_error",
            Self::Authentication => "authentication_error",
            Self::Permission => "permission_error",
            Self::RateLimit => "rate_limit_error",
            Self::Quota => "insufficient_quota",
            Self::Unavailable => "service_unavailable_error",
            Self::Internal => "server_error",
        }
    }

    fn anthropic(self) -> &'static str {
        match self {
            Self::InvalidRequest => "invalid_request_error",
            Self::Authentication => "authentication_error",
            Self::Permission => "permission_error",
            Self::NotFound => "not_found_error",
            Self::TooLarge => "request_too_large",
            Self::RateLimit | Self::Quota => "rate_limit_error",
            Self::Unavailable => "overloaded_error",
            Self::Internal => "api_error",
        }
    }

    fn gemini(self) -> &'static str {
        match self {
            Self::InvalidRequest | Self::TooLarge => "INVALID_ARGUMENT",
            Self::Authentication => "UNAUTHENTICATED",
            Self::Permission => "PERMISSION_DENIED",
            Self::NotFound => "NOT_FOUND",
            Self::RateLimit | Self::Quota => "RESOURCE_EXHAUSTED",
            Self::Unavailable => "UNAVAILABLE",
            Self::Internal => "INTERNAL",
        }
    }
}

impl ErrorReply {
    /// A refusal with no field at fault.
    pub fn new(
        status: u16,
        kind: ErrorKind,
        code: &'static str,
        message: impl Into<String>,
    ) -> Self {
        Self { status, kind, code, param: None, message: message.into() }
    }

    /// The same refusal, naming the field at fault.
    #[must_use]
    pub fn with_param(mut self, param: impl Into<String>) -> Self {
        self.param = Some(param.into());
        self
    }

    /// 404: no such model for this client. Says nothing of the models there are.
    pub fn model_not_found(model: &str) -> Self {
        let message =
            format!("The model `{model}` does not exist or you do not have access to it.");
        Self::new(404, ErrorKind::NotFound, "model_not_found", message).with_param("model")
    }

    /// 400: the request names no model, and there is no default.
    pub fn missing_model() -> Self {
        let message = "The request must name a model.";
        Self::new(400, ErrorKind::InvalidRequest, "missing_model", message).with_param("model")
    }

    /// 413: the body is longer than `limit` bytes.
    pub fn too_large(limit: usize) -> Self {
        let message = format!("The request body is larger than the limit of {limit} bytes.");
        Self::new(413, ErrorKind::TooLarge, "request_too_large", message)
    }

    /// 404: the path is none of an API that is served here.
    pub fn unsupported_path() -> Self {
        let message = "This path is not an inference API served here.";
        Self::new(404, ErrorKind::NotFound, "unsupported_path", message)
    }

    /// 415: the body is in a form that cannot be read (compressed, not JSON).
    pub fn unsupported_content(what: &str) -> Self {
        let message = format!("The request body cannot be read: {what}.");
        Self::new(415, ErrorKind::InvalidRequest, "unsupported_content", message)
    }

    /// 500: the gateway's configuration is at fault; details belong in its log.
    pub fn misconfigured() -> Self {
        let message = "The gateway is misconfigured; its log has the details.";
        Self::new(500, ErrorKind::Internal, "gateway_misconfigured", message)
    }

    /// 503: the gateway holds as much of other requests as it can.
    pub fn gateway_full() -> Self {
        let message = "The gateway holds as much of other requests as it can; retry later.";
        Self::new(503, ErrorKind::Unavailable, "gateway_full", message)
    }

    /// 429: all replicas are saturated.
    pub fn overloaded() -> Self {
        let message = "The model is overloaded; retry later.";
        Self::new(429, ErrorKind::RateLimit, "overloaded", message)
    }

    /// 503: no replica can serve the request.
    pub fn no_endpoint() -> Self {
        let message = "No replica of the model is available; retry later.";
        Self::new(503, ErrorKind::Unavailable, "no_endpoint", message)
    }

    /// 504: no replica came to the first token of a stream in the time that it had.
    pub fn first_token_timeout() -> Self {
        let message = "No replica of the model began to answer in time; retry later.";
        Self::new(504, ErrorKind::Unavailable, "first_token_timeout", message)
    }

    /// A 5xx: a replica ended a stream before its first token.
    pub fn no_first_token(status: u16) -> Self {
        let message = "The model server failed before the first token of its answer; retry later.";
        Self::new(status, ErrorKind::Unavailable, "no_first_token", message)
    }

    /// 400: the guardrail refused; names rules, never what they matched.
    pub fn content_policy_violation(rules: &[&str]) -> Self {
        let message = format!("The request violates the content policy ({}).", rules.join(", "));
        Self::new(400, ErrorKind::InvalidRequest, "content_policy_violation", message)
    }

    /// 400: the guardrail withholds a response; names rules, never what they matched. Not a 5xx,
    /// which clients and proxies would retry.
    pub fn response_violation(rules: &[&str]) -> Self {
        let message = format!("The response violates the content policy ({}).", rules.join(", "));
        Self::new(400, ErrorKind::InvalidRequest, "content_policy_violation", message)
    }

    /// In place of the message of an upstream's error that is withheld: the same status, and the rules that
    /// led to it, never what they matched.
    pub fn upstream(status: u16, rules: &[&str]) -> Self {
        let kind = match status {
            401 => ErrorKind::Authentication,
            403 => ErrorKind::Permission,
            404 => ErrorKind::NotFound,
            413 => ErrorKind::TooLarge,
            429 => ErrorKind::RateLimit,
            502 | 503 | 504 | 529 => ErrorKind::Unavailable,
            400..=499 => ErrorKind::InvalidRequest,
            _ => ErrorKind::Internal,
        };
        let rules = rules.join(", ");
        let message = format!(
            "The model server answered with status {status}; its message is withheld ({rules})."
        );
        Self::new(status, kind, "upstream_error", message)
    }

    /// The body of the reply.
    pub fn body(&self, dialect: Dialect) -> Vec<u8> {
        let mut out = Vec::with_capacity(self.message.len().saturating_add(128));
        match dialect {
            Dialect::OpenAi => self.openai(&mut out),
            Dialect::Anthropic => self.anthropic(&mut out),
            Dialect::Gemini => self.gemini(&mut out),
            Dialect::Kserve => {
                out.extend(br#"{"error":"#);
                push_json_string(&mut out, &self.message);
                out.push(b'}');
            }
        }
        out
    }

    fn openai(&self, out: &mut Vec<u8>) {
        out.extend(br#"{"error":{"message":"#);
        push_json_string(out, &self.message);
        out.extend(br#","type":"#);
        push_json_string(out, self.kind.openai());
        out.extend(br#","param":"#);
        match &self.param {
            Some(param) => push_json_string(out, param),
            None => out.extend(b"null"),
        }
        out.extend(br#","code":"#);
        push_json_string(out, self.code);
        out.extend(b"}}");
    }

    fn anthropic(&self, out: &mut Vec<u8>) {
        out.extend(br#"{"type":"error","error":{"type":"#);
        push_json_string(out, self.kind.anthropic());
        out.extend(br#","message":"#);
        push_json_string(out, &self.message);
        if self.kind == ErrorKind::Quota {
            // By which Anthropic's own API tells it from a rate limit.
            out.extend(br#","details":{"error_code":"enforced_spend_limit_reached"}"#);
        }
        out.extend(br#"},"request_id":null}"#);
    }

    fn gemini(&self, out: &mut Vec<u8>) {
        out.extend(br#"{"error":{"code":"#);
        out.extend(self.status.to_string().bytes());
        out.extend(br#","message":"#);
        push_json_string(out, &self.message);
        out.extend(br#","status":"#);
        push_json_string(out, self.kind.gemini());
        out.extend(b"}}");
    }
}

impl From<&WireError> for ErrorReply {
    fn from(error: &WireError) -> Self {
        let code = match error {
            WireError::DuplicateKey { .. } => "duplicate_key",
            WireError::WrongType { .. } => "invalid_type",
            WireError::TooLong { .. } => "value_too_long",
            WireError::HiddenCharacter { .. } => "invalid_value",
            WireError::TooDeep { .. } => "nesting_too_deep",
            WireError::TooManyValues { .. } => "too_many_values",
            WireError::InvalidUtf8 { .. } => "invalid_utf8",
            _ => "malformed_json",
        };
        let message = match error {
            WireError::NotAnObject { at } => {
                format!(
                    "The request body must be a JSON object; something else begins at offset {at}."
                )
            }
            WireError::TooDeep { .. } | WireError::TooManyValues { .. } => {
                format!("The request body cannot be read: {error}.")
            }
            _ if error.field().is_some() => format!("Invalid request: {error}."),
            _ => format!("The request body is not valid JSON: {error}."),
        };
        let reply = Self::new(400, ErrorKind::InvalidRequest, code, message);
        match error.field() {
            Some(field) => reply.with_param(field),
            None => reply,
        }
    }
}

#[cfg(test)]
mod tests;
