mod apart;
mod bodies;
mod bounds;
mod media;
mod names;
mod nested;
mod odd;
mod recall;
mod shapes;
mod signed;
mod streams;
mod unknown;

use std::sync::Arc;

use weir_detect::{Policy, RawPolicy};

/// A policy from JSON, as an operator would write it.
pub(crate) fn policy(json: &str) -> Arc<Policy> {
    let raw: RawPolicy = serde_json::from_str(json).unwrap();
    Arc::new(Policy::try_from(raw).unwrap().with_hash_key(b"key"))
}

/// One rule for everything that is found, with an action.
fn all(action: &str) -> Arc<Policy> {
    policy(&format!(r#"{{"rules":[{{"rules":["pii","secrets","leak"],"action":"{action}"}}]}}"#))
}
