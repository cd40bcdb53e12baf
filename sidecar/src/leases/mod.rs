//! Limits that are one for a whole fleet: what this sidecar's gateways have leased of them in Redis.
//!
//! A gateway tells in its replies what it has used, what it was granted and what requests lacked. The exchange
//! passes that on to Redis, key by key, and what Redis grants goes out with the next push. All of it is totals
//! and numbers that only grow, so whatever is lost, late or repeated on either way is made up for by the next
//! message. Pushes never wait for Redis.

mod account;
mod command;
mod desk;
mod exchange;
mod script;

pub(crate) use command::{CommandError, carry_out, list};
pub(crate) use desk::{LeaseSums, Leases};
pub(crate) use exchange::LeaseExchange;

#[cfg(test)]
mod tests;
