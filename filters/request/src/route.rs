//! Which policy a route wants.

use std::cell::OnceCell;
use std::rc::Rc;

use weir_host::Host;
use weir_settings::{Policies, UnknownPolicy};

/// Where a route's metadata names its policy: `filter_metadata: {weir: {policy: NAME}}`.
const METADATA: [&str; 5] = ["xds", "route_metadata", "filter_metadata", "weir", "policy"];

/// What a route says of policies.
pub struct Route {
    metadata: Option<Vec<u8>>,
    /// Only asked for where some policy goes by it.
    name: OnceCell<Option<Vec<u8>>>,
}

impl Route {
    /// Asks the current route, unless `asks` says that all routes have the same policy.
    pub fn read<H: Host>(host: &H, asks: bool) -> Self {
        let metadata = if asks { host.property(&METADATA).ok().flatten() } else { None };
        Self { metadata, name: OnceCell::new() }
    }

    /// The policy that it wants.
    ///
    /// # Errors
    /// The route asks for a policy that does not exist: fail closed. The error names it and the route.
    pub fn policy<H: Host, P>(
        &self,
        host: &H,
        policies: &Policies<P>,
    ) -> Result<Rc<P>, UnknownPolicy> {
        let asks_name = policies.depends_on_route_name() && self.metadata.is_none();
        let name = if asks_name { self.name(host) } else { None };
        match policies.select(self.metadata.as_deref(), name) {
            Ok(policy) => Ok(Rc::clone(policy)),
            Err(unknown) => Err(self.located(host, unknown)),
        }
    }

    #[cold]
    fn located<H: Host>(&self, host: &H, unknown: UnknownPolicy) -> UnknownPolicy {
        unknown.on_route(self.name(host))
    }

    fn name<H: Host>(&self, host: &H) -> Option<&[u8]> {
        self.name.get_or_init(|| host.property(&["xds", "route_name"]).ok().flatten()).as_deref()
    }
}
