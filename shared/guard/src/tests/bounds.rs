//! What a stream may bring before it is taken for no answer of a model.

use weir_wire::path::{Dialect, Operation};

use super::all;
use crate::{StreamGuard, Watch};
#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

/// An event with a text for each of these choices.
fn event(choices: std::ops::Range<u32>) -> String {
    let choice = |index| format!(r#"{{"index":{index},"delta":{{"content":"one"}}}}"#);
    let choices: Vec<String> = choices.map(choice).collect();
    format!("data: {{\"choices\":[{}]}}\n\n", choices.join(","))
}

/// Whether a stream of these events is refused.
fn refused(events: impl Iterator<Item = String>) -> bool {
    let watch = Watch::new(all("redact"));
    let mut guard = StreamGuard::new(watch, Dialect::OpenAi, Some(Operation::ChatCompletions));
    let mut out = Vec::new();
    events.for_each(|event| guard.push(event.as_bytes(), &mut out));
    guard.finish(&mut out);
    let errors = String::from_utf8(out).unwrap().matches(r#""error""#).count();
    assert!(errors <= 1, "one error ends a stream");
    errors == 1
}

#[test]
fn an_event_may_bring_256_texts() {
    assert!(!refused([event(0..256)].into_iter()));
    assert!(refused([event(0..257)].into_iter()));
}

#[test]
fn events_that_wait_may_have_16_mb_in_all() {
    // Each brings a letter of a word that does not end, and much that nobody asked for.
    let letter = |bytes: usize| {
        let more = "x".repeat(bytes);
        format!(
            "data: {{\"choices\":[{{\"index\":0,\"delta\":{{\"content\":\"a\"}}}}],\"more\":\"{more}\"}}\n\n"
        )
    };
    let mb = 1 << 20;
    assert!(!refused((0..14).map(|_| letter(mb))));
    assert!(refused((0..18).map(|_| letter(mb))));
}

#[test]
fn an_event_with_many_texts_is_kept_once() {
    let many = |more: usize| {
        let choice = |index| format!(r#"{{"index":{index},"delta":{{"content":"word"}}}}"#);
        let choices: Vec<String> = (0..256).map(choice).collect();
        let more = "x".repeat(more);
        format!("data: {{\"choices\":[{}],\"more\":\"{more}\"}}\n\n", choices.join(","))
    };
    let done = || "data: [DONE]\n\n".to_owned();
    assert!(!refused([many(1 << 20), done()].into_iter()));
}

#[test]
fn a_stream_may_have_1024_texts_at_a_time() {
    let alone = |choices: u32| (0..choices).map(|index| event(index..index + 1));
    assert!(!refused(alone(1024)));
    assert!(refused(alone(1025)));
    let together = |events: u32| (0..events).map(|index| event(index * 200..index * 200 + 200));
    assert!(!refused(together(5)));
    assert!(refused(together(6)));
}
