//! The configuration of `root_id: gateway`.

use serde_json::{Map, Value};
use weir_request::{StateKey, StateKeys};
use weir_settings::policies::DEFAULT;
use weir_settings::{SettingsError, plugin};

/// The configuration of each filter under the filter's name, and what concerns all of them.
pub(crate) struct GatewaySettings {
    /// As for `root_id: model-router`.
    pub(crate) model_router: Value,
    /// As for `root_id: guardrail`; without it nothing is inspected.
    pub(crate) guardrail: Option<Value>,
    /// As for `root_id: endpoint-picker`.
    pub(crate) endpoint_picker: Value,
    /// What each request leaves in filter state; by default what access logs may want. Weir filters
    /// that follow in the chain need `facts`; the ones in here need nothing.
    pub(crate) state_keys: StateKeys,
    /// False where every route has the policy `default`: Envoy is not asked for the route's then.
    pub(crate) asks_route: bool,
}

const NAMES: &str =
    "`model-router`, `guardrail`, `endpoint-picker`, `leave-state` or `policy-by-route`";

impl GatewaySettings {
    /// Reads a plugin's configuration.
    ///
    /// # Errors
    /// What is missing, unknown, or does not go together.
    pub(crate) fn read(configuration: &[u8]) -> Result<Self, SettingsError> {
        let mut members = plugin::members(configuration)?;
        let mut take = |name: &str| members.remove(name).filter(|value| !value.is_null());
        let missing = |name: &str| SettingsError::misfit("", format!("missing field `{name}`"));
        let settings = Self {
            model_router: take("model-router").ok_or_else(|| missing("model-router"))?,
            guardrail: take("guardrail"),
            endpoint_picker: take("endpoint-picker").ok_or_else(|| missing("endpoint-picker"))?,
            state_keys: state_keys(take("leave-state"))?,
            asks_route: asks_route(take("policy-by-route"))?,
        };
        if let Some(other) = members.keys().next() {
            let problem = format!("unknown field `{other}`, expected {NAMES}");
            return Err(SettingsError::misfit("", problem));
        }
        settings.check()
    }

    /// Whether there are policies that no route could choose.
    fn check(self) -> Result<Self, SettingsError> {
        let parts =
            [Some(&self.model_router), self.guardrail.as_ref(), Some(&self.endpoint_picker)];
        let chooses = |part: &Value| {
            let policies = part.get("policies").and_then(Value::as_object);
            let others = |all: &Map<String, Value>| all.keys().any(|name| name != DEFAULT);
            part.get("routes").is_some() || policies.is_some_and(others)
        };
        if !self.asks_route && parts.into_iter().flatten().any(chooses) {
            let problem = "goes with the policy `default` alone: remove it, or the other policies \
                           and `routes`";
            return Err(SettingsError::misfit("policy-by-route", problem));
        }
        Ok(self)
    }
}

fn state_keys(settings: Option<Value>) -> Result<StateKeys, SettingsError> {
    let Some(settings) = settings else { return Ok(StateKeys::from(&StateKey::NAMES[..])) };
    let problem = "must be a list of `facts`, `model`, `pool` and `endpoint`, or empty: `[]`";
    let Value::Array(names) = settings else {
        return Err(SettingsError::invalid("leave-state", settings, problem));
    };
    let mut list = Vec::new();
    for (at, name) in names.iter().enumerate() {
        let problem = "is none of `facts`, `model`, `pool` and `endpoint`";
        let key = name.as_str().and_then(StateKey::by_name);
        let place = || format!("leave-state[{at}]");
        list.push(key.ok_or_else(|| SettingsError::invalid(place(), name, problem))?);
    }
    Ok(StateKeys::from(&list[..]))
}

fn asks_route(settings: Option<Value>) -> Result<bool, SettingsError> {
    match settings {
        None => Ok(true),
        Some(Value::Bool(flag)) => Ok(flag),
        Some(other) => {
            Err(SettingsError::invalid("policy-by-route", other, "must be true or false"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PARTS: &str = r#""model-router":{"policies":{"default":{}}},"endpoint-picker":{"policies":{"default":{}}}"#;

    fn read(more: &str) -> Result<GatewaySettings, String> {
        GatewaySettings::read(format!("{{{PARTS}{more}}}").as_bytes())
            .map_err(|error| error.to_string())
    }

    #[test]
    fn by_default_access_logs_have_their_names_and_routes_choose() {
        let settings = read("").unwrap();
        assert!(
            settings.asks_route && settings.state_keys == StateKeys::from(&StateKey::NAMES[..])
        );
        let settings = read(r#","leave-state":["facts"],"policy-by-route":false"#).unwrap();
        assert!(
            !settings.asks_route && settings.state_keys == StateKeys::from(&[StateKey::Facts][..])
        );
    }

    #[test]
    fn an_entry_that_nothing_is_called_is_named_with_those_that_there_are() {
        let error = |list: &str| read(&format!(r#","leave-state":{list}"#)).err().unwrap();
        let allowed = "is none of `facts`, `model`, `pool` and `endpoint`";
        assert_eq!(error(r#"["model","Pool"]"#), format!(r#"leave-state[1]: "Pool" {allowed}"#));
        assert_eq!(error("[7]"), format!("leave-state[0]: 7 {allowed}"));
        assert!(error("\"model\"").starts_with("leave-state: \"model\" must be a list of `facts`"));
    }

    #[test]
    fn what_is_wrong_is_said_with_its_place() {
        let cases = [
            (r#","leave-state":true"#, "leave-state"),
            (r#","policy-by-route":"no""#, "policy-by-route"),
            (
                r#","policy-by-route":false,"guardrail":{"policies":{"strict":{}}}"#,
                "policy-by-route",
            ),
            (
                r#","policy-by-route":false,"guardrail":{"routes":{"a":"default"}}"#,
                "policy-by-route",
            ),
            (r#","leave-facts":true"#, "leave-state"),
        ];
        for (more, place) in cases {
            let error = read(more).err().unwrap_or_default();
            assert!(error.contains(place), "{more}: {error:?}");
        }
    }
}
