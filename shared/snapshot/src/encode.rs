//! From a message to the compact form. The layout is described in [`crate::compact`].

use std::collections::BTreeMap;

use crate::compact::{FORMAT, MAGIC, present};
use crate::error::Invalid;
use crate::limits::{MAX_ENDPOINTS, MAX_NAME_BYTES};
use crate::message::{EndpointReport, SnapshotMessage};
use crate::validate::canonical_address;
use crate::version::VersionStamp;

/// Why a message has no compact form.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum EncodeError {
    /// The message was not validated and is outside the limits.
    #[error(transparent)]
    Invalid(#[from] Invalid),
    /// The texts together exceed what the layout can address.
    #[error("snapshot: more than {} bytes in the compact form", u32::MAX)]
    TooLarge,
}

/// The compact form of `message`, received at `received_at_ns` of the host's clock.
///
/// Addresses are written in canonical spelling (`[::1]:80`, not `[0:0:0:0:0:0:0:1]:80`), as Envoy
/// writes them.
///
/// # Errors
/// [`EncodeError`] when the message does not pass [`SnapshotMessage::validate`].
pub fn encode(message: &SnapshotMessage, received_at_ns: u64) -> Result<Vec<u8>, EncodeError> {
    message.validate()?;
    let mut tables = Tables::default();
    tables.text.extend_from_slice(message.pool.as_bytes());
    let mut records = Vec::with_capacity(message.endpoints.len());
    for endpoint in &message.endpoints {
        records.push(tables.record(endpoint).ok_or(EncodeError::TooLarge)?);
    }
    let stamp = VersionStamp::of(message, received_at_ns);
    tables.write(stamp, message.pool.len(), &records).ok_or(EncodeError::TooLarge)
}

/// One endpoint with its strings replaced by positions.
struct Record<'a> {
    report: &'a EndpointReport,
    address: Span,
    adapters_start: u32,
}

#[derive(Clone, Copy)]
struct Span {
    offset: u32,
    bytes: u16,
}

/// What the records point into.
#[derive(Default)]
struct Tables<'a> {
    text: Vec<u8>,
    adapters: Vec<Span>,
    adapter_ids: BTreeMap<&'a str, u16>,
    /// Adapter ids of all endpoints, one after the other.
    references: Vec<u16>,
}

impl<'a> Tables<'a> {
    fn record(&mut self, report: &'a EndpointReport) -> Option<Record<'a>> {
        let address = self.add_text(&canonical_address(&report.address)?)?;
        let adapters_start = u32::try_from(self.references.len()).ok()?;
        for name in report.running_adapters.iter().chain(&report.waiting_adapters) {
            let id = self.adapter_id(name)?;
            self.references.push(id);
        }
        Some(Record { report, address, adapters_start })
    }

    fn adapter_id(&mut self, name: &'a str) -> Option<u16> {
        if let Some(id) = self.adapter_ids.get(name) {
            return Some(*id);
        }
        let id = u16::try_from(self.adapters.len()).ok()?;
        let span = self.add_text(name)?;
        self.adapters.push(span);
        self.adapter_ids.insert(name, id);
        Some(id)
    }

    fn add_text(&mut self, text: &str) -> Option<Span> {
        let offset = u32::try_from(self.text.len()).ok()?;
        self.text.extend_from_slice(text.as_bytes());
        Some(Span { offset, bytes: u16::try_from(text.len()).ok()? })
    }

    fn write(&self, stamp: VersionStamp, pool_bytes: usize, records: &[Record]) -> Option<Vec<u8>> {
        debug_assert!(records.len() <= MAX_ENDPOINTS && pool_bytes <= MAX_NAME_BYTES);
        let mut out = Vec::with_capacity(64 + records.len() * 64 + self.text.len());
        out.extend_from_slice(&MAGIC);
        out.push(FORMAT);
        out.extend_from_slice(&stamp.encode());
        let counts = [records.len(), self.adapters.len(), self.references.len(), self.text.len()];
        for count in counts {
            out.extend_from_slice(&u32::try_from(count).ok()?.to_le_bytes());
        }
        out.extend_from_slice(&u32::try_from(pool_bytes).ok()?.to_le_bytes());
        records.iter().for_each(|record| write_record(&mut out, record));
        self.adapters.iter().for_each(|span| write_span(&mut out, *span));
        self.references.iter().for_each(|id| out.extend_from_slice(&id.to_le_bytes()));
        out.extend_from_slice(&self.text);
        Some(out)
    }
}

fn write_record(out: &mut Vec<u8>, record: &Record) {
    let report = record.report;
    write_span(out, record.address);
    out.push(report.state.to_byte());
    out.push(presence(report));
    let age_ms = report.age_ms.map_or(0, |age| u32::try_from(age).unwrap_or(u32::MAX));
    let words = [
        age_ms,
        report.waiting.unwrap_or(0),
        report.running.unwrap_or(0),
        fraction_bits(report.kv_cache_use),
        fraction_bits(report.gpu_use),
        report.block_size.unwrap_or(0),
        report.blocks.unwrap_or(0),
        report.max_lora.unwrap_or(0),
        record.adapters_start,
    ];
    words.iter().for_each(|word| out.extend_from_slice(&word.to_le_bytes()));
    // Validated before: at most 256 names each.
    for names in [&report.running_adapters, &report.waiting_adapters] {
        out.extend_from_slice(&u16::try_from(names.len()).unwrap_or(0).to_le_bytes());
    }
}

fn write_span(out: &mut Vec<u8>, span: Span) {
    out.extend_from_slice(&span.offset.to_le_bytes());
    out.extend_from_slice(&span.bytes.to_le_bytes());
}

/// Single precision is ample for a share, and halves the record.
#[expect(clippy::cast_possible_truncation, reason = "a share from 0 to 1 loses only digits")]
fn fraction_bits(value: Option<f64>) -> u32 {
    (value.unwrap_or(0.0) as f32).to_bits()
}

fn presence(report: &EndpointReport) -> u8 {
    let flags = [
        (report.age_ms.is_some(), present::AGE),
        (report.waiting.is_some(), present::WAITING),
        (report.running.is_some(), present::RUNNING),
        (report.kv_cache_use.is_some(), present::KV_CACHE_USE),
        (report.gpu_use.is_some(), present::GPU_USE),
        (report.block_size.is_some(), present::BLOCK_SIZE),
        (report.blocks.is_some(), present::BLOCKS),
        (report.max_lora.is_some(), present::MAX_LORA),
    ];
    flags.iter().filter(|(known, _)| *known).fold(0, |bits, (_, flag)| bits | flag)
}
