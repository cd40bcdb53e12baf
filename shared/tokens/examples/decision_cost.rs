//! What a limit's decision costs: `cargo run --release -p weir-tokens --example decision_cost`.
//!
//! Shared data is a map in memory here; Envoy's costs a few microseconds per page in addition. For
//! the cost in V8, build it for wasm32-wasip1 and run it with Node's WASI.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::disallowed_methods,
    reason = "a measurement has a clock and may panic"
)]

use std::collections::HashMap;
use std::hint::black_box;
use std::time::Instant;

use weir_tokens::charge::{Demand, Reserve, Share, Used, Weights};
use weir_tokens::limits::{
    Ask, KeyDigester, Ledger, Limit, LimitId, Measure, Outcome, Place, SlotKey, Store, Stored,
};

#[derive(Default)]
struct Memory(HashMap<Place, (Vec<u8>, u32)>);

impl Store for Memory {
    fn load(&mut self, place: Place) -> Option<(Vec<u8>, u32)> {
        self.0.get(&place).cloned()
    }

    fn swap(&mut self, place: Place, bytes: &[u8], version: Option<u32>) -> Stored {
        self.0.insert(place, (bytes.to_vec(), version.unwrap_or(0) + 1));
        Stored::Done
    }
}

const ROUNDS: u32 = 200_000;

fn main() {
    let digester = KeyDigester::new(&[7; 32]);
    let weights = Weights::all(Measure::Tokens.units());
    let reserve = Reserve { share: Share::Learned, guess: Reserve::DEFAULT_GUESS };
    let limits: Vec<Limit> = (0..3)
        .map(|id| Limit::new(LimitId(id), Measure::Tokens, 1 << 40, 60_000, 1 << 40).unwrap())
        .collect();
    time("a slot's key", || {
        black_box(digester.slot_key(LimitId(1), [Some(b"consumer-4711".as_slice())]));
    });
    for many in [1, 3] {
        let mut memory = full_pages(&limits, &weights, &reserve);
        let asks: Vec<Ask<'_>> = limits
            .iter()
            .take(many)
            .map(|limit| Ask {
                limit,
                weights: &weights,
                reserve: &reserve,
                key: key(limit.id().0, 0),
                enforced: true,
            })
            .collect();
        let mut now = 1_780_000_000_000;
        time(&format!("{many} limits reserved and settled, full pages"), || {
            now += 1;
            let mut ledger = Ledger::new(&mut memory, now);
            let demand = Demand { prompt: 1_000, max_tokens: Some(500), choices: 1 };
            let Outcome::Admitted(held) = ledger.reserve(&demand, &asks) else { panic!("refused") };
            let used = Used { prompt: 1_000, completion: 300, complete: true, ..Used::default() };
            black_box(ledger.settle(held.reservation, &used));
        });
    }
}

/// The key of a slot in the page of a limit.
fn key(page: u32, number: u8) -> SlotKey {
    let mut bytes = [number; 16];
    bytes[..4].copy_from_slice(&page.to_le_bytes());
    SlotKey(bytes)
}

/// Pages in which the slot that is measured is the last of 64.
fn full_pages(limits: &[Limit], weights: &Weights, reserve: &Reserve) -> Memory {
    let mut memory = Memory::default();
    for limit in limits {
        for number in (0..64).rev() {
            let key = key(limit.id().0, number);
            let ask = Ask { limit, weights, reserve, key, enforced: true };
            let demand = Demand { prompt: 1, max_tokens: None, choices: 1 };
            let _ = Ledger::new(&mut memory, 1_780_000_000_000).reserve(&demand, &[ask]);
        }
    }
    memory
}

fn time(what: &str, mut step: impl FnMut()) {
    let start = Instant::now();
    (0..ROUNDS).for_each(|_| step());
    println!("{what}: {:.2} µs", start.elapsed().as_secs_f64() * 1e6 / f64::from(ROUNDS));
}
