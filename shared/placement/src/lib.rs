//! The prefix index, the load view, and picking a replica.
//!
//! # Overview
//! A [`Policy`] turns a [`PickRequest`] and what is known of the pool ([`PoolState`]) into a
//! [`Pick`]: up to three endpoints, best first. What is known comes from three places:
//! - [`LoadView`]: what the sidecar measured, decoded once per snapshot;
//! - [`PrefixIndex`]: which replica served which prefix, learned by this VM, bounded in memory;
//! - [`Outstanding`]: what this Envoy has sent and not yet got back, shared by its workers.
//!
//! [`ExpectedTtft`] is the policy that Weir ships; [`RoundRobin`] and [`LeastLoad`] are there to
//! compare with.
//!
//! # The way of a request
//! 1. `policy.pick(&request, &state)` gives the order for the header.
//! 2. `prefixes.learn(&request, replica)` and `outstanding.dispatch(&dispatch, now)` note that it
//!    goes there.
//! 3. At the first byte of a successful response: `outstanding.first_token(&dispatch, sent, now)` and
//!    `prefixes.confirm(&expectation)`; where the request failed, or went elsewhere,
//!    `prefixes.take_back(&request, &expectation)`.
//! 4. At the end: `outstanding.finish(&dispatch, phase)`, and where the replica reports how many
//!    prompt tokens it had cached, `prefixes.correct(&expectation, reported)`.
//! 5. For each attempt: `outstanding.served(replica)` or `outstanding.failed(replica, now)`.
//! 6. What was learned goes to the other workers through the pool's [`PrefixRing`], and what they have learned
//!    is taken over by `prefixes.merge(&event)`.
//!
//! Nothing here reads a clock, allocates without bound, or panics.

mod canaries;
mod hash;
mod load_view;
mod matches;
mod outstanding;
mod pick;
mod policy;
mod prefix_event;
mod prefix_events;
mod prefix_index;
mod prefix_relay;
mod prefix_ring;
mod request;

pub use canaries::{Canaries, CanaryRule, Failed, MAX_CANARIES, Standing};
pub use hash::replica_key;
pub use load_view::{Freshness, FreshnessLimits, LoadView, Replica};
pub use matches::Matches;
pub use outstanding::{Dispatch, Health, Outstanding, OwnLoad, Pace, Phase};
pub use pick::{Basis, MAX_ORDER, NoPick, Order, Pick};
pub use policy::{ExpectedTtft, LeastLoad, Policy, PoolState, RoundRobin, TtftModel};
pub use prefix_event::PrefixEvent;
pub use prefix_events::PrefixEvents;
pub use prefix_index::{CachedTokens, Eviction, Expectation, PrefixIndex, ReplicaId};
pub use prefix_relay::MAX_RELAY_BYTES;
pub use prefix_ring::{PrefixRing, RingCursor, RingError};
pub use request::PickRequest;
