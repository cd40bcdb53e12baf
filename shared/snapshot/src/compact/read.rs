//! Reading the parts of the compact form.

use super::{DecodeError, EndpointRecord, FORMAT, MAGIC, Span, present};
use crate::limits::{MAX_DISTINCT_ADAPTERS, MAX_ENDPOINTS, MAX_NAME_BYTES};
use crate::message::EndpointState;
use crate::version::VersionStamp;

pub(super) struct Header {
    pub(super) stamp: VersionStamp,
    pub(super) endpoints: usize,
    pub(super) adapters: usize,
    pub(super) adapter_ids: usize,
    pub(super) text_bytes: usize,
    pub(super) pool: Span,
}

impl Header {
    pub(super) fn read(bytes: &[u8]) -> Result<(Self, Cursor<'_>), DecodeError> {
        let short = DecodeError::Length(bytes.len());
        let mut cursor = Cursor(bytes);
        if cursor.take() != Some(&MAGIC) {
            return Err(DecodeError::Magic);
        }
        match cursor.take() {
            Some([FORMAT]) => {}
            Some([other]) => return Err(DecodeError::Format(*other)),
            None => return Err(short),
        }
        let stamp =
            cursor.take::<24>().and_then(|stamp| VersionStamp::decode(stamp)).ok_or(short)?;
        let mut count = |field, limit| bounded(field, cursor.u32().ok_or(short)?, limit);
        // Each stored item takes at least a byte, so no count can exceed the length of the input.
        let header = Self {
            stamp,
            endpoints: count("number of endpoints", MAX_ENDPOINTS.min(bytes.len()))?,
            adapters: count("number of adapters", MAX_DISTINCT_ADAPTERS.min(bytes.len()))?,
            adapter_ids: count("number of adapter ids", bytes.len())?,
            text_bytes: count("bytes of text", bytes.len())?,
            pool: pool_span(count("bytes of the pool name", MAX_NAME_BYTES)?),
        };
        Ok((header, cursor))
    }
}

/// The pool name opens the text.
fn pool_span(bytes: usize) -> Span {
    Span { offset: 0, bytes: u16::try_from(bytes).unwrap_or(u16::MAX) }
}

fn bounded(field: &'static str, value: u32, limit: usize) -> Result<usize, DecodeError> {
    let over = DecodeError::Limit { field, value, limit };
    usize::try_from(value).ok().filter(|count| *count <= limit).ok_or(over)
}

pub(super) fn read_record(record: &[u8; 48]) -> Option<EndpointRecord> {
    let mut cursor = Cursor(record);
    let address = cursor.span()?;
    let [state, known] = *cursor.take()?;
    let mut metric = |flag| cursor.u32().map(|value| (known & flag != 0).then_some(value));
    Some(EndpointRecord {
        address,
        state: EndpointState::from_byte(state)?,
        age_ms: metric(present::AGE)?,
        waiting: metric(present::WAITING)?,
        running: metric(present::RUNNING)?,
        kv_cache_use: fraction(metric(present::KV_CACHE_USE)?)?,
        gpu_use: fraction(metric(present::GPU_USE)?)?,
        block_size: metric(present::BLOCK_SIZE)?,
        blocks: metric(present::BLOCKS)?,
        max_lora: metric(present::MAX_LORA)?,
        adapters_start: cursor.u32()?,
        running_adapters: cursor.u16()?,
        waiting_adapters: cursor.u16()?,
    })
}

/// A share from its bits; the outer `None` says that it lies outside 0 to 1.
fn fraction(bits: Option<u32>) -> Option<Option<f32>> {
    match bits.map(f32::from_bits) {
        Some(value) if !(0.0..=1.0).contains(&value) => None,
        known => Some(known),
    }
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

    fn u16(&mut self) -> Option<u16> {
        self.take().map(|bytes| u16::from_le_bytes(*bytes))
    }

    pub(super) fn span(&mut self) -> Option<Span> {
        Some(Span { offset: self.u32()?, bytes: self.u16()? })
    }
}
