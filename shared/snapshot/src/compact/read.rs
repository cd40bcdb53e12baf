//! Reading the parts of the compact form.

use super::record::{DecodeError, EndpointDetails, EndpointRecord, FORMAT, MAGIC, Span};
use super::section::{Column, Cursor, Sections, tag};
use crate::limits::MAX_DISTINCT_ADAPTERS;
use crate::message::{EndpointHealth, EndpointRole, EndpointState};
use crate::version::VersionStamp;

/// Reads what stands before the sections.
pub(super) fn read_stamp(bytes: &[u8]) -> Result<(VersionStamp, Cursor<'_>), DecodeError> {
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
    let stamp = cursor.take::<{ VersionStamp::BYTES }>();
    let stamp = stamp.and_then(|stamp| VersionStamp::decode(stamp)).ok_or(short)?;
    Ok((stamp, cursor))
}

/// The spans of the section with `tag`, a bounded number.
pub(super) fn read_spans(sections: &Sections<'_>, tag: u32) -> Result<Vec<Span>, DecodeError> {
    let spans = sections.items(tag)?;
    if spans.len() > MAX_DISTINCT_ADAPTERS {
        return Err(DecodeError::Section(tag));
    }
    Ok(spans.iter().map(|span| Span::read(*span)).collect())
}

/// The adapter ids of all endpoints, one after the other.
pub(super) fn read_ids(sections: &Sections<'_>) -> Result<Vec<u16>, DecodeError> {
    Ok(sections.items(tag::ADAPTER_IDS)?.iter().map(|id| u16::from_le_bytes(*id)).collect())
}

/// The records of all endpoints: what a pick reads of each.
pub(super) fn read_records(sections: &Sections<'_>) -> Result<Vec<EndpointRecord>, DecodeError> {
    let heads: &[[u8; 8]] = sections.per_endpoint(tag::ENDPOINTS)?;
    let adapters: &[[u8; 8]] = match sections.get(tag::ENDPOINT_ADAPTERS) {
        [] => &[],
        _ => sections.per_endpoint(tag::ENDPOINT_ADAPTERS)?,
    };
    let (age_ms, waiting) = (sections.column(tag::AGE_MS)?, sections.column(tag::WAITING)?);
    let (running, blocks) = (sections.column(tag::RUNNING)?, sections.column(tag::BLOCKS)?);
    let block_size = sections.column(tag::BLOCK_SIZE)?;
    let max_lora = sections.column(tag::MAX_LORA)?;
    let kv_cache_use = sections.column(tag::KV_CACHE_USE)?;
    let gpu_use = sections.column(tag::GPU_USE)?;
    let (throttled, failed) =
        (sections.column(tag::GPU_THROTTLED)?, sections.column(tag::GPU_FAILED)?);
    let record = |index, head: &[u8; 8]| {
        let [address @ .., state, _] = *head;
        let (adapters_start, running_adapters, waiting_adapters) =
            adapters.get(index).map_or((0, 0, 0), read_adapters);
        Some(EndpointRecord {
            address: Span::read(address),
            adapters_start,
            running_adapters,
            waiting_adapters,
            state: EndpointState::from_byte(state)?,
            age_ms: age_ms.get(index),
            waiting: waiting.get(index),
            running: running.get(index),
            kv_cache_use: fraction(kv_cache_use.get(index))?,
            gpu_use: fraction(gpu_use.get(index))?,
            block_size: block_size.get(index),
            blocks: blocks.get(index),
            max_lora: max_lora.get(index),
            gpu_throttled: throttled.get(index) == Some(1),
            gpu_failed: failed.get(index) == Some(1),
        })
    };
    let records = heads.iter().enumerate();
    records.map(|(index, head)| record(index, head).ok_or(DecodeError::Record(index))).collect()
}

/// The numbers of the column with `tag`; empty if nothing is known of any endpoint.
pub(super) fn read_column(
    sections: &Sections<'_>,
    tag: u32,
) -> Result<Vec<Option<u32>>, DecodeError> {
    let column = sections.column(tag)?;
    let endpoints = if column.is_empty() { 0 } else { sections.endpoints() };
    Ok((0..endpoints).map(|index| column.get(index)).collect())
}

/// What is known besides; empty if nothing is of any endpoint.
pub(super) fn read_details(
    sections: &Sections<'_>,
    zones: usize,
) -> Result<Vec<EndpointDetails>, DecodeError> {
    let column = |tag| sections.column(tag);
    let (memory, throttled) = (column(tag::GPU_MEMORY_USE)?, column(tag::GPU_THROTTLED)?);
    let (failed, role) = (column(tag::GPU_FAILED)?, column(tag::ROLE)?);
    let (zone, health) = (column(tag::ZONE)?, column(tag::HEALTH)?);
    let in_flight = column(tag::IN_FLIGHT_ELSEWHERE)?;
    let prefill_tokens = column(tag::PREFILL_TOKENS_ELSEWHERE)?;
    let decode_tokens = column(tag::DECODE_TOKENS_ELSEWHERE)?;
    let (tensor, dram) = (column(tag::GPU_TENSOR_ACTIVE)?, column(tag::GPU_DRAM_ACTIVE)?);
    let (temperature, power) = (column(tag::GPU_TEMPERATURE)?, column(tag::GPU_POWER)?);
    let xid = column(tag::GPU_XID)?;
    let all = [memory, throttled, failed, role, zone, health];
    let elsewhere = [in_flight, prefill_tokens, decode_tokens];
    let gpu = [tensor, dram, temperature, power, xid];
    if all.iter().chain(&elsewhere).chain(&gpu).all(Column::is_empty) {
        return Ok(Vec::new());
    }
    let details = |index| {
        Some(EndpointDetails {
            gpu_memory_use: fraction(memory.get(index))?,
            gpu_tensor_active: fraction(tensor.get(index))?,
            gpu_dram_active: fraction(dram.get(index))?,
            gpu_temperature: temperature.get(index),
            gpu_power: power.get(index),
            gpu_xid: xid.get(index),
            gpu_throttled: one_of(&[false, true], throttled.get(index))?,
            gpu_failed: one_of(&[false, true], failed.get(index))?,
            role: one_of(&EndpointRole::ALL, role.get(index))?,
            zone: below(zones, zone.get(index))?,
            health: one_of(&EndpointHealth::ALL, health.get(index))?,
            in_flight_elsewhere: in_flight.get(index),
            prefill_tokens_elsewhere: prefill_tokens.get(index),
            decode_tokens_elsewhere: decode_tokens.get(index),
        })
    };
    let all = 0..sections.endpoints();
    all.map(|index| details(index).ok_or(DecodeError::Record(index))).collect()
}

/// The first adapter id of an endpoint, and how many are running and waiting.
fn read_adapters([start @ .., a, b, c, d]: &[u8; 8]) -> (u32, u16, u16) {
    let (running, waiting) = (u16::from_le_bytes([*a, *b]), u16::from_le_bytes([*c, *d]));
    (u32::from_le_bytes(*start), running, waiting)
}

/// A share from its bits; the outer `None` says that it lies outside 0 to 1.
fn fraction(bits: Option<u32>) -> Option<Option<f32>> {
    match bits.map(f32::from_bits) {
        Some(value) if !(0.0..=1.0).contains(&value) => None,
        known => Some(known),
    }
}

/// The value at a position; the outer `None` says that there is none.
fn one_of<T: Copy>(values: &[T], position: Option<u32>) -> Option<Option<T>> {
    match position {
        None => Some(None),
        Some(position) => values.get(usize::try_from(position).ok()?).copied().map(Some),
    }
}

fn below(count: usize, position: Option<u32>) -> Option<Option<u16>> {
    match position {
        None => Some(None),
        Some(position) => {
            u16::try_from(position).ok().filter(|id| usize::from(*id) < count).map(Some)
        }
    }
}
