//! Pushes every pool's newest snapshot to every gateway.
//!
//! Each pair of gateway and pool has its own loop and connection, so a gateway that hangs holds
//! up neither polling nor anybody else.

mod error;
mod fleet;
mod gateways;
mod link;
mod mismatch;
mod publish;
mod pusher;
mod relay;
mod turn;

pub(crate) use fleet::Fleet;
pub(crate) use gateways::Gateways;
pub(crate) use link::{Link, Status};
pub(crate) use publish::{Newest, Publisher};
pub(crate) use pusher::PushPlan;
pub(crate) use turn::Turn;
