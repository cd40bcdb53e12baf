//! The current views as JSON, for `GET` on the intake listener.

use serde::Serialize;

use crate::compact::{CompactView, EndpointRecord};
use crate::message::{EndpointHealth, EndpointRole, EndpointState};

const NS_PER_MS: u64 = 1_000_000;

/// `{"pools":[…]}`: every view with its version, the time since it was received, and its endpoints.
///
/// `now_ns` is of the same clock as the stamps. Bytes that are no UTF-8 are shown as U+FFFD.
#[must_use]
pub fn view_json<'a>(views: impl IntoIterator<Item = &'a CompactView>, now_ns: u64) -> Vec<u8> {
    let pools = views.into_iter().map(|view| Pool::new(view, now_ns)).collect();
    // Strings and finite numbers only: serialising cannot fail.
    serde_json::to_vec(&Pools { pools }).unwrap_or_default()
}

#[derive(Serialize)]
struct Pools {
    pools: Vec<Pool>,
}

#[derive(Serialize)]
struct Pool {
    pool: String,
    epoch: u64,
    sequence: u64,
    sender: u64,
    received_age_ms: u64,
    endpoints: Vec<Endpoint>,
}

#[derive(Serialize)]
struct Endpoint {
    address: String,
    state: EndpointState,
    #[serde(skip_serializing_if = "Option::is_none")]
    age_ms: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    waiting: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    running: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    kv_cache_use: Option<f32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    block_size: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    blocks: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    gpu_use: Option<f32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    max_lora: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    gpu_memory_use: Option<f32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    gpu_tensor_active: Option<f32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    gpu_dram_active: Option<f32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    gpu_temperature: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    gpu_power: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    gpu_xid: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    gpu_throttled: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    gpu_failed: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    role: Option<EndpointRole>,
    #[serde(skip_serializing_if = "Option::is_none")]
    zone: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    health: Option<EndpointHealth>,
    #[serde(skip_serializing_if = "Option::is_none")]
    in_flight_elsewhere: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    prefill_tokens_elsewhere: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    decode_tokens_elsewhere: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    generation: Option<u32>,
    running_adapters: Vec<String>,
    waiting_adapters: Vec<String>,
}

impl Pool {
    fn new(view: &CompactView, now_ns: u64) -> Self {
        let stamp = view.stamp();
        let received_age_ms = stamp.age_ns(now_ns) / NS_PER_MS;
        let endpoint = |(index, record)| Endpoint::new(view, index, record, received_age_ms);
        Self {
            pool: text(view.pool()),
            epoch: stamp.epoch,
            sequence: stamp.sequence,
            sender: stamp.sender,
            received_age_ms,
            endpoints: view.endpoints().iter().enumerate().map(endpoint).collect(),
        }
    }
}

impl Endpoint {
    fn new(
        view: &CompactView,
        index: usize,
        record: &EndpointRecord,
        received_age_ms: u64,
    ) -> Self {
        let details = view.details(index);
        let names =
            |ids: &[u16]| ids.iter().filter_map(|id| view.adapter_name(*id)).map(text).collect();
        Self {
            address: text(view.address(record)),
            state: record.state,
            // What was old at the push has aged since.
            age_ms: record.age_ms.map(|age| u64::from(age).saturating_add(received_age_ms)),
            waiting: record.waiting,
            running: record.running,
            kv_cache_use: record.kv_cache_use,
            block_size: record.block_size,
            blocks: record.blocks,
            gpu_use: record.gpu_use,
            max_lora: record.max_lora,
            gpu_memory_use: details.gpu_memory_use,
            gpu_tensor_active: details.gpu_tensor_active,
            gpu_dram_active: details.gpu_dram_active,
            gpu_temperature: details.gpu_temperature,
            gpu_power: details.gpu_power,
            gpu_xid: details.gpu_xid,
            gpu_throttled: details.gpu_throttled,
            gpu_failed: details.gpu_failed,
            role: details.role,
            zone: details.zone.and_then(|id| view.zone_name(id)).map(text),
            health: details.health,
            in_flight_elsewhere: details.in_flight_elsewhere,
            prefill_tokens_elsewhere: details.prefill_tokens_elsewhere,
            decode_tokens_elsewhere: details.decode_tokens_elsewhere,
            generation: view.generation(index),
            running_adapters: names(view.running_adapters(record)),
            waiting_adapters: names(view.waiting_adapters(record)),
        }
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}
