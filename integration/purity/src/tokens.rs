//! A token estimate, and a limit that reserves and settles it.

use weir_tokens::charge::{Demand, Reserve, Share, Used, Weights};
use weir_tokens::limits::{
    Ask, KeyDigester, Ledger, Limit, LimitId, Measure, Outcome, Place, Store, Stored,
};
use weir_tokens::{TextCounter, estimate};

/// One value of shared data.
#[derive(Default)]
struct One(Option<Vec<u8>>);

impl Store for One {
    fn load(&mut self, _: Place) -> Option<(Vec<u8>, u32)> {
        self.0.clone().map(|bytes| (bytes, 1))
    }

    fn swap(&mut self, _: Place, bytes: &[u8], _: Option<u32>) -> Stored {
        self.0 = Some(bytes.to_vec());
        Stored::Done
    }
}

pub(crate) fn probe(input: &[u8]) -> Option<u64> {
    let mut counter = TextCounter::default();
    counter.push(input);
    let prompt = u64::from(estimate(&counter.counts()));
    let limit = Limit::new(LimitId(1), Measure::Tokens, 1_000_000, 60_000, 1_000_000).ok()?;
    let weights = Weights::all(Measure::Tokens.units());
    let reserve = Reserve { share: Share::Learned, guess: Reserve::DEFAULT_GUESS };
    let key = KeyDigester::new(b"key of the probe").slot_key(limit.id(), [Some(input)]);
    let ask = Ask { limit: &limit, weights: &weights, reserve: &reserve, key, enforced: true };
    let mut store = One::default();
    let mut ledger = Ledger::new(&mut store, prompt);
    let demand = Demand { prompt, max_tokens: None, choices: 1 };
    if let Outcome::Admitted(admission) = ledger.reserve(&demand, &[ask]) {
        ledger.settle(admission.reservation, &Used { prompt, ..Used::default() });
    }
    Some(prompt)
}
