//! Whose code the worker executes.

use super::functions::Place;

/// Part of what the worker executes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Part {
    /// Envoy itself, with the libraries that it uses.
    Envoy,
    /// Of that, what runs while a function of the module waits for it.
    HostCalls,
    /// The module.
    Module,
    /// One place in the module.
    In(Place),
}
