//! The compact form of a view, as it lies in shared data.
//!
//! All numbers are little-endian. A header (52 bytes) is followed by sections, each with a tag and a
//! length, in any order: a reader skips those that it does not know, so that a newer gateway can say more
//! to an older filter. What changes the meaning of a section takes a new tag; what an older reader must
//! not read at all takes a new version in the keys ([`crate::keys`]).
//!
//! | part | bytes |
//! |---|---|
//! | magic `WVS`, format 2 | 3 + 1 |
//! | stamp: epoch, sequence, received at (ns), sender, pool | 5 × 8 |
//! | numbers of endpoints and of sections | 2 × 4 |
//! | sections: tag, bytes of the payload (u32 each), payload | |
//!
//! The tags are listed in `section::tag`. What is known of endpoints is in columns: a bit for each
//! endpoint whether it is known, then a number of 32 bits for each. A column of which nothing is known is
//! left out. A span is an offset (u32) and a length (u16) into the section of text.

mod merge;
mod read;
mod record;
mod section;

use crate::message::EndpointState;
use crate::version::VersionStamp;
use read::{read_column, read_details, read_ids, read_records, read_spans, read_stamp};
use record::Span;
pub use record::{DecodeError, EndpointDetails, EndpointRecord};
pub(crate) use record::{FORMAT, MAGIC};
use section::Sections;
pub(crate) use section::tag;

/// Requests waiting at a full endpoint: the default of llm-d's saturation detector.
const FULL_QUEUE: f64 = 5.0;

/// Share of the KV cache in use at a full endpoint: the same detector's default.
const FULL_KV_CACHE: f64 = 0.8;

/// How much of an endpoint is used, where 1 is full: the larger of its queue in 5 requests and its KV cache in 0.8.
/// That is the rule of llm-d's saturation detector. What is not known counts as unused.
#[must_use]
pub fn used_share(waiting: Option<u32>, kv_cache_use: Option<f64>) -> f64 {
    (f64::from(waiting.unwrap_or(0)) / FULL_QUEUE).max(kv_cache_use.unwrap_or(0.0) / FULL_KV_CACHE)
}

/// A decoded view of one pool.
#[derive(Debug, Clone, PartialEq)]
pub struct CompactView {
    stamp: VersionStamp,
    pool: Vec<u8>,
    endpoints: Vec<EndpointRecord>,
    /// By position; empty if there are none of any endpoint.
    details: Vec<EndpointDetails>,
    /// Likewise.
    generations: Vec<Option<u32>>,
    /// Likewise.
    generation_ages_ms: Vec<Option<u32>>,
    adapters: Vec<Span>,
    adapter_ids: Vec<u16>,
    zones: Vec<Span>,
    text: Vec<u8>,
}

impl CompactView {
    /// Reads a stored view and checks every position in it, so that the accessors cannot miss.
    ///
    /// # Errors
    /// [`DecodeError`] names the part that does not fit.
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let (stamp, rest) = read_stamp(bytes)?;
        let sections = Sections::read(rest, bytes.len())?;
        let zones = read_spans(&sections, tag::ZONES)?;
        let view = Self {
            stamp,
            pool: sections.get(tag::POOL).to_vec(),
            endpoints: read_records(&sections)?,
            details: read_details(&sections, zones.len())?,
            generations: read_column(&sections, tag::GENERATION)?,
            generation_ages_ms: read_column(&sections, tag::GENERATION_AGE_MS)?,
            adapters: read_spans(&sections, tag::ADAPTERS)?,
            adapter_ids: read_ids(&sections)?,
            zones,
            text: sections.get(tag::TEXT).to_vec(),
        };
        view.check()?;
        Ok(view)
    }

    fn check(&self) -> Result<(), DecodeError> {
        let misfit = |span: &Span| span.of(&self.text).is_none();
        if let Some(index) = self.adapters.iter().position(misfit) {
            return Err(DecodeError::Adapter(index));
        }
        let unknown = |id: &&u16| usize::from(**id) >= self.adapters.len();
        if let Some(id) = self.adapter_ids.iter().find(unknown) {
            return Err(DecodeError::Adapter(usize::from(*id)));
        }
        if let Some(index) = self.zones.iter().position(misfit) {
            return Err(DecodeError::Zone(index));
        }
        let inconsistent = |record: &EndpointRecord| {
            misfit(&record.address) || self.adapter_range(record).is_none()
        };
        match self.endpoints.iter().position(inconsistent) {
            Some(index) => Err(DecodeError::Record(index)),
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
        &self.pool
    }

    /// The endpoints, in the order of the push.
    #[must_use]
    pub fn endpoints(&self) -> &[EndpointRecord] {
        &self.endpoints
    }

    /// Requests in flight and prompt tokens in prefill that other gateways have at the endpoint at `index`; `None` if
    /// nothing is known of that.
    #[must_use]
    pub fn elsewhere(&self, index: usize) -> Option<(u32, u32)> {
        let details = self.details.get(index)?;
        Some((details.in_flight_elsewhere?, details.prefill_tokens_elsewhere.unwrap_or(0)))
    }

    /// What is known besides of the endpoint at `index`.
    #[must_use]
    pub fn details(&self, index: usize) -> EndpointDetails {
        self.details.get(index).copied().unwrap_or_default()
    }

    /// Which process serves at the endpoint at `index`; another number says that it was restarted.
    #[must_use]
    pub fn generation(&self, index: usize) -> Option<u32> {
        self.generations.get(index).copied().flatten()
    }

    /// ms from when that process was first seen to the push, if another one was there before.
    #[must_use]
    pub fn generation_age_ms(&self, index: usize) -> Option<u32> {
        self.generation_ages_ms.get(index).copied().flatten()
    }

    /// The name of the zone with `id`.
    #[must_use]
    pub fn zone_name(&self, id: u16) -> Option<&[u8]> {
        self.zones.get(usize::from(id))?.of(&self.text)
    }

    /// Whether the endpoints that take requests have no room left: their [`Self::load`] is 1 or more.
    #[must_use]
    pub fn is_saturated(&self) -> bool {
        self.load().is_some_and(|load| load >= 1.0)
    }

    /// What the endpoints that take requests have used, 1 if they have no room left: the mean over them of
    /// [`used_share`]. `None` if none takes requests.
    #[must_use]
    pub fn load(&self) -> Option<f64> {
        let used = |endpoint: &EndpointRecord| {
            used_share(endpoint.waiting, endpoint.kv_cache_use.map(f64::from))
        };
        let takes = self.endpoints.iter().filter(|e| e.state == EndpointState::Ready);
        let (count, sum) = takes.fold((0u32, 0.0), |(count, sum), e| (count + 1, sum + used(e)));
        (count > 0).then(|| sum / f64::from(count))
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
