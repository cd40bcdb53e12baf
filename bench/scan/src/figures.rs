//! All figures of one target: of this machine natively, or of V8, where the same code runs as a module.

use std::sync::Arc;

use serde_json::{Value, json};
use weir_detect::{Direction, Policy, Pseudonyms};

use crate::timing::{BYTES, events, findings, whole};
use crate::{custom, guard, request, short, texts};

/// The figures as one JSON object: MB/s of a whole text, µs per event of a stream, µs per request.
pub(crate) fn measure() -> Value {
    let compiled_policy_kib = compiled_policy_kib();
    let policy = Arc::new(Policy::default());
    let measured: Vec<Value> = texts::all(BYTES)
        .iter()
        .map(|(name, text)| {
            json!({
                "text": name,
                "bytes": text.len(),
                "findings": findings(&policy, text),
                "whole_mb_per_s": text.len() as f64 / whole(&policy, text) / 1e6,
                "stream_us_per_event": events(&policy, text),
            })
        })
        .collect();
    json!({
        "target": target(),
        "compiled_policy_kib": compiled_policy_kib,
        "request_us": request::measure(),
        "guard": guard::measure(&policy),
        "texts": measured,
        "custom": custom::measure(),
        "short": short::measure(&policy),
        "hold_back": hold_back(&policy),
    })
}

/// Memory of one compiled policy in KiB, from that of many, because memory grows in pages of 64.
fn compiled_policy_kib() -> Option<usize> {
    const MANY: usize = 64;
    let before = memory_kib()?;
    let policies: Vec<Policy> = (0..MANY).map(|_| Policy::default()).collect();
    let after = std::hint::black_box(&policies).len() * memory_kib()? / MANY;
    Some((after - before) / MANY)
}

/// Linear memory of the module in KiB, which grows in pages of 64; `None` outside of a VM.
fn memory_kib() -> Option<usize> {
    #[cfg(target_arch = "wasm32")]
    return Some(core::arch::wasm32::memory_size(0) * 64);
    #[cfg(not(target_arch = "wasm32"))]
    None
}

fn target() -> &'static str {
    if cfg!(target_arch = "wasm32") { "wasm32 in V8" } else { std::env::consts::ARCH }
}

/// Most and mean characters of ordinary chat that are held back after an event.
fn hold_back(policy: &Arc<Policy>) -> Value {
    let text = texts::chat(20_000);
    let of_size = |size: usize| {
        let mut names = Pseudonyms::default();
        let mut inspector = policy.inspector(Direction::Response, false, None);
        let (mut most, mut sum, mut count) = (0, 0, 0);
        for piece in text.as_bytes().chunks(size) {
            inspector.push(std::str::from_utf8(piece).unwrap_or_default(), &mut names);
            most = most.max(inspector.held_back());
            sum += inspector.held_back();
            count += 1;
        }
        json!({ "most": most, "mean": sum as f64 / f64::from(count.max(1)) })
    };
    json!({ "1": of_size(1), "5": of_size(5), "20": of_size(20) })
}
