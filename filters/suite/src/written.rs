//! The configuration of `root_id: gateway`.

use serde_json::{Map, Value};
use weir_request::{Leaves, Left};
use weir_settings::policies::DEFAULT;
use weir_settings::{SettingsError, plugin};

/// The configuration of each filter under the filter's name, and what concerns all of them.
pub(crate) struct Written {
    /// As for `root_id: model-router`.
    pub(crate) model_router: Value,
    /// As for `root_id: guardrail`; without it nothing is inspected.
    pub(crate) guardrail: Option<Value>,
    /// As for `root_id: endpoint-picker`.
    pub(crate) endpoint_picker: Value,
    /// What each request leaves in filter state; by default what access logs may want. Weir filters
    /// that follow in the chain need `facts`; the ones in here need nothing.
    pub(crate) leaves: Leaves,
    /// False where every route has the policy `default`: Envoy is not asked for the route's then.
    pub(crate) asks_route: bool,
}

const NAMES: &str =
    "`model-router`, `guardrail`, `endpoint-picker`, `leave-state` or `policy-by-route`";

impl Written {
    /// Reads a plugin's configuration.
    ///
    /// # Errors
    /// What is missing, unknown, or does not go together.
    pub(crate) fn read(configuration: &[u8]) -> Result<Self, SettingsError> {
        let mut members = plugin::members(configuration)?;
        let mut take = |name: &str| members.remove(name).filter(|value| !value.is_null());
        let missing = |name: &str| SettingsError::misfit("", format!("missing field `{name}`"));
        let written = Self {
            model_router: take("model-router").ok_or_else(|| missing("model-router"))?,
            guardrail: take("guardrail"),
            endpoint_picker: take("endpoint-picker").ok_or_else(|| missing("endpoint-picker"))?,
            leaves: leaves(take("leave-state"))?,
            asks_route: asks_route(take("policy-by-route"))?,
        };
        if let Some(other) = members.keys().next() {
            let problem = format!("unknown field `{other}`, expected {NAMES}");
            return Err(SettingsError::misfit("", problem));
        }
        written.check()
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

fn leaves(written: Option<Value>) -> Result<Leaves, SettingsError> {
    let Some(written) = written else { return Ok(Leaves::from(&Left::NAMES[..])) };
    let problem = "must be a list of `facts`, `model`, `pool` and `endpoint`, or empty: `[]`";
    let Value::Array(names) = written else {
        return Err(SettingsError::invalid("leave-state", written, problem));
    };
    let mut list = Vec::new();
    for (at, name) in names.iter().enumerate() {
        let problem = "is none of `facts`, `model`, `pool` and `endpoint`";
        let left = name.as_str().and_then(Left::by_name);
        let place = || format!("leave-state[{at}]");
        list.push(left.ok_or_else(|| SettingsError::invalid(place(), name, problem))?);
    }
    Ok(Leaves::from(&list[..]))
}

fn asks_route(written: Option<Value>) -> Result<bool, SettingsError> {
    match written {
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

    fn read(more: &str) -> Result<Written, String> {
        Written::read(format!("{{{PARTS}{more}}}").as_bytes()).map_err(|error| error.to_string())
    }

    #[test]
    fn by_default_access_logs_have_their_names_and_routes_choose() {
        let written = read("").unwrap();
        assert!(written.asks_route && written.leaves == Leaves::from(&Left::NAMES[..]));
        let written = read(r#","leave-state":["facts"],"policy-by-route":false"#).unwrap();
        assert!(!written.asks_route && written.leaves == Leaves::from(&[Left::Facts][..]));
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
