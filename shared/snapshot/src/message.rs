//! The push message as JSON.

use serde::{Deserialize, Serialize};

use crate::limits::MESSAGE_VERSION;
use crate::prefixes::LearnedPrefixes;

/// State of one pool's replicas at one moment, as the sidecar pushes it.
///
/// Reading goes through [`SnapshotMessage::parse`], which also checks every bound.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SnapshotMessage {
    /// Version of this format: [`MESSAGE_VERSION`](crate::limits::MESSAGE_VERSION).
    pub version: u32,
    /// Name of the pool: letters, digits and `. _ - : /`, at most 256 bytes.
    pub pool: String,
    /// Whose turn it is: the greater epoch wins. A sidecar begins with the time of its start, in ms
    /// since 1970, and goes above the epoch of a sidecar that it takes over from. At most
    /// [`MAX_EPOCH`](crate::limits::MAX_EPOCH).
    pub epoch: u64,
    /// Number of this snapshot in its pool and epoch, from 1.
    pub sequence: u64,
    /// Which sidecar sends: a random number of its process. Two senders never share an epoch.
    #[serde(default)]
    pub sender: u64,
    /// One report per replica, at most 4096, no address twice.
    pub endpoints: Vec<EndpointReport>,
    /// What this gateway may spend of limits that it shares with others.
    /// [`FleetNews`](crate::FleetNews) as lines; none for a gateway that has no such limits.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub fleet: Vec<String>,
    /// What other gateways have learned of prefix caches, from a sidecar that shares it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prefixes: Option<LearnedPrefixes>,
}

impl SnapshotMessage {
    /// A message of this version about replicas alone.
    #[must_use]
    pub fn new(
        pool: impl Into<String>,
        (epoch, sequence): (u64, u64),
        sender: u64,
        endpoints: Vec<EndpointReport>,
    ) -> Self {
        let (version, pool) = (MESSAGE_VERSION, pool.into());
        let (fleet, prefixes) = (Vec::new(), None);
        Self { version, pool, epoch, sequence, sender, endpoints, fleet, prefixes }
    }
}

/// What is known of one replica. A metric that is unknown is absent.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EndpointReport {
    /// `ip:port`, IPv6 in brackets, port not 0.
    pub address: String,
    /// Whether requests should go there.
    pub state: EndpointState,
    /// Milliseconds since the last good poll; absent if there never was one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub age_ms: Option<u64>,
    /// Requests in the replica's queue.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub waiting: Option<u32>,
    /// Requests being served.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub running: Option<u32>,
    /// Share of the KV cache in use, 0 to 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kv_cache_use: Option<f64>,
    /// Tokens per KV-cache block.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub block_size: Option<u32>,
    /// KV-cache blocks in all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub blocks: Option<u32>,
    /// Share of the GPU in use, 0 to 1; the busiest where the replica has several.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gpu_use: Option<f64>,
    /// Share of the GPUs' memory in use, 0 to 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gpu_memory_use: Option<f64>,
    /// Share of the time in which the tensor cores work, 0 to 1; of the busiest GPU.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gpu_tensor_active: Option<f64>,
    /// Share of the time in which the GPU's memory is read or written, 0 to 1; of the busiest GPU.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gpu_dram_active: Option<f64>,
    /// Temperature of the hottest GPU in °C.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gpu_temperature: Option<u32>,
    /// What all its GPUs take, in W.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gpu_power: Option<u32>,
    /// The last fault (Xid) that one of its GPUs reports; 0 if there was none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gpu_xid: Option<u32>,
    /// Whether a GPU is slowed down by heat or power.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gpu_throttled: Option<bool>,
    /// Whether a GPU reports a fault that is the GPU's and not a program's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gpu_failed: Option<bool>,
    /// Which part of a request it serves.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub role: Option<EndpointRole>,
    /// Where it stands: a name of 1 to 256 bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub zone: Option<String>,
    /// What a health check says of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub health: Option<EndpointHealth>,
    /// Requests that other gateways have under way there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub in_flight_elsewhere: Option<u32>,
    /// Prompt tokens that other gateways have in prefill there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prefill_tokens_elsewhere: Option<u32>,
    /// Tokens that other gateways have in decode there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub decode_tokens_elsewhere: Option<u32>,
    /// Which process serves there: any number, but another one after each restart.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub generation: Option<u32>,
    /// ms since the restart was seen; absent if the sidecar has seen none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub generation_age_ms: Option<u32>,
    /// LoRA adapters that fit at once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_lora: Option<u32>,
    /// Adapters that are loaded and in use.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub running_adapters: Vec<String>,
    /// Adapters that wait for a slot.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub waiting_adapters: Vec<String>,
}

impl EndpointReport {
    /// A report without any metric.
    #[must_use]
    pub fn new(address: impl Into<String>, state: EndpointState) -> Self {
        Self {
            address: address.into(),
            state,
            age_ms: None,
            waiting: None,
            running: None,
            kv_cache_use: None,
            block_size: None,
            blocks: None,
            gpu_use: None,
            gpu_memory_use: None,
            gpu_tensor_active: None,
            gpu_dram_active: None,
            gpu_temperature: None,
            gpu_power: None,
            gpu_xid: None,
            gpu_throttled: None,
            gpu_failed: None,
            role: None,
            zone: None,
            health: None,
            in_flight_elsewhere: None,
            prefill_tokens_elsewhere: None,
            decode_tokens_elsewhere: None,
            generation: None,
            generation_age_ms: None,
            max_lora: None,
            running_adapters: Vec::new(),
            waiting_adapters: Vec::new(),
        }
    }
}

/// Whether requests should go to a replica.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum EndpointState {
    /// Polls succeed.
    Ready,
    /// Polls fail now and then, or the page is partly nonsense: used last.
    Degraded,
    /// Being taken out of service: no new requests while another endpoint lives.
    Draining,
    /// Polls fail: no requests while another endpoint lives.
    Unreachable,
}

impl EndpointState {
    /// Every state, best first; the position is the byte of the compact form.
    pub const ALL: [Self; 4] = [Self::Ready, Self::Degraded, Self::Draining, Self::Unreachable];

    /// The byte that stands for this state in the compact form.
    #[must_use]
    pub const fn to_byte(self) -> u8 {
        match self {
            Self::Ready => 0,
            Self::Degraded => 1,
            Self::Draining => 2,
            Self::Unreachable => 3,
        }
    }

    /// The state that `byte` stands for.
    #[must_use]
    pub fn from_byte(byte: u8) -> Option<Self> {
        Self::ALL.get(usize::from(byte)).copied()
    }

    /// The name of this state in the message.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Ready => "ready",
            Self::Degraded => "degraded",
            Self::Draining => "draining",
            Self::Unreachable => "unreachable",
        }
    }
}

/// Which part of a request a replica serves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum EndpointRole {
    /// Prefill and decode.
    Both,
    /// Prefill alone; another replica decodes.
    Prefill,
    /// Decode alone; another replica prefills.
    Decode,
}

impl EndpointRole {
    /// Every role; the position is the number of the compact form.
    pub const ALL: [Self; 3] = [Self::Both, Self::Prefill, Self::Decode];
}

/// What a health check says of a replica.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum EndpointHealth {
    /// It passes.
    Healthy,
    /// It fails.
    Unhealthy,
}

impl EndpointHealth {
    /// Every verdict; the position is the number of the compact form.
    pub const ALL: [Self; 2] = [Self::Healthy, Self::Unhealthy];
}
