//! What a view consists of, and why bytes may be none.

use crate::message::{EndpointHealth, EndpointRole, EndpointState};

pub(crate) const MAGIC: [u8; 3] = *b"WVS";
pub(crate) const FORMAT: u8 = 2;

/// Why bytes are no compact view.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// The magic bytes are missing.
    #[error("view: magic bytes are missing")]
    Magic,
    /// A format that this build does not read.
    #[error("view: format {0} is unknown, this build reads format {FORMAT} only")]
    Format(u8),
    /// A count in the header is over its limit.
    #[error("view: {field} is {value}, at most {limit}")]
    Limit {
        /// Which count.
        field: &'static str,
        /// The value in the header.
        value: u32,
        /// The limit.
        limit: usize,
    },
    /// The bytes end early, or go on after the end.
    #[error("view: {0} bytes do not fit the lengths of its sections")]
    Length(usize),
    /// A section that stands twice, or whose length does not fit what it holds.
    #[error("view: section {0:#x} is inconsistent")]
    Section(u32),
    /// A record holds an impossible value or points outside the text.
    #[error("view: endpoint {0} is inconsistent")]
    Record(usize),
    /// An adapter name lies outside the text.
    #[error("view: adapter {0} is inconsistent")]
    Adapter(usize),
    /// A zone lies outside the text.
    #[error("view: zone {0} is inconsistent")]
    Zone(usize),
}

/// One endpoint of a [`CompactView`](crate::CompactView). Strings are read through the view.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct EndpointRecord {
    pub(super) address: Span,
    pub(super) adapters_start: u32,
    pub(super) running_adapters: u16,
    pub(super) waiting_adapters: u16,
    /// Whether requests should go there.
    pub state: EndpointState,
    /// ms between its last good poll and the push; `None` if there never was one.
    pub age_ms: Option<u32>,
    /// Requests in the queue.
    pub waiting: Option<u32>,
    /// Requests being served.
    pub running: Option<u32>,
    /// Share of the KV cache in use, 0 to 1.
    pub kv_cache_use: Option<f32>,
    /// Share of the GPU in use, 0 to 1.
    pub gpu_use: Option<f32>,
    /// Tokens per KV-cache block.
    pub block_size: Option<u32>,
    /// KV-cache blocks in all.
    pub blocks: Option<u32>,
    /// LoRA adapters that fit at once.
    pub max_lora: Option<u32>,
    /// Whether a GPU is known to be slowed down by heat or power.
    pub gpu_throttled: bool,
    /// Whether a GPU is known to have failed.
    pub gpu_failed: bool,
}

/// What is known of an endpoint that a pick by load does not need, apart from its record so that a pick
/// reads less memory.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct EndpointDetails {
    /// Share of the GPU's memory in use, 0 to 1.
    pub gpu_memory_use: Option<f32>,
    /// Share of the time in which the tensor cores work, 0 to 1.
    pub gpu_tensor_active: Option<f32>,
    /// Share of the time in which the GPU's memory is read or written, 0 to 1.
    pub gpu_dram_active: Option<f32>,
    /// Temperature of the hottest GPU in °C.
    pub gpu_temperature: Option<u32>,
    /// What its GPUs take, in W.
    pub gpu_power: Option<u32>,
    /// The last fault (Xid) of a GPU; 0 if there was none.
    pub gpu_xid: Option<u32>,
    /// Whether a GPU is slowed down by heat or power.
    pub gpu_throttled: Option<bool>,
    /// Whether a GPU reports a fault.
    pub gpu_failed: Option<bool>,
    /// Which part of a request it serves.
    pub role: Option<EndpointRole>,
    /// Where it stands: see [`CompactView::zone_name`](crate::CompactView::zone_name).
    pub zone: Option<u16>,
    /// What a health check says of it.
    pub health: Option<EndpointHealth>,
    /// Requests that other gateways have under way there.
    pub in_flight_elsewhere: Option<u32>,
    /// Prompt tokens that other gateways have in prefill there.
    pub prefill_tokens_elsewhere: Option<u32>,
    /// Tokens that other gateways have in decode there.
    pub decode_tokens_elsewhere: Option<u32>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Span {
    offset: u32,
    bytes: u16,
}

impl Span {
    pub(super) fn read([a, b, c, d, low, high]: [u8; 6]) -> Self {
        Self { offset: u32::from_le_bytes([a, b, c, d]), bytes: u16::from_le_bytes([low, high]) }
    }

    pub(super) fn of(self, text: &[u8]) -> Option<&[u8]> {
        let start = usize::try_from(self.offset).ok()?;
        text.get(start..start.checked_add(usize::from(self.bytes))?)
    }
}
