//! Finds out that `allow_on_headers_stop_iteration` is missing.
//!
//! Without that option of the Envoy plugin, `Pause` from request headers stops *everything*: the
//! body callback never comes and the request hangs for ever. Envoy tells a filter nothing about
//! it, but it counts the bytes of the body as they arrive (`request.total_size` grows beyond the
//! headers' size). So: a stream that was paused, got no body callback, and whose body has begun
//! to arrive proves that the option is missing; a body callback after a pause proves that it is
//! there, and from then on this costs nothing.
//!
//! That proof can be wrong: a filter in between may let the headers go and hold the body for longer than
//! [`PROOF_TICKS`]. So requests are not refused for good: one in [`TRY_AGAIN_NS`] is held after all, and the
//! first body callback takes the proof back.
//!
//! Behind a filter that has held the request itself, the whole body is there with the headers, and would be
//! shown at once: where it is not shown for [`PATIENCE`] ticks, that stream is given up. It says nothing of
//! others, because some filter in between may hold the body alone.
//!
//! The same goes for the headers of a response that are held, of which a request without a body may be the
//! first. Of responses Envoy counts what it has sent, which is nothing while they are held; but it
//! knows how long the replica took (`response.backend_latency`) once the last byte is there. A response
//! that is complete without a body callback is given up; that says nothing of other streams, because a
//! filter between replica and this one may hold the body.

use std::cell::RefCell;
use std::rc::Rc;

use crate::notice::Notice;
use crate::pending::Pending;
use crate::tick::{Tick, Ticker};
use crate::{HeaderMap, Host, LogLevel, Streams};

/// How often paused streams are looked at while the option is unproven, in ms.
///
/// Long enough that the first body callback nearly always comes first, short enough that the
/// first user of a wrong configuration sees an error and not a hang.
const TICK_MS: u32 = 200;

/// Ticks for which bytes of a body must have been there without a callback to prove the option missing: 1 s.
const PROOF_TICKS: u32 = 5;

/// How often a request is held although the option seems to be missing, in ns: 10 s.
const TRY_AGAIN_NS: u64 = 10_000_000_000;

/// Ticks for which a body that was there with the headers is waited for: 5 s, more than any filter should
/// take to look at a body that it holds while it lets the headers go.
const PATIENCE: u32 = 25;

/// More streams than this are not watched; the first one is enough to tell.
const MAX_WATCHED: usize = 64;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum StopIteration {
    Unproven,
    Present,
    Missing,
}

struct Watched {
    context_id: u32,
    held: Held,
    /// For how many ticks it was watched.
    ticks: u32,
    /// For how many of them more of the body was there than is shown.
    unshown: u32,
}

/// Which headers are held.
#[derive(Clone, Copy)]
enum Held {
    /// The request's, of which Envoy had received so many bytes; perhaps some of the body, too.
    Request { size_at_headers: u64, body_there: bool },
    /// The response's.
    Response,
}

struct State {
    option: StopIteration,
    /// When the option was last taken to be missing, or that was last tried.
    missing_ns: u64,
    /// When streams were last looked at: filters that run as one share a probe and a tick, and each calls.
    looked_ns: Option<u64>,
    watched: Vec<Watched>,
    /// Streams that are to be answered.
    stuck: Pending<()>,
    tick: Tick,
    /// That the option is missing.
    told: Notice,
}

/// Shared by a root context and its streams.
#[derive(Clone)]
pub struct HoldProbe(Rc<RefCell<State>>);

impl Default for HoldProbe {
    /// With a tick of its own.
    fn default() -> Self {
        Self::new(&Ticker::new())
    }
}

impl HoldProbe {
    /// Nothing is known yet. `ticker` is that of the root context.
    pub fn new(ticker: &Ticker) -> Self {
        let (option, watched) = (StopIteration::Unproven, Vec::new());
        let (stuck, tick) = (Pending::new(ticker.part()), ticker.part());
        Self(Rc::new(RefCell::new(State {
            option,
            missing_ns: 0,
            looked_ns: None,
            watched,
            stuck,
            tick,
            told: Notice::default(),
        })))
    }

    /// True while the option is taken to be missing: fail at once instead of pausing. False now and then, so
    /// that a request is held and a wrong proof is found out.
    pub fn is_missing<H: Host>(&self, host: &H) -> bool {
        let mut state = self.0.borrow_mut();
        state.option == StopIteration::Missing && !state.tries_again(host)
    }

    /// Whether the option is taken to be missing.
    pub fn seems_missing(&self) -> bool {
        self.0.borrow().option == StopIteration::Missing
    }

    /// Call before returning `Pause` from request headers.
    pub fn paused<H: Host>(&self, host: &H, context_id: u32) {
        self.watch(host, context_id, || {
            let size_at_headers = received(host);
            let body_there = size_at_headers > headers_size(host);
            Held::Request { size_at_headers, body_there }
        });
    }

    /// Call before returning `Pause` from response headers.
    pub fn response_paused<H: Host>(&self, host: &H, context_id: u32) {
        self.watch(host, context_id, || Held::Response);
    }

    fn watch<H: Host>(&self, host: &H, context_id: u32, held: impl FnOnce() -> Held) {
        let mut state = self.0.borrow_mut();
        if state.option == StopIteration::Present || state.watched.len() >= MAX_WATCHED {
            return;
        }
        // Not again for each: Envoy would start to wait anew, and under load no tick would ever come.
        if state.watched.is_empty() {
            // If the tick cannot be set, the worst is the hang that Envoy would give anyway.
            state.tick.every(host, TICK_MS);
        }
        state.watched.push(Watched { context_id, held: held(), ticks: 0, unshown: 0 });
    }

    /// Call from every body callback of a stream that was paused.
    pub fn body_arrived<H: Host>(&self, host: &H) {
        let mut state = self.0.borrow_mut();
        if state.option != StopIteration::Present {
            state.option = StopIteration::Present;
            state.watched = Vec::new();
            state.tick.stop(host);
        }
    }

    /// Call when a stream ends.
    pub fn ended(&self, context_id: u32) {
        let mut state = self.0.borrow_mut();
        if !state.watched.is_empty() {
            state.watched.retain(|watched| watched.context_id != context_id);
        }
        state.stuck.ended(context_id);
    }

    /// Says in the log, at most once a minute, that the option is missing.
    pub fn tell<H: Host>(&self, host: &H, line: &str) {
        self.0.borrow().told.say(host, LogLevel::Error, || line.to_owned());
    }

    /// Call from `on_tick`: answers the paused streams that will never get a body callback, each by `reply` with
    /// calls acting on it; returns how many.
    pub fn answer_stuck<H: Host>(&self, host: &H, reply: impl Fn(&H)) -> usize {
        let mut state = self.0.borrow_mut();
        if state.option != StopIteration::Present && state.is_next_tick(host) {
            state.look_at_watched(host);
        }
        if state.stuck.is_empty() {
            return 0;
        }
        state.stuck.run(host, |host, ()| reply(host))
    }
}

impl State {
    /// Whether a request is to be held although the option seems to be missing.
    #[cold]
    fn tries_again<H: Host>(&mut self, host: &H) -> bool {
        let now_ns = host.now_ns();
        // A clock that was set back tries once more.
        let waited = now_ns.checked_sub(self.missing_ns);
        let tries = waited.is_none_or(|waited| waited >= TRY_AGAIN_NS);
        if tries {
            self.missing_ns = now_ns;
        }
        tries
    }

    /// Whether this is another tick than the one in which streams were last looked at.
    fn is_next_tick<H: Host>(&mut self, host: &H) -> bool {
        let now_ns = host.now_ns();
        let half_ns = u64::from(TICK_MS) * 1_000_000 / 2;
        let next = self.looked_ns.is_none_or(|last| now_ns.abs_diff(last) >= half_ns);
        if next {
            self.looked_ns = Some(now_ns);
        }
        next
    }

    /// Moves the streams that are stuck to those to be answered.
    fn look_at_watched<H: Host>(&mut self, host: &H) {
        let mut proven = false;
        for mut watched in std::mem::take(&mut self.watched) {
            let sign = look(host, &watched);
            watched.ticks += 1;
            match sign {
                Sign::Unshown if watched.unshown >= PROOF_TICKS => {
                    self.option = StopIteration::Missing;
                    self.missing_ns = host.now_ns();
                    self.stuck.push(watched.context_id, ());
                    proven = true;
                }
                Sign::Unshown => {
                    watched.unshown += 1;
                    self.watched.push(watched);
                }
                Sign::None => self.watched.push(watched),
                Sign::Stuck => self.stuck.push(watched.context_id, ()),
            }
        }
        if proven {
            self.tick.stop(host);
            for watched in std::mem::take(&mut self.watched) {
                self.stuck.push(watched.context_id, ());
            }
        }
    }
}

/// What a held stream tells.
enum Sign {
    /// Nothing yet.
    None,
    /// That it will not get a body callback.
    Stuck,
    /// That there is more of the body than is shown. If that lasts, no stream will be shown its body.
    Unshown,
}

/// Looks whether Envoy has a body, or the beginning of one, behind headers that are held.
fn look<H: Host>(host: &H, watched: &Watched) -> Sign {
    let sign = host.on_stream(watched.context_id, |host| match watched.held {
        Held::Request { size_at_headers, .. } if received(host) > size_at_headers => Sign::Unshown,
        Held::Request { body_there: true, .. } if watched.ticks >= PATIENCE => Sign::Stuck,
        Held::Request { .. } => Sign::None,
        Held::Response => {
            let latency = host.property(&["response", "backend_latency"]).ok().flatten();
            let complete = latency.is_some_and(|latency| !latency.is_empty());
            if complete { Sign::Stuck } else { Sign::None }
        }
    });
    // A stream that has ended is taken off the list by its end.
    sign.unwrap_or(Sign::None)
}

/// Bytes of the request's headers, as Envoy counts them.
fn headers_size<H: Host>(host: &H) -> u64 {
    let headers = host.headers(HeaderMap::Request).unwrap_or_default();
    headers.iter().map(|(name, value)| (name.len() + value.len()) as u64).sum()
}

/// Bytes of the request that Envoy has received so far.
fn received<H: Host>(host: &H) -> u64 {
    let value = host.property(&["request", "total_size"]).ok().flatten();
    value.and_then(|bytes| bytes.try_into().ok()).map_or(0, u64::from_le_bytes)
}

#[cfg(test)]
mod tests;
