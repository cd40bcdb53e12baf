//! Which policy a request has.

use std::cell::{Cell, OnceCell};
use std::rc::Rc;

use weir_host::Host;
use weir_settings::{Policies, PolicyPlace, UnknownPolicy};

/// Where metadata names a policy: `filter_metadata: {weir: {policy: NAME}}`.
const POLICY: [&str; 3] = ["filter_metadata", "weir", "policy"];

/// What the route, its virtual host and its listener say of policies.
pub struct Route {
    /// Whether they are asked at all.
    asks: bool,
    metadata: Option<Vec<u8>>,
    /// Only asked for where some policy goes by them.
    name: OnceCell<Option<Vec<u8>>>,
    virtual_host: OnceCell<Option<Vec<u8>>>,
    listener: OnceCell<Option<Vec<u8>>>,
}

impl Route {
    /// Asks the current route, unless `asks` says that all routes have the same policy.
    pub fn read<H: Host>(host: &H, asks: bool) -> Self {
        let metadata = if asks { metadata(host, "route_metadata") } else { None };
        let (name, virtual_host, listener) = Default::default();
        Self { asks, metadata, name, virtual_host, listener }
    }

    /// The policy of a request: by `model`, the name that the model's entry gives, else by the first
    /// [`PolicyPlace`] that names one.
    ///
    /// # Errors
    /// A place asks for a policy that does not exist: fail closed. The error names it and the route.
    pub fn policy<H: Host, P>(
        &self,
        host: &H,
        policies: &Policies<P>,
        model: Option<&str>,
    ) -> Result<Rc<P>, UnknownPolicy> {
        let found = self.find(host, policies, model).map(Rc::clone);
        found.map_err(|unknown| self.located(host, unknown))
    }

    fn find<'a, H: Host, P>(
        &self,
        host: &H,
        policies: &'a Policies<P>,
        model: Option<&str>,
    ) -> Result<&'a Rc<P>, UnknownPolicy> {
        if let Some(name) = model {
            return policies.named(PolicyPlace::Model, name.as_bytes());
        }
        if !self.asks {
            return policies.fallback();
        }
        if let Some(name) = &self.metadata {
            return policies.named(PolicyPlace::Route, name);
        }
        if policies.depends_on_route_name()
            && let Some(policy) = self.name(host).and_then(|name| policies.of_route_name(name))
        {
            return Ok(policy);
        }
        let ask = |what| move || metadata(host, what);
        if let Some(name) = self.virtual_host.get_or_init(ask("virtual_host_metadata")) {
            return policies.named(PolicyPlace::VirtualHost, name);
        }
        if let Some(name) = self.listener.get_or_init(ask("listener_metadata")) {
            return policies.named(PolicyPlace::Listener, name);
        }
        policies.fallback()
    }

    #[cold]
    fn located<H: Host>(&self, host: &H, unknown: UnknownPolicy) -> UnknownPolicy {
        unknown.on_route(self.name(host))
    }

    fn name<H: Host>(&self, host: &H) -> Option<&[u8]> {
        self.name.get_or_init(|| host.property(&["xds", "route_name"]).ok().flatten()).as_deref()
    }

    /// Whether the route that the request has gone by in the end names another policy than this one
    /// did. Call it when the response has come: while a request is held, Envoy shows later filters the
    /// route of before.
    pub fn was_left<H: Host>(&self, host: &H) -> bool {
        self.asks && metadata(host, "route_metadata") != self.metadata
    }
}

/// The policy that the metadata of a part of Envoy's configuration names.
fn metadata<H: Host>(host: &H, part: &str) -> Option<Vec<u8>> {
    let [filter_metadata, namespace, key] = POLICY;
    host.property(&["xds", part, filter_metadata, namespace, key]).ok().flatten()
}

/// Says which responses to look at, to notice policies that are chosen by a route that is left again.
///
/// A look costs a host call, so after the first [`RouteCheck::FIRST`] one in [`RouteCheck::EVERY`] is
/// enough: the mistake is one of the configuration, which all requests of a route share.
#[derive(Default)]
pub struct RouteCheck(Cell<u32>);

impl RouteCheck {
    const FIRST: u32 = 16;
    const EVERY: u32 = 64;

    /// Whether to look at this response.
    pub fn is_due(&self) -> bool {
        let seen = self.0.get();
        self.0.set(seen.wrapping_add(1));
        seen < Self::FIRST || seen.is_multiple_of(Self::EVERY)
    }
}

/// What is said of a route whose policy was not applied.
pub const ROUTE_WAS_LEFT: &str = "the policy was chosen by the metadata of a route that model-router \
    then left for another, whose metadata (filter_metadata.weir.policy) names another policy: name the \
    policy in the model's entry (`policy:`), or put an empty envoy.filters.http.header_mutation after \
    model-router where filters stand alone";

#[cfg(test)]
mod tests {
    use super::*;
    use weir_host::FakeHost;

    fn policies() -> Policies<u32> {
        let json =
            br#"{"policies":{"default":1,"route":2,"name":3,"host":4,"listener":5,"model":6},
            "routes":{"r":"name"}}"#;
        Policies::from_json(json, |_, raw: u32| Ok(raw)).unwrap()
    }

    fn place(host: &FakeHost, part: &str, name: &str) {
        host.set_property(&["xds", part, "filter_metadata", "weir", "policy"], name.as_bytes());
    }

    fn policy(host: &FakeHost, model: Option<&str>) -> Result<u32, String> {
        let found = Route::read(host, true).policy(host, &policies(), model);
        found.map(|policy| *policy).map_err(|unknown| unknown.to_string())
    }

    #[test]
    fn the_most_telling_place_that_names_a_policy_decides() {
        let host = FakeHost::new();
        assert_eq!(policy(&host, None), Ok(1));
        place(&host, "listener_metadata", "listener");
        assert_eq!(policy(&host, None), Ok(5));
        place(&host, "virtual_host_metadata", "host");
        assert_eq!(policy(&host, None), Ok(4));
        host.set_property(&["xds", "route_name"], b"r");
        assert_eq!(policy(&host, None), Ok(3));
        place(&host, "route_metadata", "route");
        assert_eq!(policy(&host, None), Ok(2));
        assert_eq!(policy(&host, Some("model")), Ok(6));
    }

    #[test]
    fn a_place_that_asks_for_an_unknown_policy_gets_none_at_all() {
        for (part, said) in [
            ("listener_metadata", "its listener"),
            ("virtual_host_metadata", "its virtual host"),
            ("route_metadata", "its metadata (filter_metadata.weir.policy)"),
        ] {
            let host = FakeHost::new();
            host.set_property(&["xds", "route_name"], b"llama");
            place(&host, part, "strict");
            let error = policy(&host, None).unwrap_err();
            assert!(error.starts_with("route \"llama\": ") && error.contains(said), "{error}");
        }
        assert!(
            policy(&FakeHost::new(), Some("strict")).unwrap_err().contains("the model's entry")
        );
    }

    #[test]
    fn a_filter_that_does_not_ask_the_route_goes_by_the_model_or_the_default() {
        let host = FakeHost::new();
        place(&host, "route_metadata", "route");
        let route = Route::read(&host, false);
        assert_eq!(*route.policy(&host, &policies(), None).unwrap(), 1);
        assert_eq!(*route.policy(&host, &policies(), Some("model")).unwrap(), 6);
        assert!(!route.was_left(&host));
    }

    #[test]
    fn a_route_that_is_left_for_one_with_another_policy_is_noticed() {
        let host = FakeHost::new();
        let before = Route::read(&host, true);
        assert!(!before.was_left(&host));
        place(&host, "route_metadata", "strict");
        assert!(before.was_left(&host));
        assert!(!Route::read(&host, true).was_left(&host));
    }

    #[test]
    fn the_first_responses_are_looked_at_and_then_one_in_64() {
        let check = RouteCheck::default();
        let looks = (0..1000).filter(|_| check.is_due()).count();
        assert_eq!(looks, 16 + (1000 - 1) / 64);
    }
}
