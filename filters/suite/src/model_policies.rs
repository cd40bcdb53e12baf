//! The policies that models name for the filters after the router, held against those that there are.

use std::collections::BTreeSet;

use serde_json::{Map, Value};
use weir_settings::SettingsError;
use weir_settings::model_router::FILTERS;

/// The names of the policies of a filter's configuration.
fn names(configuration: &Value) -> BTreeSet<&str> {
    let policies = configuration.get("policies").and_then(Value::as_object);
    policies.into_iter().flat_map(Map::keys).map(String::as_str).collect()
}

/// One policy that a model's entry names.
struct Named<'a> {
    /// Where, such as `model-router.policies.default.models[1].policy`.
    place: String,
    filter: &'static str,
    name: &'a str,
}

/// All policies that the models of `router` name. What is no configuration of a router is passed over: the
/// router says what is wrong with it.
fn named(router: &Value) -> Vec<Named<'_>> {
    let mut all = Vec::new();
    let policies = router.get("policies").and_then(Value::as_object);
    for (policy, settings) in policies.into_iter().flatten() {
        let models = settings.get("models").and_then(Value::as_array);
        for (at, model) in models.into_iter().flatten().enumerate() {
            let place = format!("model-router.policies.{policy}.models[{at}]");
            for filter in FILTERS {
                let own = model.get("policies").and_then(|own| own.get(filter));
                let (member, name) = match own {
                    Some(name) => (format!("policies.{filter}"), Some(name)),
                    None => ("policy".to_owned(), model.get("policy")),
                };
                let place = format!("{place}.{member}");
                all.extend(name.and_then(Value::as_str).map(|name| Named { place, filter, name }));
            }
        }
    }
    all
}

/// The policies of `filter` that some model names.
pub(crate) fn of_filter<'a>(router: &'a Value, filter: &str) -> BTreeSet<&'a str> {
    let named = named(router).into_iter().filter(|named| named.filter == filter);
    named.map(|named| named.name).collect()
}

/// Whether every filter of `parts` has the policies that models name for it.
///
/// # Errors
/// The first one that is missing, with its place.
pub(crate) fn check(router: &Value, parts: &[(&str, &Value)]) -> Result<(), SettingsError> {
    for Named { place, filter, name } in named(router) {
        let Some((_, part)) = parts.iter().find(|(part, _)| *part == filter) else { continue };
        let there = names(part);
        if !there.contains(name) {
            let there: Vec<_> = there.into_iter().collect();
            let problem = format!("is no policy of `{filter}`, which has: {}", there.join(", "));
            return Err(SettingsError::invalid(place, format!("{name:?}"), problem));
        }
    }
    Ok(())
}

/// Whether some policy of the router serves every model that a limit gives in place of a refusal.
///
/// # Errors
/// The first one that none serves, with its place.
pub(crate) fn check_downgrades(router: &Value, limits: &Value) -> Result<(), SettingsError> {
    let policies = limits.get("policies").and_then(Value::as_object);
    for (policy, settings) in policies.into_iter().flatten() {
        let limits = settings.get("limits").and_then(Value::as_array);
        for (at, limit) in limits.into_iter().flatten().enumerate() {
            let on_exceed = limit.get("on_exceed").and_then(Value::as_str).unwrap_or_default();
            let model =
                on_exceed.strip_prefix("downgrade(").and_then(|rest| rest.strip_suffix(')'));
            if let Some(model) = model.map(str::trim).filter(|model| !serves(router, model)) {
                let place = format!("token-limit.policies.{policy}.limits[{at}].on_exceed");
                let problem = "is a model that no policy of `model-router` serves";
                return Err(SettingsError::invalid(place, format!("{model:?}"), problem));
            }
        }
    }
    Ok(())
}

/// Whether a model's entry of some policy is for that name.
fn serves(router: &Value, model: &str) -> bool {
    let policies = router.get("policies").and_then(Value::as_object).into_iter().flatten();
    let models = policies.filter_map(|(_, policy)| policy.get("models").and_then(Value::as_array));
    let mut names = models.flatten().filter_map(|entry| entry.get("name").and_then(Value::as_str));
    names.any(|name| match name.strip_suffix('*') {
        Some(beginning) => model.starts_with(beginning),
        None => name == model,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn router(model: Value) -> Value {
        json!({"policies": {"default": {"models": [{"name": "m", "pool": "p"}, model]}}})
    }

    #[test]
    fn a_policy_that_a_filter_lacks_is_named_with_its_place() {
        let guardrail = json!({"policies": {"default": {}, "strict": {}}});
        let picker = json!({"policies": {"default": {}}});
        let parts = [("guardrail", &guardrail), ("endpoint-picker", &picker)];
        let checked = |model| check(&router(model), &parts).map_err(|error| error.to_string());
        assert_eq!(checked(json!({"policies": {"guardrail": "strict"}})), Ok(()));
        assert_eq!(checked(json!({"policy": "default"})), Ok(()));
        assert_eq!(
            checked(json!({"policy": "strict"})).unwrap_err(),
            "model-router.policies.default.models[1].policy: \"strict\" is no policy of \
             `endpoint-picker`, which has: default"
        );
        let error = checked(json!({"policies": {"guardrail": "strickt"}})).unwrap_err();
        assert!(error.contains("models[1].policies.guardrail: \"strickt\""), "{error}");
    }

    #[test]
    fn a_model_that_nobody_serves_is_given_in_place_of_no_refusal() {
        let checked = |name: &str| {
            let limit = json!({"name": "l", "on_exceed": format!("downgrade({name})")});
            let limits = json!({"policies": {"default": {"limits": [{"name": "a"}, limit]}}});
            let router = router(json!({"name": "small-*", "pool": "p"}));
            check_downgrades(&router, &limits).map_err(|error| error.to_string())
        };
        assert_eq!((checked("m"), checked("small-7b")), (Ok(()), Ok(())));
        assert_eq!(
            checked("smal").unwrap_err(),
            "token-limit.policies.default.limits[1].on_exceed: \"smal\" is a model that no policy of \
             `model-router` serves"
        );
    }

    #[test]
    fn a_filter_that_is_not_there_lacks_nothing() {
        assert!(check(&router(json!({"policy": "strict"})), &[]).is_ok());
        assert!(check(&json!({"policies": 7}), &[]).is_ok());
    }
}
