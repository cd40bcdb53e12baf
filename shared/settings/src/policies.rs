//! Named policies, and the places where a request's policy is named.
//!
//! Envoy has no per-route Wasm configuration, so one filter instance carries all policies and
//! the first of the [`PolicyPlace`]s that names one decides.

use std::collections::BTreeMap;
use std::rc::Rc;

use serde_json::{Map, Value};

use crate::{SettingsError, located};

/// Name of the policy that applies where a route names none.
pub const DEFAULT: &str = "default";

/// What is said where there are none.
const NO_POLICY: &str = "holds no policy; write at least `default`, which applies to every route \
                         that names no other: `policies: {default: {…}}`";

/// What is said of anything else.
const NO_NAMES: &str = "must be members with names: `policies: {default: {…}}`";

/// Compiled policies.
#[derive(Debug)]
pub struct Policies<P> {
    named: BTreeMap<String, Rc<P>>,
    routes: BTreeMap<String, Rc<P>>,
    /// All names, for errors.
    names: String,
}

/// Policies as written.
struct RawPolicies {
    /// Policies by name. `default` applies where a route names none.
    policies: Map<String, Value>,
    /// Policy by Envoy route name.
    routes: BTreeMap<String, String>,
}

impl RawPolicies {
    fn read(mut members: Map<String, Value>) -> Result<Self, SettingsError> {
        let policies = match members.remove("policies") {
            Some(Value::Object(policies)) if !policies.is_empty() => policies,
            None | Some(Value::Object(_) | Value::Null) => {
                return Err(SettingsError::misfit("policies", NO_POLICY));
            }
            Some(_) => return Err(SettingsError::misfit("policies", NO_NAMES)),
        };
        let routes = members.remove("routes").unwrap_or_else(|| Value::Object(Map::new()));
        let routes = located::read("routes", routes)?;
        match members.keys().next() {
            Some(other) => {
                let problem = format!("unknown field `{other}`, expected `policies` or `routes`");
                Err(SettingsError::misfit("", problem))
            }
            None => Ok(Self { policies, routes }),
        }
    }

    /// The names of the policies, in order.
    fn names(&self) -> String {
        self.policies.keys().map(String::as_str).collect::<Vec<_>>().join(", ")
    }
}

/// A place where the policy of a request is named, the first one that names any first.
///
/// An operator writes all of them. A client chooses none: the model's entry goes by the model that the
/// body names, and the routes by what the operator made them match.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PolicyPlace {
    /// The entry of the model in model-router's configuration: `policy` or `policies`.
    Model,
    /// The route's metadata: `filter_metadata: {weir: {policy: NAME}}`.
    Route,
    /// The filter's own map `routes`, by the route's name.
    RouteName,
    /// The metadata of the virtual host.
    VirtualHost,
    /// The metadata of the listener.
    Listener,
    /// Nowhere: the policy `default`.
    Nowhere,
}

impl PolicyPlace {
    /// How an error speaks of a name that stands there.
    fn asks(self) -> &'static str {
        match self {
            Self::Model => "the model's entry asks for the policy",
            Self::Route => "its metadata (filter_metadata.weir.policy) asks for the policy",
            Self::RouteName => "the map `routes` asks for the policy",
            Self::VirtualHost => {
                "the metadata of its virtual host (filter_metadata.weir.policy) asks for the policy"
            }
            Self::Listener => {
                "the metadata of its listener (filter_metadata.weir.policy) asks for the policy"
            }
            Self::Nowhere => "nothing names a policy for it, so it has",
        }
    }
}

/// No policy applies to a request. What it says comes from the operator's configuration alone, so it
/// may be logged.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct UnknownPolicy(String);

impl UnknownPolicy {
    #[cold]
    #[inline(never)]
    fn new(place: PolicyPlace, name: &[u8], names: &str) -> Self {
        let name = String::from_utf8_lossy(name);
        Self(format!("{} {name:?}, which is none of: {names}", place.asks()))
    }

    /// The same with the name of the route.
    #[cold]
    pub fn on_route(self, name: Option<&[u8]>) -> Self {
        let name = String::from_utf8_lossy(name.unwrap_or_default());
        Self(format!("route {name:?}: {}", self.0))
    }
}

impl<P> Policies<P> {
    /// Reads policies from the plugin's configuration, compiling each with `compile(field path, raw)`.
    ///
    /// # Errors
    /// An unreadable configuration, no policy at all, a `routes` entry that names no policy, or what
    /// `compile` refuses.
    pub fn from_json<R: serde::de::DeserializeOwned>(
        json: &[u8],
        compile: impl Fn(&str, R) -> Result<P, SettingsError>,
    ) -> Result<Self, SettingsError> {
        Self::from_values(json, |field, written| compile(field, located::read(field, written)?))
    }

    /// The same where `compile` reads what is written, too.
    pub(crate) fn from_values(
        json: &[u8],
        compile: impl Fn(&str, Value) -> Result<P, SettingsError>,
    ) -> Result<Self, SettingsError> {
        Self::from_members(crate::plugin::members(json)?, compile)
    }

    /// The same of members that were read, without those that are no matter of policies.
    pub(crate) fn from_members(
        members: Map<String, Value>,
        compile: impl Fn(&str, Value) -> Result<P, SettingsError>,
    ) -> Result<Self, SettingsError> {
        let raw = RawPolicies::read(members)?;
        let names = raw.names();
        let mut named = BTreeMap::new();
        for (name, policy) in raw.policies {
            let compiled = compile(&format!("policies.{name}"), policy)?;
            named.insert(name, Rc::new(compiled));
        }
        let mut routes = BTreeMap::new();
        for (route, name) in raw.routes {
            let field = format!("routes.{route}");
            let policy = named
                .get(&name)
                .ok_or_else(|| SettingsError::invalid(field, &name, "is not a policy's name"))?;
            routes.insert(route, Rc::clone(policy));
        }
        Ok(Self { named, routes, names })
    }

    /// All policies, in the order of their names.
    pub fn iter(&self) -> impl Iterator<Item = &P> {
        self.named.values().map(Rc::as_ref)
    }

    /// True if the route's name matters, so that a filter need not ask for it otherwise.
    pub fn depends_on_route_name(&self) -> bool {
        !self.routes.is_empty()
    }

    /// The policy called `name`, as `place` asks for it.
    ///
    /// # Errors
    /// There is none of that name: the caller fails closed.
    pub fn named(&self, place: PolicyPlace, name: &[u8]) -> Result<&Rc<P>, UnknownPolicy> {
        let found = text(name).and_then(|name| self.named.get(name));
        found.ok_or_else(|| UnknownPolicy::new(place, name, &self.names))
    }

    /// The policy that the map `routes` gives a route of that name.
    pub fn of_route_name(&self, route: &[u8]) -> Option<&Rc<P>> {
        text(route).and_then(|name| self.routes.get(name))
    }

    /// The policy of requests for which no place names one.
    ///
    /// # Errors
    /// There is no `default`: the caller fails closed.
    pub fn fallback(&self) -> Result<&Rc<P>, UnknownPolicy> {
        self.named(PolicyPlace::Nowhere, DEFAULT.as_bytes())
    }
}

fn text(bytes: &[u8]) -> Option<&str> {
    std::str::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    fn policies(json: &str) -> Result<Policies<u32>, SettingsError> {
        Policies::from_json(json.as_bytes(), |_, raw: u32| Ok(raw))
    }

    #[test]
    fn a_policy_is_found_by_its_name_by_a_routes_name_or_as_the_default() {
        let all =
            policies(r#"{"policies":{"default":1,"batch":2},"routes":{"r":"batch"}}"#).unwrap();
        assert_eq!(**all.named(PolicyPlace::Route, b"batch").unwrap(), 2);
        assert_eq!(all.of_route_name(b"r").map(|policy| **policy), Some(2));
        assert_eq!(all.of_route_name(b"other"), None);
        assert_eq!(**all.fallback().unwrap(), 1);
    }

    #[test]
    fn an_unknown_policy_is_named_with_its_place_its_route_and_with_those_that_there_are() {
        let all = policies(r#"{"policies":{"default":1,"batch":2}}"#).unwrap();
        let said = |place, name: &[u8]| {
            all.named(place, name).unwrap_err().on_route(Some(b"llama")).to_string()
        };
        assert_eq!(
            said(PolicyPlace::Route, b"strict"),
            "route \"llama\": its metadata (filter_metadata.weir.policy) asks for the policy \
             \"strict\", which is none of: batch, default"
        );
        assert!(said(PolicyPlace::Model, b"strict").contains("the model's entry asks"));
        assert!(said(PolicyPlace::VirtualHost, b"x").contains("its virtual host"));
        assert!(said(PolicyPlace::Listener, b"x").contains("its listener"));
        assert!(said(PolicyPlace::Route, b"str\nict").contains(r#""str\nict""#));
        assert!(all.named(PolicyPlace::Route, b"\xff").is_err());
        let all = policies(r#"{"policies":{"only":1}}"#).unwrap();
        assert_eq!(
            all.fallback().unwrap_err().on_route(Some(b"qwen")).to_string(),
            "route \"qwen\": nothing names a policy for it, so it has \"default\", which is none of: only"
        );
    }

    #[test]
    fn no_policy_at_all_is_answered_with_what_to_write() {
        for json in [r#"{"policies":{}}"#, r#"{"policies":null}"#, "{}"] {
            let error = policies(json).unwrap_err().to_string();
            assert!(error.starts_with("policies: holds no policy; write at least `default`"));
            assert!(error.contains("every route that names no other"), "{error}");
        }
    }

    #[test]
    fn mistakes_are_named() {
        let error = policies(r#"{"policies":{"a":1},"routes":{"r":"b"}}"#).unwrap_err().to_string();
        assert_eq!(error, "routes.r: b is not a policy's name");
        for (json, expected) in [
            (
                r#"{"policies":{"a":1},"rutes":{}}"#,
                "unknown field `rutes`, expected `policies` or `routes`",
            ),
            (
                r#"{"policies":{"a":"x"}}"#,
                "policies.a: found string \"x\", expected a whole number from 0 on",
            ),
            (
                r#"{"policies":{"a":1},"routes":{"r":1}}"#,
                "routes.r: found integer `1`, expected a string",
            ),
            ("[]", "must be members: `{…}`"),
            (r#"{"policies":[1]}"#, &format!("policies: {NO_NAMES}")),
        ] {
            assert_eq!(policies(json).unwrap_err().to_string(), expected);
        }
    }
}
