//! The load that sidecars share through Redis, so that gateways of several sidecars do not all go to one replica.
//!
//! Each sidecar writes what its gateways have in flight under a key of its own, which expires by itself, and reads those
//! of the others into [`Peers`](crate::peers::Peers). What they say is added to the next push, as what the sidecar's own
//! other gateways say is. Without Redis nothing is added.

mod exchange;
mod value;

pub(crate) use exchange::Exchange;
