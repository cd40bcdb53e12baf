//! Load by replica.

use std::collections::{BTreeMap, HashMap};

use weir_snapshot::EndpointFeedback;

/// What gateways have in flight at one replica.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Load {
    pub(crate) in_flight: u32,
    pub(crate) prefill_tokens: u32,
    pub(crate) decode_tokens: u32,
}

/// The same by replica, of one pool.
pub(crate) type PoolShare = HashMap<String, Load>;

/// The same by pool, of each gateway, by what it says to be; the empty name is of all that do not say it.
pub(crate) type Shares = BTreeMap<String, BTreeMap<String, PoolShare>>;

impl Load {
    /// Adds what one gateway has there.
    pub(crate) fn add_feedback(&mut self, one: &EndpointFeedback) {
        let EndpointFeedback { in_flight, prefill_tokens, decode_tokens, .. } = *one;
        self.add(Self { in_flight, prefill_tokens, decode_tokens });
    }

    /// Takes away what was added.
    pub(crate) fn subtract(&mut self, other: Self) {
        self.in_flight = self.in_flight.saturating_sub(other.in_flight);
        self.prefill_tokens = self.prefill_tokens.saturating_sub(other.prefill_tokens);
        self.decode_tokens = self.decode_tokens.saturating_sub(other.decode_tokens);
    }

    /// Adds what others have there.
    pub(crate) fn add(&mut self, other: Self) {
        self.in_flight = self.in_flight.saturating_add(other.in_flight);
        self.prefill_tokens = self.prefill_tokens.saturating_add(other.prefill_tokens);
        self.decode_tokens = self.decode_tokens.saturating_add(other.decode_tokens);
    }
}
