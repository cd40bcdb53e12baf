//! How fast request bodies are read, by kind of text and size.
//!
//! Natively: `cargo run --release -p weir-wire --example scan_speed [-- PART-OF-A-KIND [KB]]`. In V8: build it with
//! `--profile wasm --target wasm32-wasip1` and run `examples/wasi.mjs` on the result.

#![allow(clippy::unwrap_used, reason = "an example that fails may stop")]

use std::hint::black_box;
use std::time::{Duration, Instant};

use weir_wire::facts::{Destination, Facts};
use weir_wire::path::{Operation, classify};
use weir_wire::request::{RequestScanner, ScanLimits};

const ENGLISH: &str = "The replica that answered last still holds most of this conversation in its \
cache, so it should be asked again unless its queue has grown in the meantime. We measured 42 \
milliseconds on average.\n";
const CHAT: &str = "She said \"we can change the date until noon\", so please don’t book it yet, or book it for \
the four of us. On the way back we want to stop in Nürnberg for a café au lait and see the castle.\n";
const CODE: &str = "    if let Some(\"value\") = map.get(&key[3..]) {\n\treturn Err(format!(\"{:?} at \
{}\", token, line + 17));\n    }\n\n";
const CHINESE: &str = "最后回答的副本仍然在缓存中保存着这段对话的大部分内容，因此除非队列变长，否则应该再次询问它。\n";

#[allow(clippy::disallowed_methods, reason = "this example measures time")]
fn now() -> Instant {
    Instant::now()
}

fn body(text: &str, len: usize, turn: usize, ascii: bool) -> Vec<u8> {
    let mut messages = vec![serde_json::json!({"role": "system", "content": "You are terse."})];
    let mut made = 0;
    while made + 100 < len {
        let role = if messages.len() % 2 == 1 { "user" } else { "assistant" };
        let content: String =
            text.chars().cycle().take(turn / text.len().div_ceil(text.chars().count())).collect();
        made += content.len() + 40;
        messages.push(serde_json::json!({"role": role, "content": content}));
    }
    let body = serde_json::json!({"messages": messages, "model": "llama", "stream": true});
    let body = body.to_string();
    if !ascii {
        return body.into_bytes();
    }
    let escape = |c: char| match c {
        ' '..='~' => c.to_string(),
        _ => c.encode_utf16(&mut [0; 2]).iter().map(|unit| format!("\\u{unit:04x}")).collect(),
    };
    body.chars().map(escape).collect::<String>().into_bytes()
}

/// The least time of many runs: what the machine can do when nobody disturbs it.
fn time(mut run: impl FnMut()) -> Duration {
    let started = now();
    let mut best = Duration::MAX;
    while started.elapsed() < Duration::from_millis(400) {
        let start = now();
        for _ in 0..8 {
            run();
        }
        best = best.min(start.elapsed() / 8);
    }
    best
}

fn scan(body: &[u8]) {
    let mut scanner = RequestScanner::new(Operation::ChatCompletions, ScanLimits::default());
    scanner.feed(black_box(body)).unwrap();
    black_box(scanner.finish().unwrap());
}

fn scan_and_encode(body: &[u8]) {
    let endpoint = classify(b"POST", black_box(b"/v1/chat/completions")).unwrap();
    let mut scanner = RequestScanner::new(endpoint.operation, ScanLimits::default());
    scanner.feed(black_box(body)).unwrap();
    let facts = scanner.finish().unwrap();
    let to = Destination { model: "llama", upstream_model: "llama", pool: "p", adapter: None };
    black_box(Facts::decode(&Facts::new(&endpoint, &facts, to).encode()).unwrap());
}

fn main() {
    let only = std::env::args().nth(1).unwrap_or_default();
    let size = std::env::args().nth(2).and_then(|kb| kb.parse::<usize>().ok());
    for (kind, text, most, ascii) in [
        ("english", ENGLISH, 16 * 1024, false),
        ("short turns", ENGLISH, 1500, false),
        ("chat", CHAT, 1500, false),
        ("code", CODE, 16 * 1024, false),
        ("chinese", CHINESE, 16 * 1024, false),
        ("chinese as \\u", CHINESE, 16 * 1024, true),
    ] {
        if !kind.contains(&only) {
            continue;
        }
        for len in [1024, 32 * 1024, 256 * 1024] {
            if size.is_some_and(|size| size * 1024 != len) {
                continue;
            }
            let body = body(text, len, (len / 4).clamp(300, most), ascii);
            let took = time(|| scan(&body));
            let all = time(|| scan_and_encode(&body));
            let rate = body.len() as f64 / took.as_secs_f64() / 1e9;
            println!(
                "{kind:14} {:7} B  scan {:7.2} us ({rate:5.2} GB/s)  with facts codec {:7.2} us",
                body.len(),
                took.as_secs_f64() * 1e6,
                all.as_secs_f64() * 1e6,
            );
        }
    }
}
