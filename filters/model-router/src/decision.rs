//! From the facts of a request to what is to be done with it; no host here.

use weir_settings::model_router::{Instead, RouterPolicy, Target};
use weir_wire::edit::{self, Edit};
use weir_wire::error::{ErrorKind, ErrorReply};
use weir_wire::facts::{Destination, Facts, FilterPolicy};
use weir_wire::path::{Endpoint, PathModelError};
use weir_wire::request::RequestFacts;

use crate::choice::{Asked, Choice, Degraded, Step, choose};
use crate::degradation;

/// What is to be done with a request that has a home.
pub(crate) struct Decision {
    /// The name that the client sent.
    pub(crate) model: String,
    /// Where it goes.
    pub(crate) target: Target,
    /// Why that is another model than the client named.
    pub(crate) steps: Vec<Step>,
    /// The saturated pool that something less serves for.
    pub(crate) degraded: Option<Degraded>,
    /// Whether it goes where the share of a split leads.
    pub(crate) of_share: bool,
    /// Changes of the body, in order.
    pub(crate) edits: Vec<Edit>,
    /// The path to send upstream, where the model stands in the path and changes.
    pub(crate) path: Option<Vec<u8>>,
    /// What later filters want to know.
    pub(crate) facts: Facts,
}

/// A request that goes nowhere.
pub(crate) struct Refused {
    /// What its client is told.
    pub(crate) reply: ErrorReply,
    /// The model that it names, for access logs.
    pub(crate) model: Option<String>,
    /// That it is refused because a pool is saturated.
    pub(crate) degraded: Option<Box<Degraded>>,
}

impl From<ErrorReply> for Refused {
    fn from(reply: ErrorReply) -> Self {
        Self { reply, model: None, degraded: None }
    }
}

/// Decides where a request goes. `asked` is all but the model, which stands in the path or the body.
///
/// # Errors
/// See [`choose`]; also a model in the path that cannot be read, and a saturated pool in place of which nothing serves.
pub(crate) fn decide(
    policy: &RouterPolicy,
    endpoint: &Endpoint,
    sent_path: &[u8],
    asked: Asked<'_>,
    request: &RequestFacts,
) -> Result<Decision, Refused> {
    let named = match endpoint.model(sent_path).map_err(bad_path)? {
        Some(name) => Some(name),
        None => request.model.as_ref().map(|field| field.name.clone()),
    };
    let asked = Asked { model: named.as_deref(), ..asked };
    let Choice { model, target, steps, degraded, of_share } = match choose(policy, &asked) {
        Ok(choice) => choice,
        Err(reply) => return Err(Refused { reply, model: named, degraded: None }),
    };
    if let Some(Instead::Reply(reply)) = degraded.as_ref().map(|degraded| &degraded.rule.instead) {
        let reply = degradation::refusal(reply);
        return Err(Refused { reply, model: named, degraded: degraded.map(Box::new) });
    }
    let renamed = named.as_deref() != Some(target.upstream.as_str());
    let mut edits = Vec::new();
    if renamed && endpoint.path_model.is_none() {
        let replaced = edit::replace_model(request, &target.upstream);
        edits.push(replaced.unwrap_or_else(|| edit::insert_model(request, &target.upstream)));
    }
    if policy.request_usage {
        edits.extend(edit::request_usage(request));
    }
    let path = renamed.then(|| endpoint.renamed_path(sent_path, &target.upstream)).flatten();
    let to = Destination {
        model: &model,
        upstream_model: &target.upstream,
        pool: &target.pool,
        adapter: target.adapter.as_deref(),
    };
    let mut facts = Facts::new(endpoint, request, to);
    facts.policies = policies(&target);
    Ok(Decision { model, target, steps, degraded, of_share, edits, path, facts })
}

/// What the model's entry names for the filters that follow.
fn policies(target: &Target) -> Vec<FilterPolicy> {
    let policies = target.policies.iter();
    policies
        .map(|policy| FilterPolicy { filter: policy.filter.clone(), name: policy.name.clone() })
        .collect()
}

/// The refusal of a model name in the path that cannot be read.
pub(crate) fn bad_path(error: PathModelError) -> ErrorReply {
    let message = format!("The path cannot be read: {error}.");
    ErrorReply::new(400, ErrorKind::InvalidRequest, "malformed_path", message).with_param("model")
}
