//! The guard around the scanner: a request, a response, an event of a stream.

use std::hash::RandomState;
use std::sync::Arc;
use std::time::Instant;

use serde_json::{Value, json};
use weir_detect::Policy;
use weir_guard::{
    Recall, RequestBody, StreamGuard, Watch, inspect_request, inspect_request_again,
    inspect_response,
};
use weir_wire::path::{Dialect, Operation};

use crate::texts;

/// Calls in one run, of which the best of several is taken.
const CALLS: u32 = 2000;
const RUNS: usize = 9;

/// A request of 1 KB and a response of 500 bytes.
fn exchange() -> (String, String) {
    let sentence = "I would like to take the night train from Vienna to Hamburg, in May. ";
    let request = json!({"model": "llama", "messages": [
        {"role": "system", "content": "You are the assistant of a travel agency."},
        {"role": "user", "content": sentence.repeat(13)}]});
    let response = json!({"id": "chatcmpl-1", "object": "chat.completion", "model": "llama",
        "choices": [{"index": 0, "message": {"role": "assistant", "content": sentence.repeat(2)},
                     "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 300, "completion_tokens": 40}});
    (request.to_string(), response.to_string())
}

/// Mean cost of each, in µs.
pub(crate) fn measure(policy: &Arc<Policy>) -> Value {
    let (request, response) = exchange();
    let watch = Watch::new(policy.clone());
    let mut out = Vec::new();
    let conversation = conversation(256 * 1024);
    let prompt = json!({"messages": [{"role": "system", "content": texts::chat(16 * 1024)}]});
    let prompt = prompt.to_string();
    let mut recall = Recall::new(RandomState::new());
    let mut again = |body: &str| {
        let body = RequestBody { bytes: body.as_bytes(), known: true, read: None };
        drop(inspect_request_again(policy, body, false, Some(&mut recall)));
    };
    let prompt_again = best_of(20, || again(&prompt));
    json!({
        "system_prompt_of_16_kb_again_us": prompt_again,
        "conversation_of_256_kb_us": best_of(20, || {
            drop(inspect_request(policy, conversation.as_bytes(), true, false));
        }),
        "conversation_of_256_kb_again_us": best_of(20, || again(&conversation)),
        "system_prompt_of_16_kb_us": best_of(20, || {
            drop(inspect_request(policy, prompt.as_bytes(), true, false));
        }),
        "request_of_1_kb_us": best(|| drop(inspect_request(policy, request.as_bytes(), true, false))),
        "response_of_500_bytes_us": best(|| drop(inspect_response(&watch, response.as_bytes(), true))),
        "events_alike_us": stream(&watch, &mut out, |_| 1),
        "events_with_numbers_us": stream(&watch, &mut out, |index| index),
    })
}

/// An event of a benign stream; `number` says what differs from one to the next besides the text.
fn stream(watch: &Watch, out: &mut Vec<u8>, number: impl Fn(u32) -> u32) -> f64 {
    let words =
        [" the", " river", " holds", " water", ",", " and", " every", " gate", " opens", "."];
    let event = |(index, word): (u32, &&str)| {
        let chunk = json!({"id": "chatcmpl-1", "object": "chat.completion.chunk", "model": "llama",
            "created": number(index),
            "choices": [{"index": 0, "delta": {"content": word}, "finish_reason": null}]});
        format!("data: {chunk}\n\n").into_bytes()
    };
    let events: Vec<Vec<u8>> = (0..CALLS).zip(words.iter().cycle()).map(event).collect();
    let mut guard =
        StreamGuard::new(watch.clone(), Dialect::OpenAi, Some(Operation::ChatCompletions));
    let mut next = events.iter().cycle();
    best(|| {
        out.clear();
        if let Some(event) = next.next() {
            guard.push(event, out);
        }
    })
}

/// A chat in messages of some 1,500 bytes.
fn conversation(bytes: usize) -> String {
    let text = texts::chat(bytes);
    let characters: Vec<char> = text.chars().collect();
    let message = |(turn, words): (usize, &[char])| {
        let role = if turn % 2 == 0 { "user" } else { "assistant" };
        json!({"role": role, "content": words.iter().collect::<String>()})
    };
    let messages: Vec<Value> = characters.chunks(1500).enumerate().map(message).collect();
    json!({"model": "llama", "messages": messages}).to_string()
}

fn best(call: impl FnMut()) -> f64 {
    best_of(CALLS, call)
}

/// The least mean cost of so many calls, in µs.
fn best_of(calls: u32, mut call: impl FnMut()) -> f64 {
    let run = |_| {
        let started = Instant::now();
        (0..calls).for_each(|_| call());
        started.elapsed().as_secs_f64() * 1e6 / f64::from(calls)
    };
    (0..RUNS).map(run).fold(f64::MAX, f64::min)
}
