//! What the parts of a pick cost: `cargo run --release -p weir-placement --example pick_cost`.
//!
//! For the cost in V8, build it for wasm32-wasip1 and run it with Node's WASI.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    reason = "a measurement has a clock and may panic"
)]

use std::hint::black_box;
use std::time::Instant;

use weir_placement::{
    Dispatch, ExpectedTtft, LoadView, Outstanding, PickRequest, Policy, PoolState, PrefixIndex,
};
use weir_snapshot::{EndpointReport, EndpointState, SnapshotMessage, encode};

const NOW_NS: u64 = 1_000_000_000;
/// A prompt of 512 KiB: as many fingerprints as there can be.
const PROMPT_BYTES: u64 = 512 * 1024;

fn main() {
    for replicas in [6, 100, 1000] {
        println!("{replicas} replicas");
        measure(replicas);
    }
}

fn measure(replicas: u16) {
    let stored = view(replicas);
    let mut prefixes = PrefixIndex::default();
    let view = LoadView::decode(&stored, &mut prefixes).unwrap();
    report("decode a view", || LoadView::decode(&stored, &mut prefixes).unwrap().len());

    let mut outstanding = Outstanding::default();
    let fingerprints: Vec<u64> = (0..224).map(|mark: u64| mark.wrapping_mul(0x9E37_79B9)).collect();
    let request = request(&fingerprints);
    for (index, replica) in view.replicas().enumerate() {
        // Everybody has the start, at depths that differ.
        let depth = [4, 9, 16, 30, 60, 120][index % 6];
        prefixes
            .learn(&PickRequest { fingerprints: &fingerprints[..depth], ..request }, replica.id);
        let dispatch = Dispatch {
            replica: replica.id.key(),
            uncached_tokens: 9,
            prefill_us: 9,
            decode_tokens: 9,
            alone_us: 0,
            streamed: false,
        };
        outstanding.dispatch(&dispatch, NOW_NS);
    }
    let stored = outstanding.encode();
    report("decode own counts", || Outstanding::decode(&stored).load(1).in_flight);
    report("encode own counts", || outstanding.encode().len());

    let policy = ExpectedTtft::default();
    let state =
        PoolState { view: &view, prefixes: &prefixes, outstanding: &outstanding, now_ns: NOW_NS };
    let cold = PickRequest { fingerprints: &[1, 2, 3], ..request };
    report("pick, cold prompt", || policy.pick(&cold, &state).unwrap().best());
    report("pick, known prompt", || policy.pick(&request, &state).unwrap().best());
    report("find matches", || prefixes.matches(&request, &view).tokens(1));
    let replica = view.id(0).unwrap();
    report("learn 224 fingerprints", || prefixes.learn(&request, replica).matched_tokens());
}

fn request(fingerprints: &[u64]) -> PickRequest<'_> {
    PickRequest {
        fingerprints,
        prompt_bytes: PROMPT_BYTES,
        prompt_tokens: 131_072,
        conversation: Some(7),
        ..PickRequest::default()
    }
}

fn view(replicas: u16) -> Vec<u8> {
    let endpoints = (0..replicas).map(|index| {
        let address = format!("10.0.{}.{}:8000", index / 250, index % 250 + 1);
        let mut report = EndpointReport::new(address, EndpointState::Ready);
        (report.age_ms, report.waiting, report.running) = (Some(9), Some(0), Some(index.into()));
        report.kv_cache_use = Some(f64::from(index % 100) / 100.0);
        (report.block_size, report.blocks) = (Some(16), Some(8000));
        report.running_adapters = vec!["law".to_owned(), "med".to_owned()];
        report
    });
    let (pool, endpoints) = ("llama".to_owned(), endpoints.collect());
    let message = SnapshotMessage::new(pool, (1, 1), 0, endpoints);
    encode(&message, NOW_NS).unwrap()
}

/// Prints the best of 401 rounds, each the mean of 10 calls: what it costs when nobody else has the
/// core.
fn report<T>(name: &str, mut call: impl FnMut() -> T) {
    let mut rounds: Vec<u128> = (0..401)
        .map(|_| {
            let start = Instant::now();
            for _ in 0..10 {
                black_box(call());
            }
            start.elapsed().as_nanos() / 10
        })
        .collect();
    rounds.sort_unstable();
    println!("  {name:24} {:8.2} µs", rounds[0] as f64 / 1000.0);
}
