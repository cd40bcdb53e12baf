//! Finding `model` in a request body.

use std::borrow::Cow;

use serde::Deserialize;

/// The one field that is read; serde skips the others without building them.
#[derive(Deserialize)]
struct Body<'a> {
    #[serde(borrow)]
    model: Cow<'a, str>,
}

/// The model that a JSON body names; `None` if it is not JSON or names none.
pub(crate) fn of_body(body: &[u8]) -> Option<Cow<'_, str>> {
    serde_json::from_slice::<Body<'_>>(body).ok().map(|body| body.model)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_model_is_found_wherever_it_stands() {
        for (body, model) in [
            (r#"{"model":"llama","messages":[{"content":"hi"}]}"#, Some("llama")),
            (r#"{"messages":[{"model":"inner"}],"model":"a\u0062"}"#, Some("ab")),
            (r#"{"messages":[]}"#, None),
            (r#"{"model":"llama""#, None),
            ("", None),
        ] {
            assert_eq!(of_body(body.as_bytes()).as_deref(), model, "{body}");
        }
    }
}
