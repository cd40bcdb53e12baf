//! The response's way: what it teaches about the replica that sent it.

use weir_host::{Action, Body, Host, LogLevel};
use weir_placement::{CachedTokens, Phase};
use weir_request::{ROUTE_WAS_LEFT, Route};
use weir_wire::response::{Usage, begins_like_an_answer};

use crate::failover;
use crate::judge;
use crate::load_report;
use crate::outstanding::Event;
use crate::placed::{Placed, Response};
use crate::shared::Shared;
use crate::verdict::Verdict;

/// Call when the response headers have come. Notices when a retry went to another replica than
/// planned, and what the status says, if `attempt` has seen it. The headers are not read, because a host call that returns data
/// costs more than everything that it would tell of most responses.
///
/// Answers with whether the response may pass: where Envoy answers because no replica has, it may be replaced.
pub(crate) fn open<H: Host>(
    host: &H,
    shared: &Shared,
    placed: &mut Placed,
    complete: bool,
) -> Action {
    if let Some(dialect) = placed.failover
        && placed.response.is_none()
        && failover::answer_for_envoy(host, dialect)
    {
        placed.answered = true;
        placed.response = Some(Response::new(placed.meter.take()));
        return Action::Pause;
    }
    if placed.response.is_none() {
        let verdict = judge::at_headers(host, shared, placed);
        let response = Response::new(placed.meter.take());
        placed.response = Some(Response { verdict, complete, ..response });
        if let Some(read_by) = placed.report {
            load_report::take(host, shared, placed, read_by);
        }
    }
    Action::Continue
}

/// Notes whether the end of the response has come.
pub(crate) fn note_end(placed: &mut Placed, complete: bool) {
    if let Some(response) = &mut placed.response {
        response.complete |= complete;
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
    let chunk = host.body(Body::Response, 0, size).ok();
    let begins = !std::mem::replace(&mut response.begun, true);
    if let Some(chunk) = &chunk {
        if begins && response.verdict.is_none() && begins_like_an_answer(chunk) {
            response.verdict = Some(Verdict::Served);
        }
        response.reader.feed(chunk);
    }
    if begins {
        first_byte(host, shared, placed);
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

fn first_byte<H: Host>(host: &H, shared: &Shared, placed: &mut Placed) {
    let served = placed.verdict() == Some(Verdict::Served);
    // Only a stream's first byte is its first token; other responses come whole.
    if placed.streamed {
        let now_ns = host.now_ns();
        if served {
            let ttft_ms = now_ns.saturating_sub(placed.at_ns) / 1_000_000;
            shared.metrics.ttft_ms.record(host, ttft_ms);
        }
        let (dispatch, sent_ns) = (placed.dispatch, placed.at_ns);
        let first_token = Event::FirstToken { dispatch, sent_ns, at_ns: now_ns };
        shared.note(host, placed.pool, first_token);
    }
    if served {
        if let Some(expectation) = &placed.expectation {
            shared.pools.borrow_mut().prefixes.confirm(expectation);
        }
        tell_served(host, shared, placed);
        judge::served(host, shared, placed);
    }
}

/// The response has ended, complete or not.
pub(crate) fn close<H: Host>(host: &H, shared: &Shared, placed: &mut Placed) {
    let verdict = judge::at_end(host, shared, placed);
    let response = placed.response.as_ref();
    let decoding = placed.streamed && response.is_some_and(|response| response.begun);
    let phase = if decoding { Phase::Decode } else { Phase::Prefill };
    shared.note(host, placed.pool, Event::Finished(placed.dispatch, phase));
    if verdict == Some(Verdict::Served) {
        learn(host, shared, placed);
    } else if let Some(expectation) = &placed.expectation {
        let request = placed.prompt.request();
        shared.pools.borrow_mut().prefixes.take_back(&request, expectation);
        if placed.told {
            shared.tell(host, placed.pool, |events| events.taken_back(&request, expectation));
        }
    }
}

/// Tells the other workers that the replica has this prompt now, once.
fn tell_served<H: Host>(host: &H, shared: &Shared, placed: &mut Placed) {
    if let Some(expectation) = placed.expectation.as_ref().filter(|_| !placed.told) {
        let request = placed.prompt.request();
        shared.tell(host, placed.pool, |events| events.served(&request, expectation));
        placed.told = true;
    }
}

fn learn<H: Host>(host: &H, shared: &Shared, placed: &mut Placed) {
    tell_served(host, shared, placed);
    let usage = placed.response.as_ref().and_then(|response| response.reader.usage());
    let reported = usage.and_then(|usage| count_usage(host, shared, &usage));
    let Some(expectation) = &placed.expectation else { return };
    let mut pools = shared.pools.borrow_mut();
    let Some(reported) = reported else { return pools.prefixes.confirm(expectation) };
    let evicted = pools.prefixes.correct(expectation, reported);
    drop(pools);
    if let Some(eviction) = evicted {
        shared.tell(host, placed.pool, |events| events.evicted(eviction));
    }
}

/// Counts what the replica reported; answers with what it had cached, if it told.
fn count_usage<H: Host>(host: &H, shared: &Shared, usage: &Usage) -> Option<CachedTokens> {
    let metrics = &shared.metrics;
    shared.count(host, &metrics.prompt_tokens, usage.prompt_tokens);
    let cached = usage.cached_tokens?;
    shared.count(host, &metrics.cached_tokens, cached);
    Some(CachedTokens { cached, prompt: usage.prompt_tokens })
}
