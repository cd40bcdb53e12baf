//! `GET /v1/models` from the configuration.

use serde_json::{Value, json};
use weir_settings::model_router::RouterPolicy;

/// The models that `consumer` may use, in OpenAI's form, which Anthropic's clients do not ask for.
///
/// `created` is 0: the gateway does not know when a model was made.
pub(crate) fn list(policy: &RouterPolicy, consumer: Option<&str>) -> Vec<u8> {
    let data: Vec<_> = policy.listed(consumer).map(model).collect();
    json!({"object": "list", "data": data}).to_string().into_bytes()
}

/// One model, also of a pattern, which the list leaves out; `None` for a name that is hidden, not for
/// `consumer`, or none.
pub(crate) fn one(policy: &RouterPolicy, id: &str, consumer: Option<&str>) -> Option<Vec<u8>> {
    policy.shows(id, consumer).then(|| model(id).to_string().into_bytes())
}

fn model(id: &str) -> Value {
    json!({"id": id, "object": "model", "created": 0, "owned_by": "weir"})
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
            assert_eq!(one(policy, name, None).is_some(), shown, "{name}");
        }
        let list = list(policy, None);
        let value: serde_json::Value = serde_json::from_slice(&list).unwrap();
        assert_eq!(value["data"].as_array().unwrap().len(), 1);
        assert_eq!(value["data"][0]["id"], "a");
    }
}
