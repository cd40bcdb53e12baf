//! How the parts of the crate behave, each on its own.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a failing test may panic")]

mod failures;
mod freshness;
mod ledgers;
mod outstanding;
mod policies;
mod prefix_events;
mod prefix_index;
mod prefix_relay;
mod support;
