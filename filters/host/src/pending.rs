//! What is to be done to other streams, when it may be more than one callback can do.

use std::collections::VecDeque;

use crate::tick::Tick;
use crate::{Host, NotActed, Streams};

/// How soon what is left goes on, in ms. Envoy makes about 4 of it.
const NEXT_MS: u32 = 1;

/// Streams that wait to be resumed or answered, each with what for. First come, first served.
///
/// As many as the turn allows are done at once, the rest with the ticks that follow. A stream that has ended is
/// passed over.
pub struct Pending<T> {
    waiting: VecDeque<(u32, T)>,
    tick: Tick,
}

impl<T> Pending<T> {
    /// Nothing waits. `tick` must be this queue's own part of the root context's tick.
    pub fn new(tick: Tick) -> Self {
        Self { waiting: VecDeque::new(), tick }
    }

    /// Adds a stream; nothing happens before [`Pending::run`].
    pub fn push(&mut self, context_id: u32, what: T) {
        self.waiting.push_back((context_id, what));
    }

    /// How many wait.
    pub fn len(&self) -> usize {
        self.waiting.len()
    }

    /// Whether none waits.
    pub fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// Call when a stream ends.
    pub fn ended(&mut self, context_id: u32) {
        if !self.waiting.is_empty() {
            self.waiting.retain(|(waiting, _)| *waiting != context_id);
        }
    }

    /// Acts on those that wait, each with calls acting on its stream; returns on how many. Call it when some were
    /// added and from `on_tick`, which comes for as long as some are left.
    pub fn run<H: Host>(&mut self, host: &H, mut act: impl FnMut(&H, &T)) -> usize {
        let mut acted = 0;
        while let Some((context_id, what)) = self.waiting.front() {
            match host.act_on_stream(*context_id, |host| act(host, what)) {
                Ok(()) => acted += 1,
                Err(NotActed::StreamEnded) => {}
                Err(NotActed::TurnSpent) => break,
            }
            self.waiting.pop_front();
        }
        if !self.waiting.is_empty() {
            self.tick.every(host, NEXT_MS);
        } else if self.tick.is_on() {
            self.tick.stop(host);
        }
        acted
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tick::Ticker;
    use crate::{Direction, FakeHost, MOST_ACTIONS};

    fn resume(host: &FakeHost, _: &()) {
        host.resume(Direction::Request).unwrap();
    }

    #[test]
    fn no_more_than_a_turn_allows_and_the_rest_with_the_next_ticks() {
        let host = FakeHost::new();
        let mut pending = Pending::new(Ticker::new().part());
        (1..=150).for_each(|id| pending.push(id, ()));
        let most = MOST_ACTIONS as usize;
        assert_eq!(pending.run(&host, resume), most);
        host.begin_callback(9);
        assert_eq!(pending.run(&host, resume), 0, "another callback may be inside of the first");
        assert_ne!(host.tick_ms(), 0);
        host.begin_tick(2);
        assert_eq!(pending.run(&host, resume), most);
        host.begin_tick(2);
        assert_eq!(pending.run(&host, resume), 150 - 2 * most);
        assert_eq!(host.tick_ms(), 0);
        let expected: Vec<_> = (1..=150).map(|id| (id, Direction::Request)).collect();
        assert_eq!(host.resumed(), expected);
    }

    #[test]
    fn streams_that_have_ended_cost_nothing_and_stop_nobody() {
        let host = FakeHost::new();
        let mut pending = Pending::new(Ticker::new().part());
        (1..=100).for_each(|id| pending.push(id, ()));
        pending.ended(1);
        (2..=90).for_each(|id| host.end_stream(id));
        assert_eq!(pending.run(&host, resume), 10);
        assert_eq!(host.resumed().first(), Some(&(91, Direction::Request)));
        assert!(pending.is_empty());
    }
}
