//! Finds out that `allow_on_headers_stop_iteration` is missing.
//!
//! Without that option of the Envoy plugin, `Pause` from request headers stops *everything*: the
//! body callback never comes and the request hangs for ever. Envoy tells a filter nothing about
//! it, but it counts the bytes of the body as they arrive (`request.total_size` grows beyond the
//! headers' size). So: a stream that was paused, got no body callback, and whose body has begun
//! to arrive proves that the option is missing; a body callback after a pause proves that it is
//! there, and from then on this costs nothing.

use std::cell::RefCell;
use std::rc::Rc;

use crate::Host;
use crate::tick::{Tick, Ticker};

/// How often paused streams are looked at while the option is unproven, in ms.
///
/// Long enough that the first body callback nearly always comes first, short enough that the
/// first user of a wrong configuration sees an error and not a hang.
const TICK_MS: u32 = 200;

/// More streams than this are not watched; the first one is enough to tell.
const MAX_WATCHED: usize = 64;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Known {
    Unproven,
    Present,
    Missing,
}

struct Watched {
    context_id: u32,
    size_at_headers: u64,
}

struct State {
    option: Known,
    watched: Vec<Watched>,
    tick: Tick,
}

/// Shared by a root context and its streams.
#[derive(Clone)]
pub struct HoldProbe(Rc<RefCell<State>>);

impl HoldProbe {
    /// Nothing is known yet. `ticker` is that of the root context.
    pub fn new(ticker: &Ticker) -> Self {
        let (option, watched, tick) = (Known::Unproven, Vec::new(), ticker.part());
        Self(Rc::new(RefCell::new(State { option, watched, tick })))
    }

    /// True once the option is known to be missing: fail at once instead of pausing.
    pub fn is_missing(&self) -> bool {
        self.0.borrow().option == Known::Missing
    }

    /// Call before returning `Pause` from request headers.
    pub fn paused<H: Host>(&self, host: &H, context_id: u32) {
        let mut state = self.0.borrow_mut();
        if state.option != Known::Unproven || state.watched.len() >= MAX_WATCHED {
            return;
        }
        if state.watched.is_empty() {
            // If the tick cannot be set, the worst is the hang that Envoy would give anyway.
            state.tick.every(host, TICK_MS);
        }
        let size_at_headers = received(host);
        state.watched.push(Watched { context_id, size_at_headers });
    }

    /// Call from every body callback of a stream that was paused.
    pub fn body_arrived<H: Host>(&self, host: &H) {
        let mut state = self.0.borrow_mut();
        if state.option != Known::Present {
            state.option = Known::Present;
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
    }

    /// Call from `on_tick`: the paused streams that will never get a body callback.
    ///
    /// Non-empty at most once; the caller answers those streams with an error.
    pub fn stuck<H: Host>(&self, host: &H) -> Vec<u32> {
        let mut state = self.0.borrow_mut();
        let grown = state.watched.iter().any(|watched| {
            host.act_on_stream(watched.context_id).is_ok()
                && received(host) > watched.size_at_headers
        });
        if !grown || state.option == Known::Present {
            return Vec::new();
        }
        state.option = Known::Missing;
        state.tick.stop(host);
        state.watched.drain(..).map(|watched| watched.context_id).collect()
    }
}

/// Bytes of the request that Envoy has received so far.
fn received<H: Host>(host: &H) -> u64 {
    let value = host.property(&["request", "total_size"]).ok().flatten();
    value.and_then(|bytes| bytes.try_into().ok()).map_or(0, u64::from_le_bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::FakeHost;

    fn host_with_size(size: u64) -> FakeHost {
        let host = FakeHost::new();
        grow_to(&host, size);
        host
    }

    fn grow_to(host: &FakeHost, size: u64) {
        host.set_property(&["request", "total_size"], &size.to_le_bytes());
    }

    #[test]
    fn a_body_that_arrives_without_a_callback_proves_the_option_missing() {
        let (host, probe) = (host_with_size(100), HoldProbe::new(&Ticker::new()));
        probe.paused(&host, 7);
        assert!(probe.stuck(&host).is_empty(), "a slow client is not a wrong configuration");
        grow_to(&host, 101);
        assert_eq!(probe.stuck(&host), vec![7]);
        assert!(probe.is_missing());
        assert_eq!(host.tick_ms(), 0);
    }

    #[test]
    fn a_body_callback_proves_the_option_present() {
        let (host, probe) = (host_with_size(100), HoldProbe::new(&Ticker::new()));
        probe.paused(&host, 7);
        assert_ne!(host.tick_ms(), 0);
        probe.body_arrived(&host);
        grow_to(&host, 5000);
        assert!(probe.stuck(&host).is_empty());
        assert!(!probe.is_missing());
        assert_eq!(host.tick_ms(), 0);
    }

    #[test]
    fn a_stream_that_ended_is_not_answered() {
        let (host, probe) = (host_with_size(100), HoldProbe::new(&Ticker::new()));
        probe.paused(&host, 7);
        probe.ended(7);
        grow_to(&host, 5000);
        assert!(probe.stuck(&host).is_empty());
    }
}
