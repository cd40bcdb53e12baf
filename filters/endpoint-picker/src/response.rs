//! The response's way: what it teaches about the replica that sent it.

use weir_host::{Body, Host, LogLevel};
use weir_placement::{CachedTokens, Phase, replica_key};
use weir_request::{ROUTE_WAS_LEFT, Route};
use weir_wire::response::Usage;

use crate::outstanding::Event;
use crate::placed::{Placed, Response};
use crate::shared::Shared;

/// Call when the response headers have come. Notices when a retry went to another replica than
/// planned. The headers are not read, because a host call that returns data costs more than
/// everything it could tell.
pub(crate) fn open<H: Host>(host: &H, shared: &Shared, placed: &mut Placed) {
    if placed.response.is_none() {
        follow_retry(host, shared, placed);
        placed.response = Some(Response::new(placed.meter.take()));
    }
}

/// Takes a chunk of the body, of which `size` bytes are there, and leaves it to the filter that
/// sees the response next.
pub(crate) fn chunk<H: Host>(
    host: &H,
    shared: &Shared,
    placed: &mut Placed,
    (context_id, size): (u32, usize),
) {
    let Some(response) = placed.response.as_mut().filter(|_| size > 0) else { return };
    if !std::mem::replace(&mut response.begun, true) {
        first_byte(host, shared, placed);
    }
    let chunk = host.body(Body::Response, 0, size).ok();
    if let (Some(chunk), Some(response)) = (&chunk, &mut placed.response) {
        response.reader.feed(chunk);
    }
    if let Some(next) = &shared.before {
        next.leave_body(context_id, chunk);
    }
}

/// Notices a policy that was chosen by a route that the request has not gone by. Call it when the response
/// headers have come.
pub(crate) fn check_route<H: Host>(host: &H, shared: &Shared, route: &Route) {
    if shared.route_check.is_due() && route.was_left(host) {
        shared.metrics.left_route.increment(host);
        let line = || format!("weir.endpoint-picker: {ROUTE_WAS_LEFT}");
        shared.left_routes.say(host, LogLevel::Error, line);
    }
}

fn first_byte<H: Host>(host: &H, shared: &Shared, placed: &Placed) {
    // Only a stream's first byte is its first token; other responses come whole.
    if placed.streamed {
        let ttft_ms = host.now_ns().saturating_sub(placed.at_ns) / 1_000_000;
        shared.metrics.ttft_ms.record(host, ttft_ms);
        note(host, shared, placed, Event::FirstToken(placed.dispatch));
    }
    if let Some(expectation) = &placed.expectation {
        shared.pools.borrow_mut().prefixes.confirm(expectation);
    }
}

/// The request may have ended at another endpoint than the first of its list: count and learn there.
fn follow_retry<H: Host>(host: &H, shared: &Shared, placed: &mut Placed) {
    if !shared.pools.borrow_mut().asks(placed.pool, placed.at_ns) {
        return;
    }
    let Ok(Some(address)) = host.property(&["upstream", "address"]) else { return };
    let replica = replica_key(&address);
    if replica == placed.dispatch.replica {
        return;
    }
    let before = placed.dispatch;
    placed.dispatch = before.moved_to(replica);
    let (to, at_ns) = (placed.dispatch, placed.at_ns);
    note(host, shared, placed, Event::Moved { from: before, to, at_ns });
    let position = placed.view.position(&address);
    let mut pools = shared.pools.borrow_mut();
    pools.moved(placed.pool, placed.at_ns);
    placed.expectation = position
        .and_then(|index| placed.view.id(index))
        .map(|id| pools.prefixes.learn(&placed.prompt.request(), id));
}

/// The response has ended, complete or not.
pub(crate) fn close<H: Host>(host: &H, shared: &Shared, placed: &Placed) {
    let response = placed.response.as_ref();
    let decoding = placed.streamed && response.is_some_and(|response| response.begun);
    let phase = if decoding { Phase::Decode } else { Phase::Prefill };
    note(host, shared, placed, Event::Finished(placed.dispatch, phase));
    if let Some(usage) = response.and_then(|response| response.reader.usage()) {
        learn(host, shared, placed, &usage);
    }
}

/// Leaves an event to the next request of the pool, or to the next tick.
fn note<H: Host>(host: &H, shared: &Shared, placed: &Placed, event: Event) {
    if shared.pools.borrow_mut().note(host, placed.pool, event) {
        shared.tick(host);
    }
}

fn learn<H: Host>(host: &H, shared: &Shared, placed: &Placed, usage: &Usage) {
    let metrics = &shared.metrics;
    shared.count(host, &metrics.prompt_tokens, usage.prompt_tokens);
    let Some(cached) = usage.cached_tokens else { return };
    shared.count(host, &metrics.cached_tokens, cached);
    if let Some(expectation) = &placed.expectation {
        let reported = CachedTokens { cached, prompt: usage.prompt_tokens };
        shared.pools.borrow_mut().prefixes.correct(expectation, reported);
    }
}
