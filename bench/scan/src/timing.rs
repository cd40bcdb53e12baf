//! How long a policy takes for a text.

use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use weir_detect::{Direction, Policy, Pseudonyms};

/// Text scanned at once: the size the overhead budget is stated for.
pub(crate) const BYTES: usize = 256 * 1024;
/// Time spent on each measurement.
pub(crate) const BUDGET: Duration = Duration::from_millis(400);

/// How much is found in `text`.
pub(crate) fn findings(policy: &Policy, text: &str) -> usize {
    policy.inspect(text, Direction::Response, &mut Pseudonyms::default()).applied.len()
}

/// Seconds to inspect a text as a whole.
pub(crate) fn whole(policy: &Policy, text: &str) -> f64 {
    best(|| findings(policy, std::hint::black_box(text)))
}

/// Seconds of the best of several runs, so that the neighbours on the machine do not count.
pub(crate) fn best(run: impl Fn() -> usize) -> f64 {
    let started = Instant::now();
    let mut best = f64::MAX;
    while started.elapsed() < BUDGET {
        let began = Instant::now();
        std::hint::black_box(run());
        best = best.min(began.elapsed().as_secs_f64());
    }
    best
}

/// Mean cost of an event of 1, 5 and 20 characters, in µs.
pub(crate) fn events(policy: &Arc<Policy>, text: &str) -> Value {
    let head: String = text.chars().take(20_000).collect();
    let cost = |size: usize| {
        let characters: Vec<char> = head.chars().collect();
        let pieces: Vec<String> =
            characters.chunks(size).map(|piece| piece.iter().collect()).collect();
        let mut best = f64::MAX;
        for _ in 0..5 {
            let mut names = Pseudonyms::default();
            let mut inspector = policy.inspector(Direction::Response, false, None);
            let run = Instant::now();
            for piece in &pieces {
                std::hint::black_box(inspector.push(piece, &mut names));
            }
            inspector.finish(&mut names);
            best = best.min(run.elapsed().as_secs_f64() * 1e6 / pieces.len() as f64);
        }
        best
    };
    json!({ "1": cost(1), "5": cost(5), "20": cost(20) })
}
