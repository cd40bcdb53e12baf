//! Configuration of every filter and the sidecar, in two layers: as written, then compiled.
//!
//! A filter's configuration is the `google.protobuf.Struct` of Envoy's plugin config; how it
//! arrives is a matter of [`plugin`]. The raw layer is what serde reads (unknown fields are refused); the
//! compiled layer is what a filter asks questions of. Errors name the field, the value and the
//! limit, and are shown by Envoy when it refuses the configuration.
//!
//! All filters but `intake` and `attempt` have named policies, one of which applies to a request: see [`policies`].

pub mod attempt;
mod duration;
pub mod endpoint_picker;
pub mod error;
pub mod guardrail;
pub mod intake;
mod located;
pub mod model_router;
pub mod plugin;
pub mod policies;
pub mod sidecar;
pub mod token_limit;
pub mod trust;

pub use error::SettingsError;
pub use policies::{Policies, PolicyPlace, UnknownPolicy};
