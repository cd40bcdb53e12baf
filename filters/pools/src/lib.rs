//! What filters know of pools through Envoy's shared data.
//!
//! - [`PoolSource`] finds a pool's slot and its newest view, and decodes it only when it has changed.
//! - [`Saturation`] says how loaded a pool is, and whether it is saturated.
//! - [`ServedNames`] tells the intake filter, and through it the sidecar, which pools a filter's policies name.
//! - [`Undecodable`] counts and logs what cannot be read.
//! - [`change_shared`] changes a value that other workers change, too.

mod change;
mod saturation;
mod served;
mod source;
mod undecodable;

pub use change::{ChangeError, change_shared};
pub use saturation::Saturation;
pub use served::ServedNames;
pub use source::{Latest, PoolSource};
pub use undecodable::Undecodable;
