//! From the facts of a request to what is to be done with it; no host here.

use std::ops::Range;

use weir_settings::model_router::{RouterPolicy, Target};
use weir_wire::edit::{self, Edit};
use weir_wire::error::ErrorReply;
use weir_wire::facts::Facts;
use weir_wire::path::{self, Endpoint};
use weir_wire::request::RequestFacts;

/// What is to be done with a request that has a home.
pub(crate) struct Decision {
    /// The name that the client sent.
    pub(crate) model: String,
    /// Where it goes.
    pub(crate) target: Target,
    /// Changes of the body, in order.
    pub(crate) edits: Vec<Edit>,
    /// The path to send upstream, where the model stands in the path and changes.
    pub(crate) path: Option<Vec<u8>>,
    /// What later filters want to know.
    pub(crate) facts: Facts,
}

/// Decides where a request goes.
///
/// # Errors
/// No model and no default, or a model that the policy does not serve.
pub(crate) fn decide(
    policy: &RouterPolicy,
    endpoint: &Endpoint,
    sent_path: &[u8],
    request: RequestFacts,
) -> Result<Decision, ErrorReply> {
    let in_path = endpoint.path_model.clone();
    let named = match &in_path {
        Some(range) => Some(path::model_in(sent_path, range)?),
        None => request.model.as_ref().map(|field| field.name.clone()),
    };
    let model =
        named.clone().or_else(|| policy.default_model.clone()).ok_or_else(ErrorReply::missing_model)?;
    let target = policy.resolve(&model).ok_or_else(|| ErrorReply::model_not_found(&model))?;
    let renamed = named.as_deref() != Some(target.upstream.as_str());
    let mut edits = Vec::new();
    if renamed && in_path.is_none() {
        edits.push(edit::set_model(&request, &target.upstream));
    }
    if policy.request_usage {
        edits.extend(edit::request_usage(&request));
    }
    edits.sort_by_key(|edit| edit.span.start);
    let path = in_path
        .filter(|_| renamed)
        .and_then(|range| rewritten_path(sent_path, range, &target.upstream));
    let facts = Facts::new(endpoint, &request, &model, &target.upstream, &target.pool, target.adapter.as_deref());
    Ok(Decision { model, target, edits, path, facts })
}

fn rewritten_path(sent: &[u8], model: Range<usize>, upstream: &str) -> Option<Vec<u8>> {
    let encoded = path::encode_segment(upstream);
    Some([sent.get(..model.start)?, encoded.as_bytes(), sent.get(model.end..)?].concat())
}
