#![doc = include_str!("../README.md")]

mod host;
mod pools;
mod request;
mod source;
#[cfg(test)]
mod tests;
mod unreadable;

pub use pools::{PoolLoad, Pools};
pub use request::{State, facts};
pub use unreadable::Unreadable;
pub use weir_snapshot::{
    CompactView, DecodeError, EndpointDetails, EndpointHealth, EndpointRecord, EndpointRole,
    EndpointState, VersionStamp, keys, used_share,
};
pub use weir_wire::facts::{Facts, FactsError, FilterPolicy};
pub use weir_wire::path::{Dialect, Operation};
