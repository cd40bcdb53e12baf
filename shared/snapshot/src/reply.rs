//! What the intake filter answers to what it takes.

use serde::{Deserialize, Serialize};

use crate::error::ReadError;
use crate::limits::{MAX_REPLY_ENTRIES, MAX_SPENDING_ROWS};
use crate::message::SnapshotMessage;
use crate::prefixes::LearnedPrefixes;
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
    /// Which Envoy this is, and what there is to tell of limits that are one for a whole fleet:
    /// [`FleetReport`](crate::FleetReport) as lines; none if no policy has such a limit and the sidecar does not share.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub fleet: Vec<String>,
    /// What consumers have spent in all; `None` if nothing has changed since the sidecar was told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub spending: Option<Spending>,
    /// What was learned of prefix caches since the sidecar was told; `None` to a sidecar that does not ask.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prefixes: Option<LearnedPrefixes>,
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

/// What consumers have spent since an Envoy started, as far as it changed since [`SpendingSeen`].
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Spending {
    /// When that Envoy began to count, in ms since 1970. Another number is another process, which counts
    /// from nothing.
    pub epoch: u64,
    /// Up to which change the rows go.
    pub version: u64,
    /// The rows that changed, the one that changed first before the others; at most
    /// [`MAX_SPENDING_ROWS`].
    pub rows: Vec<SpendingRow>,
}

/// What one consumer has spent on one model since an Envoy started.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct SpendingRow {
    /// The consumer's name; empty where there is none to show.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub consumer: String,
    /// The model by the name that replicas are sent.
    pub model: String,
    /// The number of its last change.
    pub changed: u64,
    /// Requests that a replica worked on.
    pub requests: u64,
    /// Tokens of prompts, cached ones included.
    pub prompt_tokens: u64,
    /// Those of them that were cached.
    #[serde(default)]
    pub cached_tokens: u64,
    /// Tokens of completions, reasoning included.
    pub completion_tokens: u64,
    /// Those of them that were reasoning.
    #[serde(default)]
    pub reasoning_tokens: u64,
    /// In 10⁻¹² of the currency of the policy's prices; 0 without prices.
    #[serde(default)]
    pub cost: u64,
}

/// What a sidecar has been told of one gateway's spending: the value of
/// [`SPENDING_HEADER`](crate::signature::SPENDING_HEADER), `EPOCH-VERSION` in decimal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct SpendingSeen {
    /// That of the last [`Spending`]; 0 before the first.
    pub epoch: u64,
    /// The same.
    pub version: u64,
}

impl SpendingSeen {
    /// Reads the header's value; `None` if it is none.
    #[must_use]
    pub fn parse(value: &[u8]) -> Option<Self> {
        let (epoch, version) = core::str::from_utf8(value).ok()?.split_once('-')?;
        Some(Self { epoch: epoch.parse().ok()?, version: version.parse().ok()? })
    }

    /// After which change rows are to be told, of a process that began to count at `epoch`.
    #[must_use]
    pub fn since(&self, epoch: u64) -> u64 {
        if self.epoch == epoch { self.version } else { 0 }
    }
}

impl core::fmt::Display for SpendingSeen {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "{}-{}", self.epoch, self.version)
    }
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
        reply.fleet.truncate(MAX_REPLY_ENTRIES);
        reply.prefixes = reply.prefixes.filter(LearnedPrefixes::fits);
        if let Some(spending) = &mut reply.spending {
            // What is left out would never be asked for again.
            spending.rows.truncate(MAX_SPENDING_ROWS);
            let last = spending.rows.last().map(|row| row.changed);
            spending.version = spending.version.min(last.unwrap_or(spending.version));
        }
        Ok(reply)
    }
}
