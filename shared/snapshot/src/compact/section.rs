//! The sections of the compact form by tag, and the columns among them.

use super::record::DecodeError;
use crate::limits::MAX_ENDPOINTS;

/// Most sections of a view: thrice those that there are.
pub(super) const MAX_SECTIONS: usize = 64;

/// What a section holds. A tag keeps its meaning for as long as [`FORMAT`](super::record::FORMAT) does; a
/// reader skips those that it does not know.
pub(crate) mod tag {
    /// Name of the pool.
    pub(crate) const POOL: u32 = 1;
    /// The bytes that all spans point into.
    pub(crate) const TEXT: u32 = 2;
    /// Per endpoint: address (span), state, 0 (u8 each).
    pub(crate) const ENDPOINTS: u32 = 3;
    /// Names of adapters: spans.
    pub(crate) const ADAPTERS: u32 = 4;
    /// Ids of adapters of all endpoints: u16.
    pub(crate) const ADAPTER_IDS: u32 = 5;
    /// Per endpoint: first adapter id (u32), running, waiting (u16 each).
    pub(crate) const ENDPOINT_ADAPTERS: u32 = 6;
    /// Names of zones: spans.
    pub(crate) const ZONES: u32 = 7;
    // 8 was grants, which no sidecar has ever pushed.

    /// Columns: what is known of each endpoint.
    pub(crate) const AGE_MS: u32 = 0x100;
    pub(crate) const WAITING: u32 = 0x101;
    pub(crate) const RUNNING: u32 = 0x102;
    /// The bits of an f32, from 0 to 1.
    pub(crate) const KV_CACHE_USE: u32 = 0x103;
    /// Likewise.
    pub(crate) const GPU_USE: u32 = 0x104;
    pub(crate) const BLOCK_SIZE: u32 = 0x105;
    pub(crate) const BLOCKS: u32 = 0x106;
    pub(crate) const MAX_LORA: u32 = 0x107;
    /// The bits of an f32, from 0 to 1.
    pub(crate) const GPU_MEMORY_USE: u32 = 0x108;
    /// 0 or 1.
    pub(crate) const GPU_THROTTLED: u32 = 0x109;
    /// 0 or 1.
    pub(crate) const GPU_FAILED: u32 = 0x10a;
    /// Position in [`EndpointRole::ALL`](crate::EndpointRole::ALL).
    pub(crate) const ROLE: u32 = 0x10b;
    /// Position in the zones.
    pub(crate) const ZONE: u32 = 0x10c;
    /// Position in [`EndpointHealth::ALL`](crate::EndpointHealth::ALL).
    pub(crate) const HEALTH: u32 = 0x10d;
    pub(crate) const IN_FLIGHT_ELSEWHERE: u32 = 0x10e;
    pub(crate) const PREFILL_TOKENS_ELSEWHERE: u32 = 0x10f;
    pub(crate) const DECODE_TOKENS_ELSEWHERE: u32 = 0x110;
    /// The bits of an f32, from 0 to 1.
    pub(crate) const GPU_TENSOR_ACTIVE: u32 = 0x111;
    /// Likewise.
    pub(crate) const GPU_DRAM_ACTIVE: u32 = 0x112;
    pub(crate) const GPU_TEMPERATURE: u32 = 0x113;
    pub(crate) const GPU_POWER: u32 = 0x114;
    pub(crate) const GPU_XID: u32 = 0x115;
    pub(crate) const GENERATION: u32 = 0x116;
    pub(crate) const GENERATION_AGE_MS: u32 = 0x117;
}

/// The sections of one view.
pub(super) struct Sections<'a> {
    endpoints: usize,
    sections: Vec<(u32, &'a [u8])>,
}

impl<'a> Sections<'a> {
    /// Reads the number of endpoints and all sections; they have to fill the rest of the bytes.
    pub(super) fn read(mut cursor: Cursor<'a>, whole: usize) -> Result<Self, DecodeError> {
        let short = DecodeError::Length(whole);
        let endpoints = bounded("number of endpoints", cursor.u32().ok_or(short)?, MAX_ENDPOINTS)?;
        let count = bounded("number of sections", cursor.u32().ok_or(short)?, MAX_SECTIONS)?;
        let mut sections: Vec<(u32, &[u8])> = Vec::with_capacity(count);
        for _ in 0..count {
            let tag = cursor.u32().ok_or(short)?;
            let bytes = cursor.u32().and_then(|bytes| usize::try_from(bytes).ok()).ok_or(short)?;
            let (payload, rest) = cursor.0.split_at_checked(bytes).ok_or(short)?;
            cursor = Cursor(rest);
            if sections.iter().any(|(other, _)| *other == tag) {
                return Err(DecodeError::Section(tag));
            }
            sections.push((tag, payload));
        }
        if cursor.0.is_empty() { Ok(Self { endpoints, sections }) } else { Err(short) }
    }

    /// Number of endpoints.
    pub(super) fn endpoints(&self) -> usize {
        self.endpoints
    }

    /// The section with `tag`; empty if there is none.
    pub(super) fn get(&self, tag: u32) -> &'a [u8] {
        self.find(tag).unwrap_or_default()
    }

    /// The items of the section with `tag`.
    pub(super) fn items<const N: usize>(&self, tag: u32) -> Result<&'a [[u8; N]], DecodeError> {
        match self.get(tag).as_chunks() {
            (items, []) => Ok(items),
            _ => Err(DecodeError::Section(tag)),
        }
    }

    /// The same, one item for each endpoint.
    pub(super) fn per_endpoint<const N: usize>(
        &self,
        tag: u32,
    ) -> Result<&'a [[u8; N]], DecodeError> {
        let items = self.items(tag)?;
        if items.len() == self.endpoints { Ok(items) } else { Err(DecodeError::Section(tag)) }
    }

    /// The column with `tag`; one in which nothing is known if there is none.
    pub(super) fn column(&self, tag: u32) -> Result<Column<'a>, DecodeError> {
        let Some(payload) = self.find(tag) else { return Ok(Column::default()) };
        let split = payload.split_at_checked(self.endpoints.div_ceil(8));
        match split.map(|(known, words)| (known, words.as_chunks())) {
            Some((known, (words, []))) if words.len() == self.endpoints => {
                Ok(Column { known, words })
            }
            _ => Err(DecodeError::Section(tag)),
        }
    }

    fn find(&self, tag: u32) -> Option<&'a [u8]> {
        self.sections.iter().find(|(other, _)| *other == tag).map(|(_, payload)| *payload)
    }
}

/// One number per endpoint, where it is known.
#[derive(Clone, Copy, Default)]
pub(super) struct Column<'a> {
    known: &'a [u8],
    words: &'a [[u8; 4]],
}

impl Column<'_> {
    /// Whether it is known of any endpoint.
    pub(super) fn is_empty(&self) -> bool {
        self.words.is_empty()
    }

    /// The number of the endpoint at `index`.
    pub(super) fn get(&self, index: usize) -> Option<u32> {
        let word = self.words.get(index)?;
        let known = self.known.get(index / 8)? >> (index % 8) & 1;
        (known == 1).then_some(u32::from_le_bytes(*word))
    }
}

fn bounded(field: &'static str, value: u32, limit: usize) -> Result<usize, DecodeError> {
    let over = DecodeError::Limit { field, value, limit };
    usize::try_from(value).ok().filter(|count| *count <= limit).ok_or(over)
}

/// Reads little-endian numbers off the front of a slice.
pub(super) struct Cursor<'a>(pub(super) &'a [u8]);

impl<'a> Cursor<'a> {
    pub(super) fn take<const N: usize>(&mut self) -> Option<&'a [u8; N]> {
        let (front, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(front)
    }

    fn u32(&mut self) -> Option<u32> {
        self.take().map(|bytes| u32::from_le_bytes(*bytes))
    }
}
