//! What an event of a benign stream may allocate: budgets that a change has to keep or to raise on purpose.
#![cfg(not(target_arch = "wasm32"))]
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a failing test may panic")]

use std::sync::Arc;

use allocation_counter::measure;
use weir_detect::Policy;
use weir_guard::{StreamGuard, Watch};
use weir_wire::path::{Dialect, Operation};

const WORDS: [&str; 8] =
    ["The ", "weather", " in", " Paris", " is", " mild,", " mostly.", " Take a coat."];

fn event(number: usize) -> Vec<u8> {
    let word = WORDS[number % WORDS.len()];
    format!(
        "data: {{\"id\":\"chatcmpl-1\",\"object\":\"chat.completion.chunk\",\"created\":1732190400,\"model\":\"m\",\
         \"choices\":[{{\"index\":0,\"delta\":{{\"content\":\"{word}\"}},\"finish_reason\":null}}]}}\n\n"
    )
    .into_bytes()
}

/// Allocations of each of so many events of a stream, in order.
fn events(count: usize) -> Vec<u64> {
    let watch = Watch::new(Arc::new(Policy::default()));
    let mut guard = StreamGuard::new(watch, Dialect::OpenAi, Some(Operation::ChatCompletions));
    let mut out = Vec::with_capacity(1 << 16);
    let counted = |number: usize| {
        let event = event(number);
        out.clear();
        measure(|| guard.push(&event, &mut out)).count_total
    };
    (0..count).map(counted).collect()
}

/// The one is the text of an event whose last word waits for the next: a part of it passes, and is kept apart.
#[test]
fn an_event_of_a_benign_stream_allocates_once_at_most_once_some_were_like_it() {
    let counts = events(200);
    let (first, rest) = counts.split_at(20);
    assert!(first.iter().sum::<u64>() <= 60, "{counts:?}");
    assert!(rest.iter().sum::<u64>() <= rest.len() as u64, "{counts:?}");
    // Now and then a list that is kept grows.
    assert!(rest.iter().all(|count| *count <= 2), "{counts:?}");
}
