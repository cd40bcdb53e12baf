//! What becomes of a reservation when a replica fails.

use crate::stack::Stack;
use crate::token_limits::{chat_of, day_of_tokens, limited};

async fn started() -> Stack {
    limited(&day_of_tokens(100_000, "full")).start().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_that_a_replica_breaks_off_is_charged_for_what_came() {
    let stack = started().await;
    let request = chat_of("key-of-ann", 500, 500, true).header("x-weir-fail", "cut_midstream");
    let reply = stack.send(request).await;
    assert!(reply.status == 200 && !reply.complete, "{}", reply.text());
    let events = reply.text().matches("data: ").count() as f64;
    let spent = stack.settled("day").await;
    // The prompt, and an event as a token; all of it would be more than 500.
    assert!(spent >= events && spent < events + 60.0, "{spent} for {events} events");
    stack.assert_no_trap().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_that_is_reset_before_an_answer_is_charged_nothing() {
    let stack = started().await;
    let reply =
        stack.send(chat_of("key-of-ann", 40, 40, false).header("x-weir-fail", "reset")).await;
    assert!(reply.status >= 500, "{}", reply.status);
    assert_eq!(stack.settled("day").await, 0.0);
    stack.assert_no_trap().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_without_its_last_event_is_charged_by_the_usage_that_came() {
    let stack = started().await;
    let whole = stack.send(chat_of("key-of-ann", 30, 30, false)).await;
    let once = crate::token_limits::usage(&whole);
    let request = chat_of("key-of-ann", 30, 30, true).header("x-weir-fail", "no_done");
    let reply = stack.send(request).await;
    assert!(!reply.text().contains("[DONE]"), "{}", reply.text());
    let spent = stack.settled("day").await;
    assert!((spent - 2.0 * once).abs() < 1.0, "{spent} of {once} and as much");
    stack.assert_no_trap().await;
}
