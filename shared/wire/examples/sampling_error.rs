//! How far the counts of long prompts, which are taken from a sample, are from full counts.
//!
//! `cargo run --release -p weir-wire --example sampling_error CORPUS` where `CORPUS/GROUP/*.txt`
//! are texts. Prompts of several sizes are put together from texts of one group and of all.

#![allow(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "a measuring tool, not a filter"
)]

use std::{env, fs};

use weir_tokens::{TextCounter, estimate};
use weir_wire::path::Operation;
use weir_wire::request::{RequestScanner, ScanLimits};

fn error(text: &str) -> f64 {
    let mut counter = TextCounter::new();
    counter.push(text.as_bytes());
    let full = f64::from(estimate(&counter.counts()));
    let body = serde_json::json!({ "prompt": text }).to_string();
    let mut scanner = RequestScanner::new(Operation::Completions, ScanLimits::default());
    scanner.feed(body.as_bytes()).unwrap();
    let sampled = f64::from(estimate(&scanner.finish().unwrap().counts));
    (sampled - full) / full
}

/// Prompts of `size` bytes or a little more from consecutive texts.
fn prompts(texts: &[String], size: usize) -> Vec<String> {
    let mut all = vec![String::new()];
    for text in texts {
        if all.last().is_some_and(|prompt| prompt.len() >= size) {
            all.push(String::new());
        }
        all.last_mut().unwrap().push_str(text);
    }
    all.retain(|prompt| prompt.len() >= size);
    all
}

fn main() {
    let corpus = env::args().nth(1).unwrap();
    let mut groups: Vec<Vec<String>> = Vec::new();
    for group in fs::read_dir(corpus).unwrap() {
        let files = fs::read_dir(group.unwrap().path()).unwrap();
        groups.push(files.map(|file| fs::read_to_string(file.unwrap().path()).unwrap()).collect());
    }
    let longest = groups.iter().map(Vec::len).max().unwrap_or(0);
    let mixed: Vec<String> =
        (0..longest).flat_map(|n| groups.iter().filter_map(move |g| g.get(n).cloned())).collect();
    for size in [8, 16, 32, 64, 128, 256, 512] {
        for (name, sources) in [("one kind", &groups[..]), ("mixed", std::slice::from_ref(&mixed))]
        {
            let errors: Vec<f64> = sources
                .iter()
                .flat_map(|texts| prompts(texts, size * 1024))
                .map(|prompt| error(&prompt))
                .collect();
            let mut sizes: Vec<f64> = errors.iter().map(|error| error.abs()).collect();
            sizes.sort_by(f64::total_cmp);
            let count = sizes.len().max(1) as f64;
            println!(
                "{size:4} KiB {name:8} {count:5} prompts  mean |error| {:5.2} %  p95 {:5.2} %  bias {:+5.2} %",
                100.0 * sizes.iter().sum::<f64>() / count,
                100.0 * sizes.get(sizes.len() * 95 / 100).copied().unwrap_or(0.0),
                100.0 * errors.iter().sum::<f64>() / count,
            );
        }
    }
}
