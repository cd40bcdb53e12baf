//! What to do about findings: compiled from what is written, and checked.

mod check;
mod compiled;
mod entry;

pub use compiled::{Policy, Treatment};
