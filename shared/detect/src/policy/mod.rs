//! What to do about findings: as written, and compiled.

mod compiled;
mod raw;

pub use compiled::{Policy, PolicyError, Treatment};
pub use raw::{
    Action, Allow, Direction, Directions, OnTrouble, RawDictionary, RawPolicy, RawRegex, RawRule,
};
