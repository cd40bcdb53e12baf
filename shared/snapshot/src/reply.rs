//! What the intake filter answers to what it takes.

use serde::{Deserialize, Serialize};

use crate::error::ReadError;
use crate::limits::MAX_REPLY_ENTRIES;
use crate::message::SnapshotMessage;
use crate::validate::is_pool_name;

/// Reply (200) to a push that was taken over. Unknown fields are ignored and missing ones are empty, so
/// that sidecar and gateway of different age can talk.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Accepted {
    /// Always true.
    pub accepted: bool,
    /// Pool of the push.
    pub pool: String,
    /// Sequence of the push.
    pub sequence: u64,
    /// What this Envoy has sent to each endpoint.
    pub endpoints: Vec<EndpointFeedback>,
    /// The pools that the policies of this VM name; `None` if the gateway does not say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pools: Option<Vec<String>>,
    /// Those of them that nobody has pushed for a while.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unpushed: Vec<String>,
    /// Tokens spent since the push before, by key of a limit.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub spent: Vec<Spent>,
    /// Prefixes that were learned since the push before.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub prefixes: Vec<LearnedPrefix>,
}

/// What one Envoy has sent to one endpoint.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EndpointFeedback {
    /// `ip:port` in canonical spelling.
    pub address: String,
    /// Requests whose response has not ended.
    pub in_flight: u32,
    /// Requests sent since the snapshot before.
    pub dispatched: u32,
    /// Prompt tokens of the requests without a first token that the endpoint has to compute.
    #[serde(default)]
    pub prefill_tokens: u32,
    /// Tokens of streams whose first token has come: prompts, and what is expected to follow them.
    #[serde(default)]
    pub decode_tokens: u32,
}

/// Tokens that one Envoy has spent on one key of one limit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Spent {
    /// As in [`Grant`](crate::Grant).
    pub key: String,
    /// How many.
    pub tokens: u64,
}

/// A prefix that one endpoint has in its cache.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LearnedPrefix {
    /// `ip:port` in canonical spelling.
    pub address: String,
    /// Fingerprint of the prefix.
    pub fingerprint: u64,
}

impl Accepted {
    /// The reply to `message`.
    #[must_use]
    pub fn new(message: &SnapshotMessage, endpoints: Vec<EndpointFeedback>) -> Self {
        let (pool, sequence) = (message.pool.clone(), message.sequence);
        Self { accepted: true, pool, sequence, endpoints, ..Self::default() }
    }

    /// The reply as JSON.
    #[must_use]
    pub fn to_json(&self) -> Vec<u8> {
        // Only strings and integers inside: serialising cannot fail.
        serde_json::to_vec(self).unwrap_or_default()
    }

    /// Reads a reply, of each list [`MAX_REPLY_ENTRIES`] at most. What is no name of a pool is left out.
    ///
    /// # Errors
    /// [`ReadError::Malformed`] when the body is no such JSON.
    pub fn parse(body: &[u8]) -> Result<Self, ReadError> {
        let mut reply: Self = serde_json::from_slice(body).map_err(crate::validate::malformed)?;
        for names in reply.pools.iter_mut().chain([&mut reply.unpushed]) {
            names.retain(|name| is_pool_name(name));
            names.truncate(MAX_REPLY_ENTRIES);
        }
        reply.endpoints.truncate(MAX_REPLY_ENTRIES);
        reply.spent.truncate(MAX_REPLY_ENTRIES);
        reply.prefixes.truncate(MAX_REPLY_ENTRIES);
        Ok(reply)
    }
}
