//! A filter's configuration inside a configuration of Envoy.

use serde_json::Value;

/// What the filter of a `root_id` is given by a file: its own configuration, that of `root_id:
/// gateway`, or one of Envoy with one such filter in it.
///
/// # Errors
/// Why it is not clear what the filter is given.
pub(crate) fn settings_of(filter: &str, written: Value) -> Result<Value, String> {
    if written.get("static_resources").is_none() {
        return Ok(written.get(filter).cloned().unwrap_or(written));
    }
    let mut found = Vec::new();
    collect(filter, &written, &mut found);
    match found.as_slice() {
        [one] => Ok((*one).clone()),
        [] => Err(format!("is a configuration of Envoy without a {filter}")),
        several => Err(format!(
            "is a configuration of Envoy with {} different {filter}s; put what stands below `value:` \
             of one into a file of its own",
            several.len()
        )),
    }
}

/// The policy that is meant, and where it stands in a filter's configuration; `written` may also be
/// one policy by itself.
///
/// # Errors
/// Which policies there are, if none has that name.
pub(crate) fn chosen_policy(
    mut written: Value,
    name: Option<&str>,
) -> Result<(String, Value), String> {
    let Some(policies) = written.get_mut("policies") else {
        return match name {
            None => Ok((String::new(), written)),
            Some(_) => {
                Err("is one policy; --policy-name is for a configuration with `policies`"
                    .to_owned())
            }
        };
    };
    let name = name.unwrap_or("default");
    let policies = policies.as_object_mut().map(std::mem::take).unwrap_or_default();
    match policies.get(name) {
        Some(chosen) => Ok((format!("policies.{name}"), chosen.clone())),
        None => {
            let names: Vec<_> = policies.keys().map(String::as_str).collect();
            Err(format!(
                "policies: none is named {name:?}; there are: {} (--policy-name)",
                names.join(", ")
            ))
        }
    }
}

/// The different configurations of a filter below `value`.
fn collect<'v>(filter: &str, value: &'v Value, found: &mut Vec<&'v Value>) {
    let given = value.pointer("/configuration/value");
    let root_id = value.get("root_id").and_then(Value::as_str);
    let own = match (root_id, given) {
        (Some(root_id), given) if root_id == filter => given,
        // The part of the filter in what the filter of all is given.
        (Some("gateway"), Some(given)) => given.get(filter),
        _ => None,
    };
    match own {
        Some(own) if found.contains(&own) => {}
        Some(own) => found.push(own),
        None => match value {
            Value::Array(elements) => {
                elements.iter().for_each(|value| collect(filter, value, found))
            }
            Value::Object(members) => {
                members.values().for_each(|value| collect(filter, value, found))
            }
            _ => {}
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn guardrail(written: Value) -> Result<Value, String> {
        settings_of("guardrail", written)
    }

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
