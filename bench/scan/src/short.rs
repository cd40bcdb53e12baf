//! Texts of a few bytes: message fields, JSON strings, tool arguments.

use std::hint::black_box;
use std::sync::Arc;
use std::time::Instant;

use serde_json::{Value, json};
use weir_detect::{Direction, Policy, Pseudonyms, Released};

/// Calls a round, and rounds of which the best counts.
const CALLS: usize = 4096;
const ROUNDS: usize = 7;

/// What nearly every message has, and what some have.
const TEXTS: [(&str, &str); 8] = [
    ("empty", ""),
    ("word", "Paris"),
    ("identifier", "get_current_weather"),
    ("call id", "call_a8Kd03mXq9Zb1LwTyVn5"),
    ("number", "1732190400"),
    ("sentence", "What is the weather like in Paris today, and should I take a coat?"),
    ("arguments", "{\"location\":\"Paris, France\",\"unit\":\"celsius\",\"days\":3}"),
    ("email", "Please write to ann.lee@example.com about it."),
];

/// Mean cost in ns: a whole text, and an inspector for a stream of one event.
pub(crate) fn measure(policy: &Arc<Policy>) -> Value {
    let whole = TEXTS.iter().map(|(name, text)| ((*name).to_owned(), json!(inspect(policy, text))));
    let after = TEXTS.iter().map(|(name, text)| ((*name).to_owned(), json!(context(policy, text))));
    json!({
        "inspect_ns": Value::Object(whole.collect()),
        "inspect_after_ns": Value::Object(after.collect()),
        "new_inspector_and_event_ns": best(|| {
            let mut inspector = policy.inspector(Direction::Response, false, None);
            inspector.push(black_box("Paris "), &mut Pseudonyms::default()).text.len()
        }),
        "event_ns": events(policy),
    })
}

fn inspect(policy: &Policy, text: &str) -> f64 {
    best(|| {
        let mut names = Pseudonyms::default();
        policy.inspect(black_box(text), Direction::Response, &mut names).applied.len()
    })
}

fn context(policy: &Policy, text: &str) -> f64 {
    best(|| {
        let mut names = Pseudonyms::default();
        let key = black_box("\"city\":\"");
        policy.inspect_after(key, black_box(text), Direction::Response, &mut names).applied.len()
    })
}

/// One word of prose a push, into memory that is used again.
fn events(policy: &Arc<Policy>) -> f64 {
    const WORDS: [&str; 6] = ["The ", "weather", " in", " Paris is ", "mild", ", mostly."];
    let mut inspector = policy.inspector(Direction::Response, false, None);
    let (mut names, mut released) = (Pseudonyms::default(), Released::default());
    let mut words = WORDS.iter().cycle();
    best(|| {
        let word = words.next().copied().unwrap_or_default();
        inspector.push_into(black_box(word), &mut names, &mut released);
        released.text.len()
    })
}

fn best(mut call: impl FnMut() -> usize) -> f64 {
    let round = |_| {
        let started = Instant::now();
        for _ in 0..CALLS {
            black_box(call());
        }
        started.elapsed().as_secs_f64() * 1e9 / CALLS as f64
    };
    (0..ROUNDS).map(round).fold(f64::MAX, f64::min)
}
