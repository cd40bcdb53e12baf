//! The compact form of a view, as it lies in shared data.
//!
//! All numbers are little-endian. A header (48 bytes) is followed by fixed-width records (48 bytes
//! each), the table of adapter names, the adapter ids of all endpoints, and the text that
//! everything points into:
//!
//! | part | bytes |
//! |---|---|
//! | magic `WVS`, format 1 | 3 + 1 |
//! | stamp: epoch, sequence, received at (ns) | 3 × 8 |
//! | numbers of endpoints, adapters, adapter ids | 3 × 4 |
//! | bytes of the text, and of the pool name that opens it | 2 × 4 |
//! | endpoints, one after the other (below) | 48 each |
//! | adapters: offset u32, bytes u16 | 6 each |
//! | adapter ids: u16 | 2 each |
//! | text | |
//!
//! | of an endpoint | bytes |
//! |---|---|
//! | address: offset u32, bytes u16 | 6 |
//! | state, presence bits (u8 each) | 2 |
//! | age in ms, waiting, running | 3 × 4 |
//! | KV-cache use, GPU use (f32 each) | 2 × 4 |
//! | block size, blocks, adapter slots, first adapter id | 4 × 4 |
//! | running and waiting adapters (u16 each) | 2 × 2 |

mod read;

use crate::message::EndpointState;
use crate::version::VersionStamp;
use read::{Header, read_record};

pub(crate) const MAGIC: [u8; 3] = *b"WVS";
pub(crate) const FORMAT: u8 = 1;

/// Bits that say which metrics of a record are known.
pub(crate) mod present {
    pub(crate) const AGE: u8 = 1;
    pub(crate) const WAITING: u8 = 1 << 1;
    pub(crate) const RUNNING: u8 = 1 << 2;
    pub(crate) const KV_CACHE_USE: u8 = 1 << 3;
    pub(crate) const GPU_USE: u8 = 1 << 4;
    pub(crate) const BLOCK_SIZE: u8 = 1 << 5;
    pub(crate) const BLOCKS: u8 = 1 << 6;
    pub(crate) const MAX_LORA: u8 = 1 << 7;
}

/// Requests waiting at a full endpoint: the default of llm-d's saturation detector.
const FULL_QUEUE: f64 = 5.0;

/// Share of the KV cache in use at a full endpoint: the same detector's default.
const FULL_KV_CACHE: f64 = 0.8;

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
    #[error("view: {0} bytes do not fit the counts in the header")]
    Length(usize),
    /// A record holds an impossible value or points outside the text.
    #[error("view: endpoint {0} is inconsistent")]
    Record(usize),
    /// An adapter name lies outside the text.
    #[error("view: adapter {0} is inconsistent")]
    Adapter(usize),
}

/// A decoded view of one pool.
#[derive(Debug, Clone, PartialEq)]
pub struct CompactView {
    stamp: VersionStamp,
    pool: Span,
    endpoints: Vec<EndpointRecord>,
    adapters: Vec<Span>,
    adapter_ids: Vec<u16>,
    text: Vec<u8>,
}

/// One endpoint of a [`CompactView`]. Strings are read through the view.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct EndpointRecord {
    address: Span,
    adapters_start: u32,
    running_adapters: u16,
    waiting_adapters: u16,
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
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Span {
    offset: u32,
    bytes: u16,
}

impl Span {
    fn of(self, text: &[u8]) -> Option<&[u8]> {
        let start = usize::try_from(self.offset).ok()?;
        text.get(start..start.checked_add(usize::from(self.bytes))?)
    }
}

impl CompactView {
    /// Reads a stored view and checks every position in it, so that the accessors cannot miss.
    ///
    /// # Errors
    /// [`DecodeError`] names the part that does not fit.
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let (header, mut rest) = Header::read(bytes)?;
        let short = DecodeError::Length(bytes.len());
        let mut endpoints = Vec::with_capacity(header.endpoints);
        for index in 0..header.endpoints {
            let record = rest.take::<48>().ok_or(short)?;
            endpoints.push(read_record(record).ok_or(DecodeError::Record(index))?);
        }
        let mut adapters = Vec::with_capacity(header.adapters);
        for _ in 0..header.adapters {
            adapters.push(rest.span().ok_or(short)?);
        }
        let (ids, text) =
            rest.0.split_at_checked(header.adapter_ids.saturating_mul(2)).ok_or(short)?;
        if text.len() != header.text_bytes {
            return Err(short);
        }
        let adapter_ids = ids.as_chunks().0.iter().map(|id| u16::from_le_bytes(*id)).collect();
        let text = text.to_vec();
        let (stamp, pool) = (header.stamp, header.pool);
        let view = Self { stamp, pool, endpoints, adapters, adapter_ids, text };
        view.check()?;
        Ok(view)
    }

    fn check(&self) -> Result<(), DecodeError> {
        let fits = |span: &Span| span.of(&self.text).is_some();
        if let Some(index) = self.adapters.iter().position(|span| !fits(span)) {
            return Err(DecodeError::Adapter(index));
        }
        if let Some(id) =
            self.adapter_ids.iter().find(|id| usize::from(**id) >= self.adapters.len())
        {
            return Err(DecodeError::Adapter(usize::from(*id)));
        }
        let consistent =
            |record: &EndpointRecord| fits(&record.address) && self.adapter_range(record).is_some();
        match self.endpoints.iter().position(|record| !consistent(record)) {
            Some(index) => Err(DecodeError::Record(index)),
            None if !fits(&self.pool) => Err(DecodeError::Length(self.text.len())),
            None => Ok(()),
        }
    }

    /// Version and time of reception.
    #[must_use]
    pub fn stamp(&self) -> VersionStamp {
        self.stamp
    }

    /// Name of the pool.
    #[must_use]
    pub fn pool(&self) -> &[u8] {
        self.pool.of(&self.text).unwrap_or_default()
    }

    /// The endpoints, in the order of the push.
    #[must_use]
    pub fn endpoints(&self) -> &[EndpointRecord] {
        &self.endpoints
    }

    /// Whether the endpoints that take requests have no room left: the mean of what each has used,
    /// the larger of its queue in [`FULL_QUEUE`] and its KV cache in [`FULL_KV_CACHE`], is 1 or more.
    /// That is the rule of llm-d's saturation detector. What is not known counts as unused.
    #[must_use]
    pub fn is_saturated(&self) -> bool {
        let used = |endpoint: &EndpointRecord| {
            let waiting = f64::from(endpoint.waiting.unwrap_or(0));
            let cache = f64::from(endpoint.kv_cache_use.unwrap_or(0.0));
            (waiting / FULL_QUEUE).max(cache / FULL_KV_CACHE)
        };
        let takes = self.endpoints.iter().filter(|e| e.state == EndpointState::Ready);
        let (count, sum) = takes.fold((0u32, 0.0), |(count, sum), e| (count + 1, sum + used(e)));
        count > 0 && sum >= f64::from(count)
    }

    /// `ip:port` of an endpoint of this view, ready for the header.
    #[must_use]
    pub fn address(&self, endpoint: &EndpointRecord) -> &[u8] {
        endpoint.address.of(&self.text).unwrap_or_default()
    }

    /// The id of adapter `name` in this view; `None` if no endpoint reports it.
    #[must_use]
    pub fn adapter_id(&self, name: &[u8]) -> Option<u16> {
        let position = self.adapters.iter().position(|span| span.of(&self.text) == Some(name))?;
        u16::try_from(position).ok()
    }

    /// The name of the adapter with `id`.
    #[must_use]
    pub fn adapter_name(&self, id: u16) -> Option<&[u8]> {
        self.adapters.get(usize::from(id))?.of(&self.text)
    }

    /// Ids of the adapters that are loaded and in use at an endpoint of this view.
    #[must_use]
    pub fn running_adapters(&self, endpoint: &EndpointRecord) -> &[u16] {
        let ids = self.adapter_range(endpoint).unwrap_or_default();
        ids.get(..usize::from(endpoint.running_adapters)).unwrap_or_default()
    }

    /// Ids of the adapters that wait for a slot at an endpoint of this view.
    #[must_use]
    pub fn waiting_adapters(&self, endpoint: &EndpointRecord) -> &[u16] {
        let ids = self.adapter_range(endpoint).unwrap_or_default();
        ids.get(usize::from(endpoint.running_adapters)..).unwrap_or_default()
    }

    fn adapter_range(&self, endpoint: &EndpointRecord) -> Option<&[u16]> {
        let start = usize::try_from(endpoint.adapters_start).ok()?;
        let running = usize::from(endpoint.running_adapters);
        let end = start.checked_add(running)?.checked_add(endpoint.waiting_adapters.into())?;
        self.adapter_ids.get(start..end)
    }
}
