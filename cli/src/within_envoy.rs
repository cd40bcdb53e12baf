//! The guardrail's configuration inside a configuration of Envoy.

use serde_json::Value;

/// What the guardrail is given by a file: its own configuration, that of `root_id: gateway`, or one of
/// Envoy with one guardrail in it.
///
/// # Errors
/// Why it is not clear what the guardrail is given.
pub(crate) fn guardrail(written: Value) -> Result<Value, String> {
    if written.get("static_resources").is_none() {
        return Ok(of_gateway(&written).cloned().unwrap_or(written));
    }
    let mut found = Vec::new();
    collect(&written, &mut found);
    match found.as_slice() {
        [one] => Ok((*one).clone()),
        [] => Err("is a configuration of Envoy without a guardrail".to_owned()),
        several => Err(format!(
            "is a configuration of Envoy with {} different guardrails; put what stands below `value:` \
             of one into a file of its own",
            several.len()
        )),
    }
}

/// The guardrail's part of what the filter `gateway` is given.
fn of_gateway(written: &Value) -> Option<&Value> {
    written.get("guardrail")
}

/// The different configurations of guardrails below `value`.
fn collect<'v>(value: &'v Value, found: &mut Vec<&'v Value>) {
    let given = value.pointer("/configuration/value");
    let root_id = value.get("root_id").and_then(Value::as_str);
    let own = match (root_id, given) {
        (Some("guardrail"), given) => given,
        (Some("gateway"), Some(given)) => of_gateway(given),
        _ => None,
    };
    match own {
        Some(own) if found.contains(&own) => {}
        Some(own) => found.push(own),
        None => match value {
            Value::Array(elements) => elements.iter().for_each(|value| collect(value, found)),
            Value::Object(members) => members.values().for_each(|value| collect(value, found)),
            _ => {}
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn envoy(filters: &[(&str, Value)]) -> Value {
        let filters = filters.iter().map(|(root_id, value)| {
            json!({"config": {"root_id": root_id, "configuration": {"value": value}}})
        });
        json!({"static_resources": {"listeners": [{"filters": filters.collect::<Vec<_>>()}]}})
    }

    #[test]
    fn the_guardrail_of_an_envoy_is_found_wherever_it_runs() {
        let policies = json!({"policies": {"default": {}}});
        let router = ("model-router", json!({"policies": {"default": {"models": []}}}));
        let alone = envoy(&[router.clone(), ("guardrail", policies.clone())]);
        assert_eq!(guardrail(alone), Ok(policies.clone()));
        let together = envoy(&[("gateway", json!({"guardrail": policies}))]);
        assert_eq!(guardrail(together), Ok(policies.clone()));
        assert_eq!(guardrail(json!({"guardrail": policies})), Ok(policies.clone()));
        assert_eq!(guardrail(policies.clone()), Ok(policies.clone()));
        let twice = envoy(&[("guardrail", policies.clone()), ("guardrail", policies.clone())]);
        assert_eq!(guardrail(twice), Ok(policies.clone()));
        assert!(guardrail(envoy(&[router])).unwrap_err().contains("without a guardrail"));
        let other = json!({"policies": {"default": {"rules": []}}});
        let again = ("guardrail", policies.clone());
        let several = envoy(&[("guardrail", policies), ("guardrail", other), again]);
        assert!(guardrail(several).unwrap_err().contains("with 2 different guardrails"));
    }
}
