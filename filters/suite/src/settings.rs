//! The configuration of `root_id: gateway`.

use serde_json::{Map, Value};
use weir_request::{StateKey, StateKeys};
use weir_settings::policies::DEFAULT;
use weir_settings::{SettingsError, plugin};

use crate::model_policies;

/// The configuration of each filter under the filter's name, and what concerns all of them.
pub(crate) struct GatewaySettings {
    /// As for `root_id: model-router`.
    pub(crate) model_router: Value,
    /// As for `root_id: token-limit`, with the router's `trust`; without it nothing is limited.
    pub(crate) token_limit: Option<Value>,
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

const NAMES: &str = "`model-router`, `token-limit`, `guardrail`, `endpoint-picker`, `leave-state` or `policy-by-route`";

impl GatewaySettings {
    /// Reads a plugin's configuration.
    ///
    /// # Errors
    /// What is missing, unknown, or does not go together.
    pub(crate) fn read(configuration: &[u8]) -> Result<Self, SettingsError> {
        let mut members = plugin::members(configuration)?;
        let mut take = |name: &str| members.remove(name).filter(|value| !value.is_null());
        let missing = |name: &str| SettingsError::misfit("", format!("missing field `{name}`"));
        let model_router = take("model-router").ok_or_else(|| missing("model-router"))?;
        let settings = Self {
            token_limit: trusting(take("token-limit"), &model_router)?,
            model_router,
            guardrail: take("guardrail"),
            endpoint_picker: take("endpoint-picker").ok_or_else(|| missing("endpoint-picker"))?,
            state_keys: state_keys(take("leave-state"))?,
            asks_route: asks_route(take("policy-by-route"))?,
        };
        if let Some(other) = members.keys().next() {
            let problem = format!("unknown field `{other}`, expected {NAMES}");
            return Err(SettingsError::misfit("", problem));
        }
        settings.check()?;
        Ok(settings)
    }

    /// Whether models name policies that there are, and whether there are policies that nothing chooses.
    fn check(&self) -> Result<(), SettingsError> {
        let limits = self.token_limit.as_ref().map(|part| ("token-limit", part));
        let guardrail = self.guardrail.as_ref().map(|part| ("guardrail", part));
        let picker = Some(("endpoint-picker", &self.endpoint_picker));
        let parts: Vec<_> = [limits, guardrail, picker].into_iter().flatten().collect();
        model_policies::check(&self.model_router, &parts)?;
        if let Some(limits) = &self.token_limit {
            model_policies::check_downgrades(&self.model_router, limits)?;
        }
        let router = ("model-router", &self.model_router);
        let all = parts.into_iter().chain([router]);
        if !self.asks_route && all.into_iter().any(|(name, part)| self.needs_route(name, part)) {
            let problem = "leaves the policy `default` and those that models name: remove it, or the \
                           other policies and `routes`";
            return Err(SettingsError::misfit("policy-by-route", problem));
        }
        Ok(())
    }

    /// Whether only a route could choose some policy of that filter.
    fn needs_route(&self, name: &str, part: &Value) -> bool {
        let chosen = model_policies::of_filter(&self.model_router, name);
        let policies = part.get("policies").and_then(Value::as_object);
        let mut names = policies.into_iter().flat_map(Map::keys);
        part.get("routes").is_some()
            || names.any(|name| name != DEFAULT && !chosen.contains(name.as_str()))
    }
}

/// The configuration of token-limit with what the router trusts: both go by the same.
fn trusting(limits: Option<Value>, router: &Value) -> Result<Option<Value>, SettingsError> {
    let Some(mut limits) = limits else { return Ok(None) };
    if let Some(members) = limits.as_object_mut() {
        if members.contains_key("trust") {
            let problem = "stands in `model-router` here, for both";
            return Err(SettingsError::misfit("token-limit.trust", problem));
        }
        if let Some(trust) = router.get("trust") {
            members.insert("trust".to_owned(), trust.clone());
        }
    }
    Ok(Some(limits))
}

fn state_keys(settings: Option<Value>) -> Result<StateKeys, SettingsError> {
    let Some(settings) = settings else { return Ok(StateKeys::from(&StateKey::NAMES[..])) };
    let problem = "must be a list of `facts`, `model`, `pool`, `endpoint`, `decision`, `tokens` and `tokens-total`, or empty: `[]`";
    let Value::Array(names) = settings else {
        return Err(SettingsError::invalid("leave-state", settings, problem));
    };
    let mut list = Vec::new();
    for (at, name) in names.iter().enumerate() {
        let problem = "is none of `facts`, `model`, `pool`, `endpoint`, `decision`, `tokens` and `tokens-total`";
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
    fn a_policy_that_a_model_names_needs_no_route() {
        let model = r#"{"name":"m","pool":"p","policies":{"guardrail":"strict"}}"#;
        let settings = |rest: &str| {
            let json = format!(
                r#"{{"policy-by-route":false,"endpoint-picker":{{"policies":{{"default":{{}}}}}},
                "model-router":{{"policies":{{"default":{{"models":[{model}]}}}}}},
                "guardrail":{{"policies":{{"default":{{}},"strict":{{}}{rest}}}}}}}"#
            );
            GatewaySettings::read(json.as_bytes()).map(drop).map_err(|error| error.to_string())
        };
        assert_eq!(settings(""), Ok(()));
        assert!(settings(r#","other":{}"#).unwrap_err().starts_with("policy-by-route"));
    }

    #[test]
    fn an_entry_that_nothing_is_called_is_named_with_those_that_there_are() {
        let error = |list: &str| read(&format!(r#","leave-state":{list}"#)).err().unwrap();
        let allowed = "is none of `facts`, `model`, `pool`, `endpoint`, `decision`, `tokens` and `tokens-total`";
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
