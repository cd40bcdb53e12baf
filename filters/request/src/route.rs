//! Which policy a route wants.

use std::rc::Rc;

use weir_host::Host;
use weir_settings::{Policies, UnknownPolicy};

/// Where a route's metadata names its policy: `filter_metadata: {weir: {policy: NAME}}`.
const METADATA: [&str; 5] = ["xds", "route_metadata", "filter_metadata", "weir", "policy"];

/// The policy of the current route.
///
/// # Errors
/// The route asks for a policy that does not exist: fail closed.
pub fn policy_for<H: Host, P>(host: &H, policies: &Policies<P>) -> Result<Rc<P>, UnknownPolicy> {
    let metadata = host.property(&METADATA).ok().flatten();
    let route = if policies.depends_on_route_name() && metadata.is_none() {
        host.property(&["xds", "route_name"]).ok().flatten()
    } else {
        None
    };
    policies.select(metadata.as_deref(), route.as_deref()).map(Rc::clone)
}
