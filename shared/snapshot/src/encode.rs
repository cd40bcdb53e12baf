//! From a message to the compact form. The layout is described in [`crate::compact`].

use std::collections::BTreeMap;

use crate::compact::{FORMAT, MAGIC, tag};
use crate::error::Invalid;
use crate::message::{EndpointHealth, EndpointReport, EndpointRole, SnapshotMessage};
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
    let sections = sections(message).ok_or(EncodeError::TooLarge)?;
    let stamp = VersionStamp::of(message, received_at_ns);
    write(stamp, message.endpoints.len(), &sections).ok_or(EncodeError::TooLarge)
}

/// Tags and payloads; those without anything in them are left out.
type Sections = Vec<(u32, Vec<u8>)>;

fn write(stamp: VersionStamp, endpoints: usize, sections: &Sections) -> Option<Vec<u8>> {
    let mut out = Vec::with_capacity(64 + sections.iter().map(|(_, p)| 8 + p.len()).sum::<usize>());
    out.extend_from_slice(&MAGIC);
    out.push(FORMAT);
    out.extend_from_slice(&stamp.encode());
    for count in [endpoints, sections.len()] {
        out.extend_from_slice(&u32::try_from(count).ok()?.to_le_bytes());
    }
    for (tag, payload) in sections {
        out.extend_from_slice(&tag.to_le_bytes());
        out.extend_from_slice(&u32::try_from(payload.len()).ok()?.to_le_bytes());
        out.extend_from_slice(payload);
    }
    Some(out)
}

fn sections(message: &SnapshotMessage) -> Option<Sections> {
    let (mut text, mut adapters, mut zones) = (Text::default(), Names::default(), Names::default());
    let (mut heads, mut ids, mut ranges) = (Vec::new(), Vec::new(), Vec::new());
    let mut zone_ids = Vec::new();
    for endpoint in &message.endpoints {
        heads.extend_from_slice(&text.add(&canonical_address(&endpoint.address)?)?);
        heads.extend_from_slice(&[endpoint.state.to_byte(), 0]);
        ranges.extend_from_slice(&u32::try_from(ids.len() / 2).ok()?.to_le_bytes());
        for names in [&endpoint.running_adapters, &endpoint.waiting_adapters] {
            ranges.extend_from_slice(&u16::try_from(names.len()).ok()?.to_le_bytes());
            for name in names {
                ids.extend_from_slice(&adapters.id(name, &mut text)?.to_le_bytes());
            }
        }
        zone_ids.push(match &endpoint.zone {
            Some(zone) => Some(u32::from(zones.id(zone, &mut text)?)),
            None => None,
        });
    }
    if ids.is_empty() {
        ranges.clear();
    }
    let mut sections = vec![
        (tag::POOL, message.pool.clone().into_bytes()),
        (tag::ENDPOINTS, heads),
        (tag::ADAPTERS, adapters.spans),
        (tag::ADAPTER_IDS, ids),
        (tag::ENDPOINT_ADAPTERS, ranges),
        (tag::ZONES, zones.spans),
        (tag::TEXT, text.0),
        (tag::ZONE, column(zone_ids.into_iter())),
    ];
    let columns = COLUMNS.iter().map(|(tag, number)| {
        let numbers = message.endpoints.iter().map(number);
        (*tag, column(numbers))
    });
    sections.extend(columns);
    sections.retain(|(_, payload)| !payload.is_empty());
    Some(sections)
}

/// The number of one metric.
type Number = fn(&EndpointReport) -> Option<u32>;

/// Every column whose numbers come from one report alone.
const COLUMNS: [(u32, Number); 23] = [
    (tag::AGE_MS, |report| report.age_ms.map(|age| u32::try_from(age).unwrap_or(u32::MAX))),
    (tag::WAITING, |report| report.waiting),
    (tag::RUNNING, |report| report.running),
    (tag::KV_CACHE_USE, |report| report.kv_cache_use.map(fraction_bits)),
    (tag::GPU_USE, |report| report.gpu_use.map(fraction_bits)),
    (tag::BLOCK_SIZE, |report| report.block_size),
    (tag::BLOCKS, |report| report.blocks),
    (tag::MAX_LORA, |report| report.max_lora),
    (tag::GPU_MEMORY_USE, |report| report.gpu_memory_use.map(fraction_bits)),
    (tag::GPU_TENSOR_ACTIVE, |report| report.gpu_tensor_active.map(fraction_bits)),
    (tag::GPU_DRAM_ACTIVE, |report| report.gpu_dram_active.map(fraction_bits)),
    (tag::GPU_TEMPERATURE, |report| report.gpu_temperature),
    (tag::GPU_POWER, |report| report.gpu_power),
    (tag::GPU_XID, |report| report.gpu_xid),
    (tag::GPU_THROTTLED, |report| report.gpu_throttled.map(u32::from)),
    (tag::GPU_FAILED, |report| report.gpu_failed.map(u32::from)),
    (tag::ROLE, |report| position(&EndpointRole::ALL, report.role)),
    (tag::HEALTH, |report| position(&EndpointHealth::ALL, report.health)),
    (tag::IN_FLIGHT_ELSEWHERE, |report| report.in_flight_elsewhere),
    (tag::PREFILL_TOKENS_ELSEWHERE, |report| report.prefill_tokens_elsewhere),
    (tag::DECODE_TOKENS_ELSEWHERE, |report| report.decode_tokens_elsewhere),
    (tag::GENERATION, |report| report.generation),
    (tag::GENERATION_AGE_MS, |report| report.generation_age_ms),
];

/// A bit for each number whether it is known, then the numbers; nothing if none is.
fn column(numbers: impl ExactSizeIterator<Item = Option<u32>>) -> Vec<u8> {
    let mut known = vec![0u8; numbers.len().div_ceil(8)];
    let (mut words, mut any) = (Vec::with_capacity(4 * numbers.len()), false);
    for (index, number) in numbers.enumerate() {
        if let (Some(_), Some(bits)) = (number, known.get_mut(index / 8)) {
            *bits |= 1 << (index % 8);
            any = true;
        }
        words.extend_from_slice(&number.unwrap_or(0).to_le_bytes());
    }
    if !any {
        return Vec::new();
    }
    known.extend(words);
    known
}

fn position<T: PartialEq>(all: &[T], value: Option<T>) -> Option<u32> {
    let value = value?;
    all.iter().position(|other| *other == value).and_then(|at| u32::try_from(at).ok())
}

/// Single precision is ample for a share.
#[expect(clippy::cast_possible_truncation, reason = "a share from 0 to 1 loses only digits")]
fn fraction_bits(value: f64) -> u32 {
    (value as f32).to_bits()
}

/// The text that spans point into.
#[derive(Default)]
struct Text(Vec<u8>);

impl Text {
    /// Adds `text`; its span.
    fn add(&mut self, text: &str) -> Option<[u8; 6]> {
        let [a, b, c, d] = u32::try_from(self.0.len()).ok()?.to_le_bytes();
        let [low, high] = u16::try_from(text.len()).ok()?.to_le_bytes();
        self.0.extend_from_slice(text.as_bytes());
        Some([a, b, c, d, low, high])
    }
}

/// Names that stand once each, and are referred to by their position.
#[derive(Default)]
struct Names<'a> {
    spans: Vec<u8>,
    ids: BTreeMap<&'a str, u16>,
}

impl<'a> Names<'a> {
    fn id(&mut self, name: &'a str, text: &mut Text) -> Option<u16> {
        if let Some(id) = self.ids.get(name) {
            return Some(*id);
        }
        let id = u16::try_from(self.ids.len()).ok()?;
        self.spans.extend_from_slice(&text.add(name)?);
        self.ids.insert(name, id);
        Some(id)
    }
}
