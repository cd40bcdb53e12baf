//! Requests as gateways see them, and what their limits are.

use weir_tokens::charge::{Demand, Reserve, Share, Used, Weights};
use weir_tokens::limits::{Ask, KeyDigester, Ledger, Limit, LimitId, Measure, Outcome, SlotKey};

use crate::memory::Memory;

/// When the benchmark begins, in ms since 1970.
pub(crate) const START_MS: u64 = 1_700_000_000_000;

const RESERVE: Reserve = Reserve { share: Share::Learned, guess: Reserve::DEFAULT_GUESS };

/// Tokens of weight 1, cached ones of a quarter.
const WEIGHTS: Weights =
    Weights { prompt: 1_000, cached: 250, completion: 1_000, reasoning: 1_000 };

/// One policy, and the store that its slots lie in.
pub(crate) struct Case {
    limits: Vec<Limit>,
    digester: KeyDigester,
    memory: Memory,
    /// How many consumers have a slot of each limit.
    consumers: u32,
    next: u32,
}

impl Case {
    /// A policy of so many limits (on tokens and on requests in turn), of which so many `consumers` have
    /// slots already; `full` ones have nothing left.
    pub(crate) fn new(limits: u32, consumers: u32, full: bool) -> Self {
        let of = |id| {
            let (measure, amount) = match id % 2 {
                0 => (Measure::Tokens, if full { 1 } else { 1_000_000_000_000 }),
                _ => (Measure::Requests, 1_000_000_000_000),
            };
            Limit::new(LimitId(id), measure, amount, 60_000, amount)
        };
        let limits = (0..limits).filter_map(|id| of(id).ok()).collect();
        let digester = KeyDigester::new(b"a key of 32 bytes, as workers have");
        let mut case = Self { limits, digester, memory: Memory::default(), consumers, next: 0 };
        for _ in 0..consumers {
            case.request(false);
        }
        case
    }

    /// One request: decided about, and settled if it was let go and that is wanted.
    pub(crate) fn request(&mut self, settle: bool) {
        self.next = (self.next + 1) % self.consumers.max(1);
        let consumer = format!("consumer-{}", self.next);
        let now_ms = START_MS + u64::from(self.next % 1_000);
        let key = |limit: &Limit| self.digester.slot_key(limit.id(), [Some(consumer.as_bytes())]);
        let keys: Vec<SlotKey> = self.limits.iter().map(key).collect();
        let ask =
            |(limit, key)| Ask { limit, weights: &WEIGHTS, reserve: &RESERVE, key, enforced: true };
        let asks: Vec<Ask<'_>> = self.limits.iter().zip(keys).map(ask).collect();
        let demand = Demand { prompt: 300, max_tokens: Some(500), choices: 1 };
        let mut ledger = Ledger::new(&mut self.memory, now_ms);
        let outcome = ledger.reserve(&demand, &asks);
        if let Outcome::Admitted(admission) = std::hint::black_box(outcome)
            && settle
        {
            let used =
                Used { prompt: 310, cached: 256, completion: 120, reasoning: 0, complete: true };
            std::hint::black_box(ledger.settle(admission.reservation, &used));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_limit_refuses_and_another_does_not() {
        for (full, admitted) in [(false, true), (true, false)] {
            let mut case = Case::new(1, 4, full);
            let ask = Ask {
                limit: &case.limits[0],
                weights: &WEIGHTS,
                reserve: &RESERVE,
                key: case.digester.slot_key(LimitId(0), [Some(&b"consumer-1"[..])]),
                enforced: true,
            };
            let demand = Demand { prompt: 300, max_tokens: Some(500), choices: 1 };
            let outcome = Ledger::new(&mut case.memory, START_MS).reserve(&demand, &[ask]);
            assert_eq!(matches!(outcome, Outcome::Admitted(_)), admitted);
        }
    }
}
