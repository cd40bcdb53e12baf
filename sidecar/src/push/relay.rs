//! What one gateway is told of others' prefix caches, and what it tells.

use std::sync::Arc;

use tokio::time::Instant;
use weir_snapshot::{Accepted, LearnedPrefixes};

use crate::prefix_log::PrefixLog;

/// What a sidecar says that has been told nothing.
const NOTHING: &str = "0-0";

/// The way between a pool's log and one gateway.
#[derive(Debug)]
pub(super) struct Relay {
    log: Arc<PrefixLog>,
    /// Up to which piece of the log the gateway was told.
    taken: u64,
    /// Up to where the gateway has told, in its own words.
    cursor: String,
}

impl Relay {
    /// The relay of a gateway that comes now.
    pub(super) fn new(log: &Arc<PrefixLog>) -> Self {
        Self { log: Arc::clone(log), taken: log.last(), cursor: NOTHING.to_owned() }
    }

    /// What the next push of `gateway` brings, and up to which piece that goes.
    pub(super) fn next(&self, gateway: &str) -> (LearnedPrefixes, u64) {
        let (events, up_to) = self.log.for_gateway(gateway, self.taken);
        (LearnedPrefixes { cursor: self.cursor.clone(), events }, up_to)
    }

    /// Takes the reply of `gateway` to a push that brought everything up to the piece `taken`.
    pub(super) fn took(&mut self, gateway: &str, taken: u64, reply: &mut Accepted, now: Instant) {
        self.taken = taken;
        let Some(told) = reply.prefixes.take() else { return };
        self.log.add(Some(gateway), told.events, now);
        self.cursor = told.cursor;
    }
}
