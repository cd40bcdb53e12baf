//! Reading a request's body: what model-router and endpoint-picker need of it.

use std::hint::black_box;
use std::time::Instant;

use serde_json::{Value, json};
use weir_wire::path::Operation;
use weir_wire::request::{RequestScanner, ScanLimits};

use crate::texts;
use crate::timing::BUDGET;

/// Sizes of bodies, in KB.
pub(crate) const SIZES: [usize; 3] = [1, 32, 256];
/// Characters of a message.
const MESSAGE: usize = 1400;

/// Best time for a body of each size, in µs.
pub(crate) fn measure() -> Value {
    let timed = SIZES.map(|kb| (name(kb), json!(microseconds(&chat(kb << 10)))));
    Value::Object(timed.into_iter().collect())
}

/// What the figure for a body of so many KB is called.
pub(crate) fn name(kb: usize) -> String {
    format!("{kb} KB")
}

/// A chat of so many bytes, in turns.
fn chat(bytes: usize) -> Vec<u8> {
    let text: Vec<char> = texts::chat(bytes).chars().collect();
    let message = |(turn, content): (usize, &[char])| {
        let role = if turn % 2 == 0 { "user" } else { "assistant" };
        json!({"role": role, "content": content.iter().collect::<String>()})
    };
    let messages: Vec<Value> = text.chunks(MESSAGE).enumerate().map(message).collect();
    json!({"messages": messages, "model": "llama-3.1-8b-instruct"}).to_string().into_bytes()
}

fn microseconds(body: &[u8]) -> f64 {
    let started = Instant::now();
    let mut best = f64::MAX;
    while started.elapsed() < BUDGET {
        let run = Instant::now();
        let mut scanner = RequestScanner::new(Operation::ChatCompletions, ScanLimits::default());
        // As the filters take it: in pieces that fit a cache.
        for piece in black_box(body).chunks(64 << 10) {
            let _ = black_box(scanner.feed(piece));
        }
        let _ = black_box(scanner.finish());
        best = best.min(run.elapsed().as_secs_f64() * 1e6);
    }
    best
}
