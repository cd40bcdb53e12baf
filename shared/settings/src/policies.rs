//! Named policies, and which of them applies to a route.
//!
//! Envoy has no per-route Wasm configuration, so one filter instance carries all policies and
//! the route names one: in its metadata (`filter_metadata: {weir: {policy: NAME}}`), or, for
//! meshes that cannot set metadata, through the `routes` map by route name. Neither: `default`.

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
    fn read(json: &[u8]) -> Result<Self, SettingsError> {
        let mut members = crate::plugin::members(json)?;
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

/// No policy applies to a route. What it says comes from the operator's configuration alone, so it
/// may be logged.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct UnknownPolicy(String);

impl UnknownPolicy {
    #[cold]
    #[inline(never)]
    fn new(metadata: Option<&[u8]>, names: &str) -> Self {
        Self(match metadata.map(String::from_utf8_lossy) {
            Some(name) => format!(
                "its metadata asks for the policy {name:?} (filter_metadata.weir.policy), which is none of: {names}"
            ),
            None => format!("it has no policy of its own, and `default` is none of: {names}"),
        })
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
        let raw = RawPolicies::read(json)?;
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

    /// The policy for a route, by the name in its metadata, else by its route name.
    ///
    /// # Errors
    /// The metadata names a policy that does not exist, or nothing applies and there is no
    /// `default`: the caller fails closed.
    pub fn select(
        &self,
        metadata: Option<&[u8]>,
        route_name: Option<&[u8]>,
    ) -> Result<&Rc<P>, UnknownPolicy> {
        let found = match metadata {
            Some(name) => text(name).and_then(|name| self.named.get(name)),
            None => route_name
                .and_then(text)
                .and_then(|name| self.routes.get(name))
                .or_else(|| self.named.get(DEFAULT)),
        };
        found.ok_or_else(|| UnknownPolicy::new(metadata, &self.names))
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
    fn metadata_wins_over_the_route_name_and_that_over_the_default() {
        let all = policies(r#"{"policies":{"default":1,"batch":2,"x":3},"routes":{"r":"batch"}}"#)
            .unwrap();
        assert_eq!(**all.select(Some(b"x"), Some(b"r")).unwrap(), 3);
        assert_eq!(**all.select(None, Some(b"r")).unwrap(), 2);
        assert_eq!(**all.select(None, Some(b"other")).unwrap(), 1);
        assert_eq!(**all.select(None, None).unwrap(), 1);
    }

    #[test]
    fn a_route_that_asks_for_an_unknown_policy_gets_none_at_all() {
        let all = policies(r#"{"policies":{"default":1}}"#).unwrap();
        assert!(all.select(Some(b"strict"), None).is_err());
        assert!(all.select(Some(b"\xff"), None).is_err());
        let all = policies(r#"{"policies":{"only":1}}"#).unwrap();
        assert!(all.select(None, None).is_err());
    }

    #[test]
    fn an_unknown_policy_is_named_with_its_route_and_with_those_that_there_are() {
        let all = policies(r#"{"policies":{"default":1,"batch":2}}"#).unwrap();
        let said = |metadata, route: &[u8]| {
            all.select(metadata, None).unwrap_err().on_route(Some(route)).to_string()
        };
        assert_eq!(
            said(Some(b"strict"), b"llama"),
            "route \"llama\": its metadata asks for the policy \"strict\" \
             (filter_metadata.weir.policy), which is none of: batch, default"
        );
        assert!(said(Some(b"str\nict"), b"").contains(r#""str\nict""#));
        let all = policies(r#"{"policies":{"only":1}}"#).unwrap();
        assert_eq!(
            all.select(None, None).unwrap_err().on_route(Some(b"qwen")).to_string(),
            "route \"qwen\": it has no policy of its own, and `default` is none of: only"
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
