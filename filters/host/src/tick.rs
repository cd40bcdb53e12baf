//! One tick of a root context for everybody who needs one.
//!
//! Envoy keeps a single period for each root context. Filters that run as one share it, and so do
//! the parts of a filter: whoever stops the tick must not stop it for the others.

use std::cell::RefCell;
use std::rc::Rc;

use crate::Host;

#[derive(Default)]
struct State {
    /// What each part wants, in ms; 0 for none.
    wanted: Vec<u32>,
    /// What the host was told.
    period: u32,
}

/// The tick of one root context. Cheap to clone: a handle.
#[derive(Clone, Default)]
pub struct Ticker(Rc<RefCell<State>>);

impl Ticker {
    /// No tick yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// The share of one more part.
    pub fn part(&self) -> Tick {
        let mut state = self.0.borrow_mut();
        state.wanted.push(0);
        Tick { ticker: self.clone(), part: state.wanted.len() - 1 }
    }
}

/// One part's wish for ticks. Clones are the same part.
#[derive(Clone)]
pub struct Tick {
    ticker: Ticker,
    part: usize,
}

impl Tick {
    /// Wants `on_tick` at least every `ms` milliseconds from now on. Costs a host call only when that
    /// changes the period.
    pub fn every<H: Host>(&self, host: &H, ms: u32) {
        self.want(host, ms);
    }

    /// The share of one more part of the same root context.
    pub fn another(&self) -> Self {
        self.ticker.part()
    }

    /// Needs no more ticks.
    pub fn stop<H: Host>(&self, host: &H) {
        self.want(host, 0);
    }

    /// Whether this part has a tick coming.
    pub fn is_on(&self) -> bool {
        self.ticker.0.borrow().wanted.get(self.part).is_some_and(|ms| *ms > 0)
    }

    fn want<H: Host>(&self, host: &H, ms: u32) {
        let mut state = self.ticker.0.borrow_mut();
        if let Some(own) = state.wanted.get_mut(self.part) {
            *own = ms;
        }
        let period = state.wanted.iter().copied().filter(|ms| *ms > 0).min().unwrap_or(0);
        if period != state.period && host.set_tick_ms(period).is_ok() {
            state.period = period;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::FakeHost;

    #[test]
    fn the_shortest_period_wins_and_nobody_stops_the_tick_of_another() {
        let (host, ticker) = (FakeHost::new(), Ticker::new());
        let (slow, fast) = (ticker.part(), ticker.part());
        slow.every(&host, 200);
        assert_eq!((host.tick_ms(), slow.is_on(), fast.is_on()), (200, true, false));
        fast.every(&host, 10);
        assert_eq!(host.tick_ms(), 10);
        slow.stop(&host);
        assert_eq!((host.tick_ms(), slow.is_on(), fast.is_on()), (10, false, true));
        fast.stop(&host);
        assert_eq!(host.tick_ms(), 0);
    }
}
