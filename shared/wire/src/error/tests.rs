//! Replies as data.

use serde_json::{Value, json};
#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

use super::{ErrorKind, ErrorReply};
use crate::WireError;
use crate::path::Dialect;

fn body(reply: &ErrorReply, dialect: Dialect) -> Value {
    serde_json::from_slice(&reply.body(dialect)).unwrap()
}

#[test]
fn every_dialect_has_its_form() {
    let reply = ErrorReply::model_not_found("a\"b\n\u{1}");
    let message = reply.message.clone();
    assert_eq!(reply.status, 404);
    assert_eq!(
        body(&reply, Dialect::OpenAi),
        json!({"error": {"message": message, "type": "invalid_request_error", "param": "model", "code": "model_not_found"}})
    );
    assert_eq!(
        body(&reply, Dialect::Anthropic),
        json!({"type": "error", "error": {"type": "not_found_error", "message": message}, "request_id": null})
    );
    assert_eq!(
        body(&reply, Dialect::Gemini),
        json!({"error": {"code": 404, "message": message, "status": "NOT_FOUND"}})
    );
    assert_eq!(body(&reply, Dialect::Kserve), json!({"error": message}));
}

#[test]
fn a_spent_quota_is_told_as_each_api_tells_it() {
    let reply = ErrorReply::new(429, ErrorKind::Quota, "insufficient_quota", "spent");
    let open_ai = json!({"message": "spent", "type": "insufficient_quota", "param": null, "code": "insufficient_quota"});
    assert_eq!(body(&reply, Dialect::OpenAi), json!({"error": open_ai}));
    let details = json!({"error_code": "enforced_spend_limit_reached"});
    let anthropic = json!({"type": "rate_limit_error", "message": "spent", "details": details});
    assert_eq!(
        body(&reply, Dialect::Anthropic),
        json!({"type": "error", "error": anthropic, "request_id": null})
    );
    assert_eq!(body(&reply, Dialect::Gemini)["error"]["status"], "RESOURCE_EXHAUSTED");
}

#[test]
fn refusals_have_the_status_and_code_that_clients_know() {
    let table = [
        (ErrorReply::missing_model(), 400, "missing_model", "INVALID_ARGUMENT"),
        (ErrorReply::too_large(7), 413, "request_too_large", "INVALID_ARGUMENT"),
        (ErrorReply::unsupported_path(), 404, "unsupported_path", "NOT_FOUND"),
        (ErrorReply::unsupported_content("x"), 415, "unsupported_content", "INVALID_ARGUMENT"),
        (ErrorReply::misconfigured(), 500, "gateway_misconfigured", "INTERNAL"),
        (ErrorReply::overloaded(), 429, "overloaded", "RESOURCE_EXHAUSTED"),
        (ErrorReply::no_endpoint(), 503, "no_endpoint", "UNAVAILABLE"),
        (
            ErrorReply::content_policy_violation(&["r1", "r2"]),
            400,
            "content_policy_violation",
            "INVALID_ARGUMENT",
        ),
    ];
    for (reply, status, code, gemini) in table {
        assert_eq!((reply.status, reply.code), (status, code));
        assert_eq!(body(&reply, Dialect::OpenAi)["error"]["code"], code);
        assert_eq!(body(&reply, Dialect::Gemini)["error"]["status"], gemini);
    }
}

#[test]
fn the_message_does_not_call_valid_json_invalid() {
    let message = |error: &WireError| ErrorReply::from(error).message.clone();
    let array = message(&WireError::NotAnObject { at: 3 });
    assert_eq!(array, "The request body must be a JSON object; something else begins at offset 3.");
    let deep = message(&WireError::TooDeep { at: 9, limit: 4 });
    assert_eq!(deep, "The request body cannot be read: nesting deeper than 4 at offset 9.");
}

#[test]
fn a_malformed_body_is_told_where() {
    let reply = ErrorReply::from(&WireError::Truncated { at: 17 });
    assert_eq!((reply.status, reply.code, reply.param.as_deref()), (400, "malformed_json", None));
    assert!(reply.message.contains("17"), "{}", reply.message);

    let twice = WireError::DuplicateKey { at: 3, field: "model" };
    let reply = ErrorReply::from(&twice);
    assert_eq!((reply.code, reply.param.as_deref()), ("duplicate_key", Some("model")));
    assert!(reply.message.contains("offset 3"), "{}", reply.message);
    assert_eq!((twice.offset(), twice.field()), (3, Some("model")));
}
