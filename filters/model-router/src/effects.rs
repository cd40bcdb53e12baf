//! Applies a decision to the stream.

use weir_host::{HeaderMap, Host, HostError};
use weir_request::{CLAIMS, RequestHead, StateKey, StateKeys};

use weir_settings::model_router::Instead;

use crate::choice::Shown;
use crate::decision::{Decision, Refused};
use crate::degradation;

/// The model as the client named it.
const MODEL: &str = "x-gateway-model-name";
/// The model that the replicas of the chosen pool were started with.
const BASE_MODEL: &str = "x-gateway-base-model-name";

/// Removes what only this filter may say. Done on every request that it does not route.
pub(crate) fn remove_owned_headers<H: Host>(host: &H) -> Result<(), HostError> {
    host.remove_header(HeaderMap::Request, MODEL)?;
    host.remove_header(HeaderMap::Request, BASE_MODEL)
}

/// Removes what a client claims about how urgent its request is, and who it is for, unless something before
/// Weir vouches for it (`trusted`). `head` are the headers as they came, so absent ones cost nothing.
pub(crate) fn remove_claims<H: Host>(
    host: &H,
    head: &RequestHead,
    trusted: bool,
) -> Result<(), HostError> {
    if trusted {
        return Ok(());
    }
    let sent = CLAIMS.into_iter().filter(|name| head.header(name).is_some());
    sent.into_iter().try_for_each(|name| host.remove_header(HeaderMap::Request, name))
}

/// Edits body and path, and sets the headers that make Envoy choose the route again. `body_len` is the length of the whole body that is held.
pub(crate) fn apply<H: Host>(
    host: &H,
    head: &RequestHead,
    decision: &Decision,
    body_len: usize,
) -> Result<(), HostError> {
    weir_request::edit_body(host, head, &decision.edits, body_len)?;
    if let Some(path) = &decision.path {
        host.set_header(HeaderMap::Request, ":path", path)?;
    }
    host.set_header(HeaderMap::Request, MODEL, decision.model.as_bytes())?;
    host.set_header(HeaderMap::Request, BASE_MODEL, decision.target.base_model.as_bytes())
}

/// Leaves the name of a model that is refused for access logs: who asks for it, and how often, is what an operator
/// looks for. The name is plain and at most [`weir_wire::name::MAX_BYTES`] long, or it was refused before.
pub(crate) fn leave_refused<H: Host>(host: &H, refused: &Refused, state_keys: StateKeys) {
    if let Some(model) = refused.model.as_deref().filter(|_| state_keys.has(StateKey::Model)) {
        // For access logs only; the refusal does not depend on it.
        let _ = host.set_state("weir.model", model.as_bytes());
    }
    if refused.degraded.is_some() && state_keys.has(StateKey::Decision) {
        let _ = host.set_state("weir.decision", b"saturated=reply");
    }
}

/// What a response says that something less has served.
const DEGRADED: &str = "x-weir-degraded";

/// Tells the client what serves in place of what it named.
pub(crate) fn tell_degraded<H: Host>(host: &H, what: &str) {
    // A response does not fail for it.
    let _ = host.set_header(HeaderMap::Response, DEGRADED, what.as_bytes());
}

/// The headers of a refusal: when to try again, where that is for want of room, and `shows` says so.
pub(crate) fn headers_of(refused: &Refused, shows: bool) -> Vec<(&'static str, String)> {
    let Some(instead) = refused.degraded.as_ref().map(|degraded| &degraded.rule.instead) else {
        return Vec::new();
    };
    let mut headers = match instead {
        Instead::Reply(reply) => degradation::retry_headers(reply),
        _ => Vec::new(),
    };
    if shows {
        headers.push((DEGRADED, degradation::told(instead)));
    }
    headers
}

/// Leaves what access logs may want in filter state.
pub(crate) fn leave<H: Host>(
    host: &H,
    decision: &Decision,
    state_keys: StateKeys,
) -> Result<(), HostError> {
    if state_keys.has(StateKey::Model) {
        host.set_state("weir.model", decision.model.as_bytes())?;
    }
    if state_keys.has(StateKey::Pool) {
        host.set_state("weir.pool", decision.target.pool.as_bytes())?;
    }
    // Most clients get what they named, and nothing has to be told.
    if state_keys.has(StateKey::Decision) && !decision.steps.is_empty() {
        host.set_state("weir.decision", Shown(&decision.steps).to_string().as_bytes())?;
    }
    Ok(())
}
