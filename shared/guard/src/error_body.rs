//! The body of an upstream's error: inspected as what it is, whatever its headers call it.
//!
//! Proxies and servers in distress send what is at hand: plain text that is called JSON, HTML, JSON that was
//! cut. Clients decide by the status whether to try again, so an error must not become another one.

use crate::Watch;
use crate::inspection::BodyInspection;
use crate::stream::inspect_any;

/// Inspects the body of an error: as JSON where it is that, else as text, in which the detectors read the
/// escapes of JSON themselves.
pub fn inspect_error(watch: &Watch, body: &[u8]) -> BodyInspection {
    inspect_any(watch, body)
}

#[cfg(test)]
mod tests {
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    use super::*;
    use crate::tests::policy;

    fn became(body: &[u8]) -> Option<String> {
        let policy = policy(r#"{"rules":[{"rules":["pii"],"action":"redact"}]}"#);
        let inspected = inspect_error(&Watch::new(policy), body);
        let edited = || weir_wire::edit::apply(body, &inspected.edits).unwrap();
        inspected.refusal.is_none().then(|| String::from_utf8(edited()).unwrap())
    }

    #[test]
    fn an_error_is_inspected_as_what_it_is() {
        for (body, expected) in [
            (r#"{"error":{"message":"ann@example.com"}}"#, r#"{"error":{"message":"[EMAIL]"}}"#),
            (
                r#"{"error":{"message":"\u0061nn@example.com"}}"#,
                r#"{"error":{"message":"[EMAIL]"}}"#,
            ),
            ("upstream error of ann@example.com", "upstream error of [EMAIL]"),
            ("<html><p>Ask ann@example.com</p>", "<html><p>Ask [EMAIL]</p>"),
            (r#"{"error":{"message":"ann@example.com"#, r#"{"error":{"message":"[EMAIL]"#),
            (
                r#"{"error":{"message":"ask ann\u0040example.com"#,
                r#"{"error":{"message":"ask [EMAIL]"#,
            ),
            (
                r#"{"error":{"message":"\u0034111 1111 1111 1111"#,
                r#"{"error":{"message":"[CREDIT_CARD]"#,
            ),
            (r#"{"error":{"message":"a\nb \"c\" d"#, r#"{"error":{"message":"a\nb \"c\" d"#),
            ("Internal Server Error", "Internal Server Error"),
            ("5", "5"),
        ] {
            assert_eq!(became(body.as_bytes()).as_deref(), Some(expected), "{body}");
        }
        assert_eq!(became(b"\x1f\x8b\x08\0\xff"), None);
    }
}
