//! `GET /v1/models` from the configuration.

use serde_json::{Value, json};
use weir_settings::model_router::RouterPolicy;
use weir_wire::path::Dialect;

/// The models that `consumer` may use, in Gemini's form or in one that is both OpenAI's and Anthropic's: their clients ask
/// under the same path and pass over members that they do not know.
///
/// `created` is 0: the gateway does not know when a model was made.
pub(crate) fn list(policy: &RouterPolicy, dialect: Dialect, consumer: Option<&str>) -> Vec<u8> {
    let names: Vec<_> = policy.listed(consumer).collect();
    let data: Vec<_> = names.iter().map(|name| model(name, dialect)).collect();
    let list = match dialect {
        Dialect::Gemini => json!({"models": data}),
        _ => json!({
            "object": "list", "data": data,
            "has_more": false, "first_id": names.first(), "last_id": names.last(),
        }),
    };
    list.to_string().into_bytes()
}

/// One model, also of a pattern, which the list leaves out; `None` for a name that is hidden, not for
/// `consumer`, or none.
pub(crate) fn one(
    policy: &RouterPolicy,
    dialect: Dialect,
    id: &str,
    consumer: Option<&str>,
) -> Option<Vec<u8>> {
    policy.shows(id, consumer).then(|| model(id, dialect).to_string().into_bytes())
}

fn model(id: &str, dialect: Dialect) -> Value {
    match dialect {
        Dialect::Gemini => json!({"name": (["models/", id].concat()), "displayName": id}),
        _ => json!({
            "id": id, "object": "model", "created": 0, "owned_by": "weir",
            "type": "model", "display_name": id, "created_at": "1970-01-01T00:00:00Z",
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use weir_settings::model_router::RouterSettings;

    #[test]
    fn the_list_has_what_the_policy_shows() {
        let json = br#"{"policies":{"default":{"models":[
            {"name":"a","pool":"p"},{"name":"b","pool":"p","hidden":true},
            {"name":"gpt-*","pool":"p"},{"name":"test-*","pool":"p","hidden":true}]}}}"#;
        let settings = RouterSettings::from_json(json).unwrap();
        let policy = settings.policies.fallback().unwrap();
        for (name, shown) in [("a", true), ("b", false), ("gpt-4o", true), ("test-1", false)] {
            assert_eq!(one(policy, Dialect::OpenAi, name, None).is_some(), shown, "{name}");
        }
        let list = list(policy, Dialect::OpenAi, None);
        let value: serde_json::Value = serde_json::from_slice(&list).unwrap();
        assert_eq!(value["data"].as_array().unwrap().len(), 1);
        assert_eq!(value["data"][0]["id"], "a");
    }
}
