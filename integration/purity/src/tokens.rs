//! A token estimate.

use weir_tokens::{TextCounter, estimate};

pub(crate) fn probe(input: &[u8]) -> Option<u64> {
    let mut counter = TextCounter::default();
    counter.push(input);
    Some(u64::from(estimate(&counter.counts())))
}
